# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FNV-1a by a program of a dozen lines, where there is a C compiler.

It is a process of its own behind a pipe, so that nothing is loaded into ours, and it goes with the folder that it was
compiled in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .fnv import BASIS

COMPILERS = ("cc", "gcc", "clang")
COMPILING_SECONDS = 60
# Numbers on the pipe are in the machine's own order: both ends are on it.
_PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
static unsigned char data[1 << 16];
int main(void) {
    uint64_t head[2]; /* state, length */
    while (fread(head, sizeof head, 1, stdin) == 1) {
        uint64_t state = head[0], left = head[1];
        while (left > 0) {
            size_t got = fread(data, 1, left < sizeof data ? (size_t) left : sizeof data, stdin);
            if (got == 0) return 1;
            for (size_t i = 0; i < got; i++) state = (state ^ data[i]) * 0x100000001b3ULL;
            left -= got;
        }
        if (fwrite(&state, sizeof state, 1, stdout) != 1 || fflush(stdout) != 0) return 1;
    }
    return 0;
}
"""


def compile_helper(folder: str) -> str | None:
    """The path of the program, compiled in ``folder``; None where that cannot be."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    source, program = os.path.join(folder, "fnv.c"), os.path.join(folder, "fnv")
    try:
        with open(source, "w", encoding="ascii") as file:
            file.write(_PROGRAM)
        done = subprocess.run(
            [compiler, "-std=c99", "-O2", "-o", program, source],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMPILING_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if done.returncode == 0 else None


class CompiledHash:
    """A hasher that asks the ``program``. Raises OSError when it cannot be run (a folder without executables), or
    ends."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, data: bytes | memoryview, state: int = BASIS) -> int:
        """The state after ``data``, which follows what gave ``state``: the same as ``fnv.fnv1a``."""
        given, told = self._process.stdin, self._process.stdout
        if given is None or told is None:  # never: both were asked for
            raise OSError("the compiled helper has no pipes")
        given.write(state.to_bytes(8, sys.byteorder) + len(data).to_bytes(8, sys.byteorder))
        given.write(data)
        given.flush()
        answer = told.read(8)
        if len(answer) != 8:
            raise OSError("the compiled helper ended")
        return int.from_bytes(answer, sys.byteorder)

    def close(self) -> None:
        """End the program."""
        self._process.communicate()
