# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither the key of the API nor the cluster's secret can be read on any host, nor in what a run prints."""

from __future__ import annotations

import pytest
from cluster import LEADER, STRANGER, WORKERS, host
from leaks import told_in, told_on
from playbook import play, succeeded


@pytest.fixture(scope="module")
def secrets() -> list[str]:
    found = [host(LEADER).file(f"/etc/drover/main/{name}").content_string.strip() for name in ("api_key", "secret")]
    assert all(len(secret) >= 32 for secret in found)
    return found


def test_one_that_could_be_read_would_be_found():
    marker = "a-marker-that-anyone-may-read"
    stranger = host(STRANGER)
    wait = "import time; time.sleep(600)"
    try:
        # Ansible tells the journal of the command.
        stranger.check_output(
            f"echo {marker} >/tmp/marker && systemd-run --quiet --unit=marker python3 -c '{wait}' {marker}"
        )
        found = told_on(STRANGER, marker)
    finally:
        stranger.run("systemctl stop marker; rm -f /tmp/marker")
    assert any(line.startswith("/proc/") for line in found)
    assert "/tmp/marker" in found
    assert any(marker in line for line in found)


@pytest.mark.parametrize("name", [LEADER, *WORKERS, STRANGER])
def test_none_can_be_read_on_a_host(name, secrets):
    for secret in secrets:
        assert told_on(name, secret) == []


@pytest.mark.parametrize("check", [False, True])
def test_none_is_told_by_a_run(secrets, check):
    """Of which one has to write both: what a user gives is written each time, the same here as what is there."""
    given = {"llama_server_api_key": secrets[0]}
    run = succeeded(play("site", settings=given, check=check, diff=True, verbose=True))
    assert "Write the API key" in run.said and "Write the cluster's secret" in run.said
    assert told_in(run.said, secrets) == []
