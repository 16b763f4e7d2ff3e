# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which the files of a build of llama.cpp are known again: their prints, path -> a text that another file has not.

The RPC server does not tell its build. So root writes down which files it has found, and the agent looks whether what
runs is made of these: the program, and those of ggml's libraries that every RPC server has, which packages may replace
without it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable

from ..hosts.tree import Tree

# The linker's build id, which is made of all that is in the file, and the tables of what it has and needs.
HEAD_BYTES = 1 << 16
LIBRARY = re.compile(r"libggml(-base|-rpc)?\.so")
# Beside the program, and where source builds put them.
BESIDE = (".", "../lib")
_DELETED = " (deleted)"


def file_print(path: str) -> str | None:
    """Of the file ``path``; None for one that cannot be read. It takes no longer for a large one."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return hashlib.sha256(b"%d " % size + file.read(HEAD_BYTES)).hexdigest()[:32]
    except OSError:
        return None


def find_prints(programs: Iterable[str | None], folders: Iterable[str]) -> dict[str, str]:
    """The prints of ``programs`` and of the libraries beside them and in ``folders`` (patterns)."""
    known = [os.path.realpath(program) for program in programs if program]
    places = [os.path.join(os.path.dirname(program), beside) for program in known for beside in BESIDE]
    found = [path for place in (*places, *folders) for path in glob.glob(os.path.join(place, "libggml*.so*"))]
    found = [path for path in found if LIBRARY.match(os.path.basename(path))]
    prints = {path: file_print(path) for path in sorted({*known, *map(os.path.realpath, found)})}
    return {path: known for path, known in prints.items() if known}


def is_replaced(tree: Tree, pid: int, prints: dict[str, str]) -> bool:
    """Whether the process ``pid`` of the machine in ``tree`` runs a file that is not the one of these ``prints`` any
    more. What they do not know, as behind a wrapper, is none of them."""
    mapped = {line.split(None, 5)[5] for line in (tree.text(f"/proc/{pid}/maps") or "").splitlines() if "/" in line}
    files = {path: tree.path(path) for path in mapped}
    program = f"/proc/{pid}/exe"
    try:
        path = os.readlink(tree.path(program))
    except OSError:  # it has just ended
        return False
    # A file that was replaced since is still what it runs, and can be read here alone.
    files[path[: -len(_DELETED)] if path.endswith(_DELETED) else path] = tree.path(program)
    return any(file_print(files[path]) not in (None, prints[path]) for path in prints.keys() & files.keys())


def is_at(path: str | None, prints: dict[str, str]) -> bool:
    """Whether the file ``path`` is still the one of these ``prints``, as far as that can be told."""
    real = os.path.realpath(path) if path else ""
    return real not in prints or file_print(real) in (None, prints[real])
