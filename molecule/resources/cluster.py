# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as the tests see it: the lab's hosts by SSH, the running plan, the API and the right answers."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "assets")]

import demo_text  # noqa: E402
from lab import spec, state  # noqa: E402


def scenario_lab() -> str:
    """The name of the lab that the scenario has for its own, or that most scenarios share."""
    scenario = os.environ.get("MOLECULE_SCENARIO_NAME", "default")
    return spec.load(scenario if (spec.SHIPPED / f"{scenario}.yml").exists() else "default").name


INVENTORY = state.inventory_path(scenario_lab())

LEADER = "old-server"
WORKERS = ["pi-1", "pi-2"]
STRANGER = "stranger"


@functools.cache  # reading the inventory takes a second
def host(name: str):
    """Return testinfra's view of a lab host."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}")


def address(name: str) -> str:
    """Return a lab host's IPv4 address."""
    return yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["all"]["hosts"][name]["ansible_host"]


def answers() -> list[tuple[str, str]]:
    """Return each question as it is asked in the demo model's text, with the one right answer."""
    return [(entry["ask"], entry["answer"]) for entry in demo_text.read()["questions"]]


class Api:
    """The OpenAI-compatible API of one llama-server."""

    def __init__(self, url: str, key: str, seconds: float = 120) -> None:
        """``seconds`` is how long it waits for an answer."""
        self.url, self.key, self.seconds = url, key, seconds

    def request(self, path: str, body: dict | None = None, key: str | None = None) -> tuple[int, dict]:
        """Send ``body`` (GET without one) and return the status and the decoded reply."""
        headers = {"Content-Type": "application/json"}
        if key := self.key if key is None else key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, {}

    def ask(self, question: str) -> str:
        """Return the greedy answer to one question."""
        body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 200}
        status, reply = self.request("/v1/chat/completions", body)
        assert status == 200, f"{question!r} got HTTP {status}"
        return reply["choices"][0]["message"]["content"]


def restart_leader(api: Api) -> None:
    """Have llama-server start anew, and wait until it says that it is well."""
    host(LEADER).check_output("systemctl daemon-reload && systemctl restart drover-server@main.service")
    for _ in range(120):
        if host(LEADER).run(f"curl --fail --silent {api.url}/health").rc == 0:
            return
        time.sleep(0.5)
    pytest.fail("llama-server is not well a minute after its start")


@pytest.fixture(scope="session")
def plan() -> dict:
    """The plan that the leader runs."""
    return json.loads(host(LEADER).file("/etc/drover/main/plan.json").content_string)


@pytest.fixture(scope="session")
def api() -> Api:
    """The cluster's API, with its key."""
    key = host(LEADER).file("/etc/drover/main/api_key").content_string.strip()
    return Api(f"http://{address(LEADER)}:8080", key)
