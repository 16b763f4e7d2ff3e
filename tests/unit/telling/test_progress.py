# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, in words."""

from __future__ import annotations

import pytest
from module_utils.telling.progress import Progress

MIB = 1024 * 1024


def told(counts, size, **more):
    """The lines that ``counts``, of (second, done), come to."""
    now, lines = [0.0], []
    progress = Progress("m.gguf", lines.append, 5.0, clock=lambda: now[0], **more)
    for now[0], done in counts:
        progress(done, size)
    return lines


def test_it_is_told_in_lines_now_and_then():
    counts = [(0, 1), (1, 2), (6, 13), (7, 14), (12, 25), (20, 25), (20, 26)]
    assert told([(second, done * MIB) for second, done in counts], 100 * MIB) == [
        "m.gguf: 13 % of 100 MiB, 2.0 MiB a second, 43 s left",
        "m.gguf: 25 % of 100 MiB, 2.0 MiB a second, 37 s left",
        "m.gguf: 25 % of 100 MiB, 0 B a second, it stands still",
    ]


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (None, "m.gguf: 10.0 MiB, 2.0 MiB a second"),
        (1250 * MIB, "m.gguf: 0 % of 1.2 GiB, 2.0 MiB a second, 10 min left"),
        (20_000 * MIB, "m.gguf: 0 % of 19.5 GiB, 2.0 MiB a second, 2 h 46 min left"),
    ],
)
def test_large_files_and_unknown_ones(size, line):
    assert told([(0, 0), (5, 10 * MIB)], size) == [line]


def test_what_is_counted_has_a_name():
    assert told([(0, 0), (60, 103)], 412, noun="step") == ["m.gguf: 25 % of 412 steps, 3 min left"]


def test_it_is_due_at_first_and_then_when_a_line_would_be_told():
    now, lines = [0.0], []
    progress = Progress("m.gguf", lines.append, 5.0, clock=lambda: now[0])
    due = []
    for now[0] in (0, 1, 4.9, 5, 6, 10):
        due.append(progress.is_due())
        progress(int(now[0]), 100)
    assert due == [True, False, False, True, False, True]
    assert len(lines) == 2
