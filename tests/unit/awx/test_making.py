# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""awx.yml by the modules of awx.awx, against a stand-in for AWX: what it makes, and that a second run makes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from unit.awx.standin import Awx, serve

ROOT = Path(__file__).parents[3]


def play(url: str, token: str = "secret") -> subprocess.CompletedProcess:
    """Run the playbook, and return how it ended."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "CONTROLLER_HOST": url,
        "CONTROLLER_OAUTH_TOKEN": token,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    command = ["ansible-playbook", "-i", "inventories/pi", "playbooks/awx.yml", "-e", "awx_image=example/drover-ee"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def server():
    awx = Awx()
    running = serve(awx, "secret")
    yield awx, f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


@pytest.mark.long  # tests/unit/awx/test_arguments.py
def test_all_of_it_is_made_once(server):
    awx, url = server
    first = play(url)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "[WARNING]" not in first.stdout + first.stderr
    groups = {group["name"]: awx.associated.get(("groups", str(group["id"]), "hosts")) for group in awx.all("groups")}
    hosts = {host["id"] for host in awx.all("hosts")}
    assert set(groups) == {"llama_cluster"} and set(groups["llama_cluster"]) == hosts
    templates = {template["name"]: template for template in awx.all("job_templates")}
    (project,), (environment,) = awx.all("projects"), awx.all("execution_environments")
    assert {template["project"] for template in templates.values()} == {project["id"]}
    assert project["default_environment"] == environment["id"]
    # The workflow's nodes, each after the other.
    nodes = {node["identifier"]: node for node in awx.all("workflow_job_template_nodes")}
    for one, following in (("plan", "approve"), ("approve", "deploy"), ("deploy", "status")):
        after = awx.associated["workflow_job_template_nodes", str(nodes[one]["id"]), "success_nodes"]
        assert after == [nodes[following]["id"]]
    assert nodes["deploy"]["unified_job_template"] == templates["Drover: deploy"]["id"]
    assert [approval["timeout"] for approval in awx.all("workflow_approval_templates")] == [86400]
    (schedule,) = awx.all("schedules")
    assert schedule["unified_job_template"] == templates["Drover: status"]["id"]

    made = awx.writes
    second = play(url)
    assert second.returncode == 0, second.stdout + second.stderr
    assert re.search(r"localhost +: ok=\d+ +changed=0 ", second.stdout), second.stdout
    assert awx.writes == made


def test_a_wrong_token_is_told(server):
    """At the first object, so this one is quick."""
    done = play(server[1], token="wrong")
    assert done.returncode != 0
    assert "Invalid authentication credentials" in done.stdout
