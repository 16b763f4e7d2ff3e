# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How short of memory a machine is at the moment."""

from __future__ import annotations

import os

import pytest
from module_utils.hosts.memory import read_memory
from module_utils.hosts.pressure import read_pressure
from module_utils.hosts.tally import UNITS

KIB, GIB = 1024, 1024**3
STALLS = "some avg10=1.50 avg60=0.40 avg300=0.10 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def pressure(tree, pids=()):
    return read_pressure(tree, "main", pids)


@pytest.mark.parametrize("name", ["pi5", "server_v2"])
def test_what_it_could_lend_is_what_a_tally_says(machine, name):
    tree = machine(name)
    pids = [int(pid) for pid in tree.names("/proc") if pid.isdigit() and tree.text(f"/proc/{pid}/status")]
    held = [pid for pid in pids if "drover-" in (tree.text(f"/proc/{pid}/cgroup") or "")]
    assert held
    assert pressure(tree, held)["lendable_bytes"] == read_memory(tree, UNITS, 0)["usable_bytes"]


@pytest.mark.parametrize(
    ("files", "seconds"),
    [
        ({}, None),
        ({"/proc/pressure/memory": STALLS.format(90524655)}, 90.524655),
        ({"/proc/pressure/memory": STALLS.format("")}, None),
        ({"/proc/pressure/memory": STALLS.format("-1")}, None),
        ({"/proc/pressure/memory": "some"}, None),
        ({"/proc/pressure/memory": "full total=1\n\nnothing=2"}, None),
        # A container has its own, and its /proc tells the whole machine's.
        ({"/sys/fs/cgroup/memory.pressure": STALLS.format(2000000), "/proc/pressure/memory": STALLS.format(9)}, 2.0),
    ],
)
def test_how_long_its_programs_have_waited(machine, files, seconds):
    assert pressure(machine("server_v2", files=files))["stalled_seconds"] == seconds


@pytest.mark.parametrize(
    ("vmstat", "pages"), [(None, None), ("pswpin 25\npswpout 4\n", 25), ("pswpin x\n", None), ("pswpout 4\n", None)]
)
def test_how_much_was_read_back_from_swap(machine, vmstat, pages):
    expected = None if pages is None else pages * os.sysconf("SC_PAGE_SIZE")
    assert pressure(machine("pi5", files={"/proc/vmstat": vmstat}))["swapped_in_bytes"] == expected


def test_a_machine_that_tells_nothing_lends_nothing(machine):
    assert pressure(machine()) == {"lendable_bytes": 0, "stalled_seconds": None, "swapped_in_bytes": None}
