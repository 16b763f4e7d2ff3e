# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that are safe to bind."""

from __future__ import annotations

import pytest
from module_utils.hosts.address import is_address, is_name, is_private


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True),
        ("192.168.1.10", True),
        ("172.31.0.1", True),
        ("127.0.0.1", True),
        ("169.254.7.7", True),
        ("100.64.0.7", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("8.8.8.8", False),
        ("172.32.0.1", False),
        ("2a00:1450::1", False),
        ("239.0.0.1", False),
        ("pi-1", False),
        ("", False),
    ],
)
def test_is_private(address, private):
    assert is_private(address) is private


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("10.0.0.1", True, False),
        ("10.0.0.256", False, False),
        ("10.0.0", False, False),
        ("fd00::1", False, False),
        ("pi-2.lan", False, True),
        ("kube-2.drover-main-workers.drover.svc", False, True),
        ("1.pool.ntp.example", False, True),
        ("pi-2", False, False),
        ("Pi-2.lan", False, False),
        ("pi_2.lan", False, False),
        ("-pi.lan", False, False),
        ("pi-.lan", False, False),
        ("pi.lan.", False, False),
        ("pi.lan\n", False, False),
        (f"{'a' * 63}.lan", False, True),
        (f"{'a' * 64}.lan", False, False),
        (".".join(["abcdefg"] * 32), False, False),
        ("", False, False),
    ],
)
def test_what_is_an_address_and_what_a_name(text, address, name):
    assert (is_address(text), is_name(text)) == (address, name)
