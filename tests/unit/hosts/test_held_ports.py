# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that another program holds."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.held_ports import held_ports

OWN = "drover-rpc@main.service"
RPC = {"port": 50052, "unit": OWN, "variable": "rpc_server_port"}
AGENT = {"port": 51052, "unit": "drover-agent@main.service", "variable": "rpc_server_agent_port"}


def listener(port, unit, command="/usr/bin/python3", pid=844):
    return {"port": port, "address": "0.0.0.0", "unit": unit, "command": command, "pid": pid}


def test_free_ports_and_those_that_are_our_own():
    assert held_ports([], [RPC, AGENT], "pi-1") == []
    assert held_ports([listener(50052, OWN), listener(22, "ssh.service")], [RPC, AGENT], "pi-1") == []


def test_each_port_is_told_of_once_with_who_holds_it_and_the_remedy():
    listeners = [listener(50052, "test.service"), listener(50052, "test.service"), listener(51052, None, None, None)]
    assert held_ports(listeners, [RPC, AGENT], "pi-1") == [
        "Port 50052 on pi-1 is held by /usr/bin/python3 (process 844, unit test.service); stop it, or set "
        "rpc_server_port to a free port.",
        "Port 51052 on pi-1 is held by an unknown program (process unknown, unit none); stop it, or set "
        "rpc_server_agent_port to a free port.",
    ]


def test_another_program_beside_our_own():
    assert len(held_ports([listener(50052, OWN), listener(50052, "test.service")], [RPC], "pi-1")) == 1


@pytest.mark.parametrize("port", [0, 65536, "50052"])
def test_no_port(port):
    with pytest.raises(DroverError, match=r"^rpc_server_port is .* but must be a whole number from 1 to 65535"):
        held_ports([], [{**RPC, "port": port}], "pi-1")
