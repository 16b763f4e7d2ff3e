# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's folder of models: what of a model is there already, and what may be taken away.

Beside each file that Drover placed stands its note, ``NAME.source``, one line that says what the file was made from:
``sha256 SUM``, or ``size BYTES modified SECONDS`` of the file that was copied. The note is written last, so a file
without one is not trusted, and one with the right note is not read again to find that nothing changed.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..checks import dictionary, from_json
from ..errors import DroverError
from ..free_space import free_bytes
from ..serving.cluster import CLUSTERS_FOLDER, Cluster
from ..text import size_text

NOTE = ".source"
# Beside the first file of a model: which bytes of it are which tensor, see weights/manifest.py.
MANIFEST = ".tensors.json"
# What has come of a file that is being fetched: NAME.DIGEST.part.
UNFINISHED = ".part"
PART = re.compile(r"(?<=\.gguf)\.[0-9a-f]{16}\.part$")
_SUM = re.compile(r"[0-9a-f]{64}")
_PIECE = 1024 * 1024


def survey(directory: str, files: Sequence[Mapping[str, Any]], sha256: Sequence[str] = ()) -> dict:
    """Compare the folder ``directory`` with ``files`` (``name``, ``file_bytes``, ``modified``: where they come from).

    ``sha256`` has a checksum for each file, or none at all, and then ``modified`` (seconds since 1970) must be known.
    Returns ``paths`` (``path`` and ``bytes`` of each file in the folder, once it is there), ``missing`` (names),
    ``present_bytes`` (of files that are there in full, whatever they are), ``sources`` (name -> what its note has to
    say), ``expected_sha256`` (name -> checksum, of what is missing) and ``problem``: why the disk cannot take what is
    missing, or None.
    """
    sums = [checked_sum(value) for value in sha256] or [""] * len(files)
    if len(sums) != len(files):
        raise DroverError(
            f"There are {len(sums)} sha256 for {len(files)} files of the model: give one for each, in their order."
        )
    sources = {file["name"]: _source(file, total) for file, total in zip(files, sums)}
    missing, present_bytes, arrived, wanted_bytes = [], 0, 0, sum(file["file_bytes"] for file in files)
    for file in files:
        path = os.path.join(directory, file["name"])
        held = os.stat(path).st_size if os.path.isfile(path) else None
        present_bytes += file["file_bytes"] if held == file["file_bytes"] else 0
        # A server need not tell how long a file is, and its header says only how long it is at least.
        if held is None or held < file["file_bytes"] or _read_note(path) != sources[file["name"]]:
            missing.append(file["name"])
            arrived += min(arrived_bytes(path), file["file_bytes"]) if held != file["file_bytes"] else 0
    return {
        "paths": [{"path": os.path.join(directory, file["name"]), "bytes": file["file_bytes"]} for file in files],
        "missing": missing,
        "present_bytes": present_bytes,
        "sources": sources,
        "expected_sha256": {
            file["name"]: total for file, total in zip(files, sums) if total and file["name"] in missing
        },
        "problem": disk_problem(directory, files[0]["name"], wanted_bytes - present_bytes - arrived)
        if missing
        else None,
    }


def unfinished(path: str) -> list[str]:
    """The files beside ``path`` with what has come of it in fetches that were broken off."""
    return glob.glob(f"{glob.escape(path)}.*{UNFINISHED}")


def arrived_bytes(path: str) -> int:
    """Bytes on the disk of a fetch to ``path`` that was broken off."""
    return sum(os.path.getsize(part) for part in unfinished(path))


def check_sums(directory: str, expected: Mapping[str, str]) -> None:
    """Read the files in ``directory`` whose names ``expected`` has, and raise DroverError for a wrong sha256."""
    for name, wanted in expected.items():
        path = os.path.join(directory, name)
        found = sum_of(path)
        if found != checked_sum(wanted):
            raise DroverError(
                f"{path} has the sha256 {found} where {wanted} was expected: fetch the file again, or correct the "
                "sha256 that was given"
            )


def holds(path: str, sha256: str = "", may_note: bool = True) -> bool:
    """Whether the file at ``path`` is one that was placed whole, and has this ``sha256`` if one is given.

    Its note tells, unless the file was written since. A file without such a note counts when it has the sha256, for
    which it is read whole; then it gets its note, if we may, so that the next time is quick.
    """
    note = _read_note(path)
    try:
        fresh = os.stat(path).st_mtime_ns <= os.stat(path + NOTE).st_mtime_ns
    except OSError:
        fresh = False
    if note and fresh and (not sha256 or note == f"sha256 {sha256}"):
        return True
    if not sha256 or not os.path.isfile(path) or sum_of(path) != sha256:
        return False
    if may_note:
        with contextlib.suppress(OSError):  # a folder that may only be read
            write_note(path, sha256)
    return True


def settle(directory: str) -> None:
    """Have the disk know the names in ``directory``. Raises OSError."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_note(path: str, sha256: str) -> None:
    """Note that the file at ``path`` is whole and has this ``sha256``. Raises OSError."""
    with open(path + NOTE, "w", encoding="utf-8") as file:
        file.write(f"sha256 {sha256}\n")


def removable(directory: str, cluster: str, clusters_folder: str = CLUSTERS_FOLDER) -> tuple[list[str], list[dict]]:
    """What may go from ``directory`` with the cluster called ``cluster``: paths of models, notes and manifests that
    Drover wrote, and of what has come of others.

    The second list tells of what must stay: ``path`` of a model and ``cluster``, another one on this host that runs it.
    """
    used = _used_by_others(Cluster(cluster).name, clusters_folder)
    gone, kept = [], []
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    gone += [os.path.join(directory, name) for name in names if PART.search(name)]
    for name in names:
        if not name.endswith(".gguf" + NOTE):
            continue
        note = os.path.join(directory, name)
        model = note[: -len(NOTE)]
        user = used.get(os.path.realpath(model))
        if user:
            kept.append({"path": model, "cluster": user})
        else:
            gone += [model, note, *(path for path in [model + MANIFEST] if os.path.isfile(path))]
    return gone, kept


def _source(file: Mapping[str, Any], total: str) -> str:
    if total:
        return f"sha256 {total}"
    if file["modified"] is None:
        raise DroverError(f"{file['name']} is to be downloaded without a sha256: give the one that its page shows.")
    return f"size {file['file_bytes']} modified {file['modified']}"


def checked_sum(value: object) -> str:
    """A sha256 in small letters."""
    found = value.lower() if isinstance(value, str) else ""
    if not _SUM.fullmatch(found):
        raise DroverError(f"The sha256 {value!r} is none: expected 64 hexadecimal digits, as the model's page shows.")
    return found


def _read_note(path: str) -> str | None:
    """What the note beside a file says; None when there is none that is whole."""
    try:
        with open(path + NOTE, encoding="utf-8", errors="replace") as file:
            line = file.read(4096)
    except OSError:
        return None
    return line[:-1] if line.endswith("\n") else None


def disk_problem(directory: str, name: str, needed: int) -> str | None:
    """Why ``directory``, which need not be there, cannot take ``needed`` bytes more of the model ``name``, or None."""
    free = free_bytes(directory)
    if free > needed:
        return None
    return (
        f"{directory} has {size_text(free)} free, and {name} needs {size_text(needed)} there: free some "
        "space, or keep models on a larger disk"
    )


def sum_of(path: str) -> str:
    """The sha256 of the file at ``path``, which is read whole."""
    total = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                total.update(piece)
    except OSError as error:
        raise DroverError(f"{path} cannot be read: {error.strerror}") from None
    return total.hexdigest()


def _used_by_others(cluster: str, clusters_folder: str) -> dict[str, str]:
    """Path of a file -> the cluster, other than ``cluster``, whose deployment on this host needs it."""
    used = {}
    for name in sorted(os.listdir(clusters_folder)) if os.path.isdir(clusters_folder) else []:
        path = os.path.join(clusters_folder, name, "deployment.json")
        if name == cluster or not os.path.isfile(path):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                files = dictionary(from_json(file.read()), path)["files"]
            used.update({os.path.realpath(each["path"]): name for each in files})
        except (OSError, ValueError, KeyError, TypeError, DroverError) as error:
            raise DroverError(
                f"{path} cannot be read ({error}), so it is open which models the cluster {name} needs, and none was "
                "removed: run site.yml for that cluster, which writes it anew, or reset it."
            ) from None
    return used
