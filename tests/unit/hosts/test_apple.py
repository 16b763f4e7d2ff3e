# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac, on output in the format of sysctl and vm_stat (not recorded: none was at hand)."""

from __future__ import annotations

from module_utils.hosts.apple import read_apple

GIB = 1024**3
PAGE = 16384
SYSCTL = """hw.memsize: 34359738368
hw.physicalcpu: 10
hw.logicalcpu: 10
hw.perflevel0.physicalcpu: 8
machdep.cpu.brand_string: Apple M1 Pro
iogpu.wired_limit_mb: {}
"""
FEATURES = """hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_FP16: 1
hw.optional.arm.FEAT_I8MM: 0
hw.optional.arm.FEAT_BF16: 0
"""
VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                              800000.
Pages active:                            500000.
Pages inactive:                          450000.
Pages speculative:                        20000.
Pages throttled:                              0.
Pages wired down:                        120000.
Pages purgeable:                          10000.
"Translation faults":                 912345678.
File-backed pages:                       300000.
Anonymous pages:                         670000.
"""


def mac(limit=0, vm_stat=VM_STAT):
    def run(command):
        if command[0] == "vm_stat":
            return vm_stat
        return FEATURES if "hw.optional" in command[1] else SYSCTL.format(limit)

    return run


def test_a_mac():
    parts = read_apple(reserve=2 * GIB, run=mac())
    available = (800000 + 20000 + 10000 + 300000) * PAGE
    assert parts["cpu"] == {
        "model": "Apple M1 Pro",
        "cores": 10,
        "physical_cores": 10,
        "fast_cores": 8,
        "isa": ["neon", "dotprod", "fp16"],
    }
    assert parts["memory"]["total_bytes"] == 32 * GIB
    assert parts["memory"]["available_bytes"] == available
    assert parts["memory"]["usable_bytes"] == available - 2 * GIB
    (gpu,) = parts["gpus"]
    assert (gpu["kind"], gpu["unified"]) == ("metal", True)
    assert gpu["total_bytes"] == 32 * GIB * 2 // 3
    assert gpu["usable_bytes"] == available - 2 * GIB


def test_a_limit_for_the_gpu_that_the_owner_set():
    (gpu,) = read_apple(run=mac(limit=8192))["gpus"]
    assert gpu["total_bytes"] == gpu["usable_bytes"] == 8 * GIB


def test_a_mac_that_tells_nothing_lends_nothing():
    parts = read_apple(run=lambda command: "")
    assert parts["memory"]["usable_bytes"] == 0
    assert parts["gpus"][0]["usable_bytes"] == 0
