# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measured bandwidth of a card, by a driver's library that is played; tests/gpu holds it against a real one."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.hosts import card_copy, card_speed, tally

GIB = 1024**3
CARD = {
    "id": "GPU-1",
    "name": "NVIDIA GeForce RTX 3060",
    "kind": "cuda",
    "unified": False,
    "compute_capability": "8.6",
    "nodes": [],
    "total_bytes": 12 * GIB,
    "held_bytes": 0,
    "usable_bytes": 11 * GIB,
}


@pytest.fixture
def asked(monkeypatch):
    """Replaces the process that measures: the cards that were measured."""
    cards = []

    def measure(uuid):
        cards.append(uuid)
        return 300_000_000_000 + len(cards)

    monkeypatch.setattr(card_speed, "_in_a_process", measure)
    return cards


def test_a_card_is_measured_once(asked, tmp_path):
    first, second = (card_speed.card_speed(CARD, str(tmp_path), True) for _run in range(2))
    assert first == second == 300_000_000_001 and asked == ["GPU-1"]


def test_other_hardware_under_the_same_id_is_measured_anew(asked, tmp_path):
    card_speed.card_speed(CARD, str(tmp_path), True)
    assert card_speed.card_speed({**CARD, "total_bytes": 8 * GIB}, str(tmp_path), True) == 300_000_000_002


def test_nothing_is_written_where_a_plan_is_only_looked_at(asked, tmp_path):
    assert card_speed.card_speed(CARD, str(tmp_path / "none"), False) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"held_bytes": GIB},  # Drover's own program may be computing
        {"usable_bytes": GIB},
        {"unified": True},
        {"kind": "rocm"},
        {"kind": "vulkan"},
    ],
)
def test_what_cannot_be_measured_now_is_not(asked, tmp_path, change):
    assert card_speed.card_speed({**CARD, **change}, str(tmp_path), True) is None and asked == []


def test_a_figure_that_is_known_stays_while_a_program_runs(asked, tmp_path):
    card_speed.card_speed(CARD, str(tmp_path), True)
    assert card_speed.card_speed({**CARD, "held_bytes": GIB}, str(tmp_path), True) == 300_000_000_001


def test_a_machine_without_the_library_has_no_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(card_copy, "LIBRARY", "libcuda-that-nobody-has.so.1")
    with pytest.raises(DroverError, match=r"libcuda-that-nobody-has.so.1 cannot be loaded"):
        card_copy.copied_bytes_per_second()
    # The process of its own imports the same, and ends with an error.
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert card_speed.card_speed(CARD, str(tmp_path), True) is None and not list(tmp_path.iterdir())


class Library:
    """Plays libcuda: every function works, but for the one that fails with 2 (out of memory)."""

    def __init__(self, failing=None):
        self.failing, self.called = failing, []

    def __getattr__(self, name):
        def function(*arguments):
            self.called.append((name, arguments))
            return 2 if name == self.failing else 0

        return function


def test_the_copy_is_larger_than_every_cache_and_waits_for_its_end(monkeypatch):
    library = Library()
    moments = iter([moment for start in range(card_copy.ROUNDS) for moment in (start, start + 0.01)])
    monkeypatch.setattr(card_copy.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(card_copy.time, "perf_counter", lambda: next(moments))
    told = card_copy.copied_bytes_per_second()
    copies = [arguments for name, arguments in library.called if name == "cuMemcpyDtoDAsync_v2"]
    assert len(copies) == card_copy.COPIES * card_copy.ROUNDS and {one[2].value for one in copies} == {256 * 1024**2}
    assert told == pytest.approx(2 * card_copy.COPIES * 256 * 1024**2 / 0.01, rel=1e-6)
    names = [name for name, _arguments in library.called]
    assert names[-1] == "cuCtxSynchronize" and names.count("cuCtxSynchronize") == 2 * card_copy.ROUNDS


@pytest.mark.parametrize("function", ["cuInit", "cuMemAlloc_v2", "cuMemcpyDtoDAsync_v2", "cuCtxSynchronize"])
def test_what_the_driver_refuses_is_told_by_name(monkeypatch, function):
    monkeypatch.setattr(card_copy.ctypes, "CDLL", lambda name: Library(function))
    with pytest.raises(DroverError, match=f"{function} of libcuda.so.1 failed with 2"):
        card_copy.copied_bytes_per_second()


def test_a_tally_has_what_was_measured_and_plans_with_it(asked, machine, monkeypatch, tmp_path):
    monkeypatch.setattr(tally, "read_gpus", lambda tree, pids: [dict(CARD)])
    taken = tally.take_tally(machine("server_v2"), backends=["CUDA"], cache_file=str(tmp_path / "bandwidth.json"))
    assert taken["gpus"][0]["bandwidth_bytes_per_second"] == 300_000_000_001
    assert taken["devices"][1]["bandwidth_bytes_per_second"] == 300_000_000_001
    assert json.loads((tmp_path / "GPU-1.json").read_text())["figure"] == 300_000_000_001
