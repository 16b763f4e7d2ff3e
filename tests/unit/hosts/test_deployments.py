# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters on one machine: what one has planned is not lent to the other."""

from __future__ import annotations

import json

import pytest
from module_utils.hosts.deployments import others_bytes, read_deployments

GIB = 1024**3
KIB = 1024


def deployed(name, memory_bytes):
    return {f"/etc/drover/{name}/deployment.json": json.dumps({"cluster": name, "memory_bytes": memory_bytes})}


def running(pid, unit, held):
    return {f"/proc/{pid}/cgroup": f"0::/system.slice/{unit}", f"/proc/{pid}/status": f"RssAnon:\t{held // KIB} kB\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 0),
        (deployed("main", 9 * GIB), 0),
        (deployed("chat", 5 * GIB), 5 * GIB),
        ({**deployed("chat", 5 * GIB), **running(7, "drover-rpc@chat.service", 2 * GIB)}, 3 * GIB),
        ({**deployed("chat", 5 * GIB), **running(7, "drover-server@chat.service", 2 * GIB)}, 3 * GIB),
        ({**deployed("chat", 5 * GIB), **running(7, "drover-rpc@main.service", 2 * GIB)}, 5 * GIB),
        ({**deployed("chat", 5 * GIB), **running(7, "drover-rpc@chat.service", 6 * GIB)}, 0),
        (
            {
                **deployed("chat", 5 * GIB),
                **deployed("code", GIB),
                **running(7, "drover-rpc@chat.service", 6 * GIB),
            },
            GIB,
        ),
        (deployed("chat", "5G"), 0),
        (deployed("chat", True), 0),
        (deployed("chat", -5 * GIB), 0),
        (deployed("Not A Name", 5 * GIB), 0),
        ({"/etc/drover/chat/deployment.json": '{"memory_bytes": 5000'}, 0),
        ({"/etc/drover/chat/deployment.json": "[5000]"}, 0),
        ({"/etc/drover/chat/deployment.json": "{}"}, 0),
        ({"/etc/drover/chat/plan.json": '{"memory_bytes": 5000}'}, 0),
        ({"/etc/drover/deployment.json": '{"memory_bytes": 5000}'}, 0),
    ],
)
def test_what_others_planned_and_do_not_hold(machine, files, expected):
    tree = machine(files=files)
    assert others_bytes(tree, read_deployments(tree), "main") == expected


def test_deployments_by_the_name_of_their_cluster(machine):
    tree = machine(files={**deployed("chat", 5), **deployed("main", 7), "/etc/drover/broken/deployment.json": "{"})
    assert read_deployments(tree) == {
        "chat": {"cluster": "chat", "memory_bytes": 5},
        "main": {"cluster": "main", "memory_bytes": 7},
    }
