# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover inspect`` and ``drover receive``: read a model's header where the model lies, and take one in."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import BinaryIO

from ..errors import DroverError
from ..gguf.profile import model_profile
from ..gguf.reader import read_header
from ..gguf.source import file_facts
from ..gguf.store import NOTE, disk_problem
from .documents import print_document
from .say import say

PIECE = 1 << 20
UNFINISHED = ".incoming"


def print_header(path: str) -> None:
    """Print ``gguf`` and ``files`` of the model at ``path``, as the module gguf_info returns them."""
    header = read_header(path)
    print_document({"gguf": model_profile(header), "files": file_facts(path, header.shards)})


def receive(path: str, size: int, note: str, source: BinaryIO | None = None) -> bool:
    """Take the file ``path`` of ``size`` bytes from ``source`` (standard input), unless one with this ``note`` is
    there; tell whether it was taken.

    The line ``have`` or ``send`` is printed first, for whoever sends. The file appears whole or not at all; its note
    says what it was made from. Raises DroverError when it cannot be taken.
    """
    if _has(path, size, note):
        say("have")
        return False
    folder, name = os.path.split(path)
    with contextlib.suppress(FileNotFoundError):  # of a transfer that was cut off
        os.unlink(path + UNFINISHED)
    problem = disk_problem(folder, name, size)
    if problem:
        raise DroverError(f"{problem}.")
    say("send")
    try:
        with open(path + UNFINISHED, "wb") as file:
            left, stream = size, source or sys.stdin.buffer
            while left:
                piece = stream.read(min(left, PIECE))
                if not piece:
                    raise DroverError(f"{path} ended {left} bytes too early: send it again.")
                file.write(piece)
                left -= len(piece)
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + NOTE)
        os.replace(path + UNFINISHED, path)
        with open(path + NOTE, "w", encoding="utf-8") as file:
            file.write(f"{note}\n")
    except OSError as error:
        raise DroverError(
            f"{path} cannot be written ({error.strerror}): make room there, or correct its rights."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path + UNFINISHED)
    say("done")
    return True


def _has(path: str, size: int, note: str) -> bool:
    try:
        with open(path + NOTE, encoding="utf-8") as file:
            return os.path.getsize(path) == size and file.read().strip() == note
    except (OSError, UnicodeDecodeError):
        return False
