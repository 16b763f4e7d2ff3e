# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role by itself has done its part, and no more."""

from __future__ import annotations

import json

from cluster import LEADER, STRANGER, Api, address, answers, host


def test_one_machine_serves_by_itself():
    key = host(LEADER).file("/etc/drover/alone/api_key").content_string.strip()
    api = Api(f"http://{address(LEADER)}:8080", key)
    for question, answer in answers():
        assert api.ask(question) == answer
    plan = json.loads(host(LEADER).file("/etc/drover/alone/plan.json").content_string)
    assert (plan["mode"], plan["leader"], plan["cluster"]) == ("single", LEADER, "alone")


def test_the_server_that_stands_alone_has_the_arguments_of_every_other():
    deployment = json.loads(host(LEADER).file("/etc/drover/alone/deployment.json").content_string)
    assert "--no-kv-unified" in deployment["arguments"]
    assert deployment["arguments"][deployment["arguments"].index("--n-gpu-layers") + 1] == "0"


def test_a_worker_lends_to_the_one_address_that_it_was_told():
    worker = host("pi-1")
    assert worker.service("drover-rpc@lent.service").is_running
    attempt = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address('pi-1')}/50052'"
    assert host(STRANGER).run(attempt).rc == 124
    assert host(LEADER).run(attempt).rc == 0


def test_text_is_what_it_says():
    deployment = json.loads(host("pi-1").file("/etc/drover/lent/deployment.json").content_string)
    assert deployment["cache"] is None
    assert deployment["arguments"][deployment["arguments"].index("--threads") + 1] == "1"


def test_a_plan_alone_leaves_nothing_and_the_host_role_starts_nothing():
    assert not host("pi-2").file("/etc/drover/main/deployment.json").exists
    assert host("pi-2").run("drover version").rc == 0
    assert host("pi-2").check_output("systemctl list-units --all --plain --no-legend 'drover-*'") == ""
