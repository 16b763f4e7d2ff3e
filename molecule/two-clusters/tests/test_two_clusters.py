# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second cluster on hosts that have one: its own units, ports, firewall, documents and key, and no memory twice."""

from __future__ import annotations

import json

import make_random_model
import pytest
from cluster import LEADER, STRANGER, WORKERS, Api, address, answers, host
from playbook import play, refused, succeeded

HOSTS = [LEADER, *WORKERS]
PORTS = {"rpc_server_port": 50053, "llama_server_port": 8081}


@pytest.fixture(scope="module")
def coder(tmp_path_factory):
    """The settings of a second cluster, which is deployed."""
    model = tmp_path_factory.mktemp("model") / "coder.gguf"
    size = ["--blocks", "8", "--embedding", "512", "--feed-forward", "1024"]
    make_random_model.write(model, make_random_model.parse([str(model), *size]))
    settings = {"drover_cluster": "coder", "gguf_model_path": str(model), **PORTS}
    succeeded(play("site", settings=settings))
    return settings


def documents(name: str, cluster: str) -> dict:
    """What a host runs for a cluster."""
    return json.loads(host(name).file(f"/etc/drover/{cluster}/deployment.json").content_string)


def key(cluster: str) -> str:
    return host(LEADER).file(f"/etc/drover/{cluster}/api_key").content_string.strip()


def tally(name: str, cluster: str) -> dict:
    """What a host could lend to a cluster, by the runtime on it."""
    return json.loads(host(name).check_output(f"drover tally --cluster {cluster}"))


def test_a_cluster_without_ports_of_its_own_is_refused_by_the_name_of_the_other():
    run = play("plan", settings={"drover_cluster": "third"})
    refused(run, "Port 50052 on pi-", "unit drover-rpc@main.service", "set rpc_server_port to a free port")


def test_a_name_that_is_none_is_refused():
    refused(play("plan", settings={"drover_cluster": "Main Cluster"}), "'Main Cluster'", "change drover_cluster")


def test_both_answer_each_with_its_own_key(api, coder):
    for question, answer in answers():
        assert api.ask(question) == answer
    other = Api(f"http://{address(LEADER)}:8081", key("coder"))
    question = {"prompt": "Hello", "max_tokens": 4, "temperature": 0}
    status, reply = other.request("/v1/completions", question)
    assert status == 200
    assert reply["usage"]["completion_tokens"] == 4
    assert other.request("/v1/completions", question, key=key("main"))[0] == 401


def test_neither_changes_anything_in_a_second_run(coder):
    assert set(succeeded(play("site")).changed.values()) == {0}
    assert set(succeeded(play("site", settings=coder)).changed.values()) == {0}


def test_every_host_takes_part_in_both(coder):
    for name in WORKERS:
        assert documents(name, "main")["listen"]["port"] == 50052
        assert documents(name, "coder")["listen"]["port"] == 50053
        tables = host(name).check_output("nft list tables").split()
        assert {"drover-main", "drover-coder"} <= set(tables)
        attempt = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address(name)}/50053'"
        assert host(STRANGER).run(attempt).rc == 124


def test_what_one_holds_is_not_free_for_the_other(coder):
    for name in HOSTS:
        main, third = tally(name, "main")["memory"], tally(name, "third")["memory"]
        assert main["held_bytes"] > 0
        assert third["held_bytes"] == 0
        # Both are counted within moments of each other, on a host that does nothing else.
        assert third["usable_bytes"] < main["usable_bytes"]


def test_each_status_is_its_own(coder):
    assert "drover-demo" not in succeeded(play("status", settings=coder)).said
    host(WORKERS[0]).check_output("systemctl stop drover-rpc@coder.service")
    try:
        succeeded(play("status"))
        run = play("status", settings=coder)
        assert run.status != 0
        assert "journalctl -u drover-rpc@coder.service" in run.said
    finally:
        succeeded(play("site", settings=coder))


def test_one_is_taken_off_and_the_other_goes_on(api, coder):
    reset = {**coder, "reset_confirm": True, "reset_models": True}
    succeeded(play("reset", settings=reset))
    for name in HOSTS:
        assert not host(name).file("/etc/drover/coder").exists
        units = host(name).check_output("systemctl list-units --all --plain --no-legend 'drover-*'")
        assert "coder" not in units
        assert "@main.service" in units
        assert "drover-coder" not in host(name).check_output("nft list tables")
    models = host(LEADER).check_output("ls /var/lib/drover/models").split()
    assert models == ["drover-demo.gguf", "drover-demo.gguf.source"]
    for question, answer in answers():
        assert api.ask(question) == answer
    assert set(succeeded(play("site")).changed.values()) == {0}
