# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Size and age of a model's files."""

from __future__ import annotations

import os

import pytest
from module_utils.errors import DroverError
from module_utils.gguf.source import file_facts


def test_facts_are_in_the_order_of_the_shards(tmp_path):
    for name, size, modified in [("a.gguf", 3, 1000), ("b.gguf", 5, 2000)]:
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (modified, modified + 0.9))
    assert file_facts(str(tmp_path / "b.gguf"), ["b.gguf", "a.gguf"]) == [
        {"name": "b.gguf", "file_bytes": 5, "modified": 2000},
        {"name": "a.gguf", "file_bytes": 3, "modified": 1000},
    ]


def test_a_file_that_went_away_is_named(tmp_path):
    with pytest.raises(DroverError, match=r"b\.gguf"):
        file_facts(str(tmp_path / "a.gguf"), ["b.gguf"])
