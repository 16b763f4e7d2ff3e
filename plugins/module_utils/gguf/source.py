# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a local file, by position. The other kind of source is remote.RemoteSource."""

from __future__ import annotations

import os
import stat

from ..errors import DroverError

CHUNK = 256 * 1024


class LocalSource:
    """A regular file: `name` (for messages), `size` in bytes, `read`, `close`; a context manager."""

    def __init__(self, path: str):
        self.name = path
        try:
            # Looked at before it is opened: opening a named pipe would wait for its writer.
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                raise DroverError(f"{path} is a directory: expected a GGUF file, so give the path of the file in it")
            if not stat.S_ISREG(status.st_mode):
                raise DroverError(f"{path} is not a regular file: expected a GGUF file")
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise DroverError(f"{path} does not exist: expected a GGUF file on this host") from None
        except PermissionError:
            raise DroverError(
                f"{path} cannot be read: permission denied for user id {os.geteuid()}; "
                "grant read permission on it and on its directories, or use become"
            ) from None
        except (OSError, ValueError) as error:
            raise DroverError(f"{path!r} cannot be opened: {error}") from None
        self.size = os.fstat(self._descriptor).st_size

    def read(self, position: int, minimum: int) -> bytes:
        """Bytes from `position` on: at least `minimum` of them, usually a whole chunk."""
        try:
            data = os.pread(self._descriptor, max(minimum, CHUNK), position)
        except OSError as error:
            raise DroverError(f"{self.name} cannot be read at byte {position}: {error.strerror}") from None
        if len(data) < minimum:
            raise DroverError(
                f"{self.name} shrank while it was read: expected {minimum} bytes at {position}, got {len(data)}; "
                "wait until its copy is complete"
            )
        return data

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> LocalSource:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def file_facts(path: str, names: list[str]) -> list[dict]:
    """Return name, size in bytes and time of the last write (whole seconds since 1970) of each file beside ``path``.

    Tells cheaply whether a copy made earlier is still of these files; raises DroverError when one has gone meanwhile.
    """
    facts = []
    for name in names:
        try:
            status = os.stat(os.path.join(os.path.dirname(path), name))
        except OSError as error:
            raise DroverError(f"{name} beside {path} cannot be looked at: {error.strerror}") from None
        facts.append({"name": name, "file_bytes": status.st_size, "modified": int(status.st_mtime)})
    return facts
