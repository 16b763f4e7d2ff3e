# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of cards, by the names that drivers and builds give them."""

from __future__ import annotations

import pytest
from module_utils.hosts.cards import card_bandwidth, card_operations

GB, TERA = 1_000_000_000, 1_000_000_000_000


@pytest.mark.parametrize(
    ("name", "bandwidth", "operations"),
    [
        ("NVIDIA GeForce RTX 4090", 1008 * GB, 165 * TERA),
        ("AMD Radeon RX 7900 XTX (RADV NAVI31)", 960 * GB, 122 * TERA),
        ("Intel(R) Arc(tm) A770 Graphics (DG2)", 560 * GB, 130 * TERA),
        # Sold under the name of a larger one.
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None, None),
        ("NVIDIA GeForce RTX 2080 with Max-Q Design", None, None),
        ("NVIDIA GH200 480GB", 4000 * GB, 989 * TERA),
        ("NVIDIA H200", 4800 * GB, 989 * TERA),
        # A slice of MIG: its share of the memory's channels and of the multiprocessors.
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 1555 * GB // 8, 312 * TERA // 7),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 1555 * GB // 2, 312 * TERA * 3 // 7),
        ("NVIDIA H100 80GB HBM3 MIG 7g.80gb", 3350 * GB, 989 * TERA),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", 3350 * GB // 2, 989 * TERA // 7),
        ("A card of somebody's MIG 1g.5gb", None, None),
        ("AMD GPU 0x73bf", None, None),
    ],
)
def test_speeds_by_name(name, bandwidth, operations):
    assert (card_bandwidth(name), card_operations(name)) == (bandwidth, operations)
