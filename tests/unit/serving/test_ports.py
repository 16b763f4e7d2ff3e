# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports a host's part needs, and that another program's are refused."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.serving.ports import needed_ports, require_ports

WORKER = {
    "cluster": "main",
    "host": "pi-1",
    "part": "worker",
    "listen": {"address": "10.0.0.11", "port": 50052},
    "healing": {"port": 51052},
}
LEADER = {
    "cluster": "main",
    "host": "head",
    "part": "leader",
    "listen": {"address": "10.0.0.1", "port": 8080},
    "healing": {"port": 9080},
}


def listener(port, unit):
    return {"port": port, "address": "10.0.0.11", "pid": 844, "command": "/usr/bin/python3", "unit": unit}


def refused(deployments, listeners):
    with pytest.raises(DroverError) as caught:
        require_ports(deployments, listeners)
    return str(caught.value)


@pytest.mark.parametrize(
    ("deployment", "unit", "port", "variable"),
    [
        (WORKER, "drover-rpc@main.service", 50052, "rpc_server_port"),
        (WORKER, "drover-agent@main.service", 51052, "rpc_server_agent_port"),
        (WORKER, "drover-tunnel@main.service", 50052, "rpc_server_port"),
        (WORKER, "drover-tunnel@main.service", 51052, "rpc_server_agent_port"),
        (LEADER, "drover-server@main.service", 8080, "llama_server_port"),
        (LEADER, "drover-watch@main.service", 9080, "llama_server_health_port"),
    ],
)
def test_each_port_is_its_units_alone(deployment, unit, port, variable):
    host = deployment["host"]
    require_ports([deployment], {host: [listener(port, unit)]})
    # Another cluster's is somebody else.
    assert refused([deployment], {host: [listener(port, unit.replace("main", "night"))]}) == (
        f"Port {port} on {host} is held by /usr/bin/python3 (process 844, unit {unit.replace('main', 'night')}); stop "
        f"it, or set {variable} to a free port."
    )


def test_a_leader_has_no_end_of_the_tunnel_on_its_ports():
    assert "llama_server_port" in refused([LEADER], {"head": [listener(8080, "drover-tunnel@main.service")]})


@pytest.mark.parametrize("deployment", [WORKER, LEADER])
def test_what_does_not_heal_needs_one_port(deployment):
    alone = {**deployment, "healing": None}
    assert [each["port"] for each in needed_ports(alone)] == [deployment["listen"]["port"]]
    require_ports([alone], {alone["host"]: [listener(deployment["healing"]["port"], "other.service")]})


def test_every_held_port_of_all_hosts_is_told_and_other_hosts_do_not_count():
    listeners = {
        "pi-1": [listener(51052, None), listener(50052, "test.service"), listener(22, "ssh.service")],
        "head": [listener(9080, "test.service")],
        "spare": [listener(50052, "test.service")],
    }
    told = refused([LEADER, WORKER], listeners)
    assert [word for word in told.split() if word.endswith("_port")] == [
        "llama_server_health_port",
        "rpc_server_port",
        "rpc_server_agent_port",
    ]
    require_ports([LEADER, WORKER], {"spare": listeners["spare"]})
    require_ports([LEADER, WORKER], {})
