# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three servers: what they stand, and how one takes another's place. The tests go through this life in order."""

from __future__ import annotations

import pytest
import yaml
from cluster import address, host
from k3s_cluster import OWN, backup_of, done, inventory_of, kubectl, nodes, ready, releases, run
from k3s_watch import Watch
from kubernetes_cluster import eventually, lab
from playbook import failed

SERVERS = ["server-1", "server-2", "server-3"]


def write(server: str, value: str) -> None:
    kubectl(f"create configmap {value}", server=server)


def reads(server: str, value: str) -> bool:
    return value in kubectl(f"get configmap {value} --ignore-not-found --output=name", server=server)


def of_servers(server: str) -> set[str]:
    return {
        name
        for name, node in nodes(server).items()
        if ready(node) and "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
    }


def test_servers_joined_one_after_another():
    found = nodes()
    assert all(ready(node) for node in found.values())
    assert set(found) == {*SERVERS, "agent-1"}
    came = [found[name]["metadata"]["creationTimestamp"] for name in SERVERS]
    assert came == sorted(set(came))
    assert of_servers("server-3") == set(SERVERS)


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_has_the_state_and_takes_writes(name):
    assert host(name).file("/var/lib/rancher/k3s/server/db/etcd/member").is_directory
    write(name, f"from-{name}")
    assert all(reads(other, f"from-{name}") for other in SERVERS)


def test_two_of_three_serve_when_the_first_has_no_power():
    lab("kill", "k3s-ha/server-1")
    eventually(lambda: host("server-2").run("k3s kubectl create configmap without-one").rc == 0, 60)
    assert reads("server-3", "without-one")
    eventually(lambda: not ready(nodes("server-3")["server-1"]), 120)
    told = run("k3s_status")
    assert "server-1 NOT READY" in told.said
    assert "server-3 ready" in told.said


def test_no_run_goes_on_without_one_that_is_wished():
    told = run("k3s")
    failed(told, "server-1")
    assert not any(told.changed.values())


def test_a_fresh_host_takes_its_place(tmp_path):
    kubectl("delete node server-1", server="server-2")
    wished = inventory_of(tmp_path, ["server-2", "server-3", "spare"], ["agent-1"])
    told = done("k3s", wished)
    assert told.changed["spare"] > 0
    assert of_servers("spare") == {"server-2", "server-3", "spare"}
    assert reads("spare", "without-one")
    assert ready(nodes("spare")["agent-1"])
    kubeconfig = yaml.safe_load((OWN / "kubeconfig").read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == f"https://{address('server-2')}:6443"
    assert set(done("k3s", wished).changed.values()) == {0}


def test_an_agent_becomes_a_server_in_place_of_one_that_goes(tmp_path):
    host("agent-1").check_output(
        "mkdir -p /var/lib/rancher/k3s/storage && echo kept > /var/lib/rancher/k3s/storage/volume"
    )
    before = inventory_of(tmp_path, ["server-2", "server-3", "spare"], ["agent-1"])
    done("k3s_reset", before, limit="server-3", reset_confirm=True)
    assert set(nodes("spare")) == {"server-2", "spare", "agent-1"}
    wished = inventory_of(tmp_path, ["server-2", "spare", "agent-1"], [])
    told = run("k3s", wished, check=True)
    assert told.status == 0, told.said
    assert not host("agent-1").file("/etc/systemd/system/k3s.service").exists
    done("k3s", wished)
    assert of_servers("agent-1") == {"server-2", "spare", "agent-1"}
    assert host("agent-1").service("k3s").is_enabled
    assert not host("agent-1").file("/etc/systemd/system/k3s-agent.service").exists
    assert host("agent-1").file("/var/lib/rancher/k3s/storage/volume").content_string == "kept\n"
    assert reads("agent-1", "without-one")
    told = done("k3s", wished)
    assert set(told.changed.values()) == {0}, told.said


def test_another_version_with_one_server_down_at_a_time(tmp_path):
    servers = ["server-2", "spare", "agent-1"]
    wished = inventory_of(tmp_path, servers, [])
    with Watch(servers) as watch:
        done("k3s_upgrade", wished, k3s_version=releases()["versions"][1])
    assert watch.most_down() <= 1
    assert watch.longest_without_a_write() <= 10
    for node in nodes("spare").values():
        assert releases()["versions"][1].startswith(node["status"]["nodeInfo"]["kubeletVersion"])
    assert "before-upgrade" in host("server-2").check_output("k3s etcd-snapshot ls")


def test_the_state_is_kept_and_taken_back(tmp_path):
    wished = inventory_of(tmp_path, ["server-2", "spare", "agent-1"], [])
    write("spare", "before-the-backup")
    kept = backup_of(wished, tmp_path)
    assert {path.name for path in kept.iterdir()} == {"snapshot", "token"}
    write("spare", "after-the-backup")
    done("k3s_restore", wished, k3s_backup=str(kept), restore_confirm=True)
    assert of_servers("agent-1") == {"server-2", "spare", "agent-1"}
    assert all(reads(name, "before-the-backup") for name in ("server-2", "spare", "agent-1"))
    assert not reads("server-2", "after-the-backup")
    assert set(done("k3s", wished).changed.values()) == {0}
    (kept / "token").write_text((kept / "token").read_text().replace("K10", "K10f"))
    failed(
        run("k3s_restore", wished, k3s_backup=str(kept), restore_confirm=True), "is the backup of another cluster than"
    )
    assert reads("server-2", "before-the-backup")


def test_all_is_taken_off(tmp_path):
    wished = inventory_of(tmp_path, ["server-2", "spare", "agent-1"], [])
    done("k3s_reset", wished, reset_confirm=True, k3s_remove_volumes=True)
    for name in ("server-2", "server-3", "spare", "agent-1"):
        for path in ("/etc/rancher", "/usr/local/bin/k3s"):
            assert not host(name).file(path).exists, (name, path)
        # A file system of its own in the lab, which stays.
        assert host(name).check_output("find /var/lib/rancher -mindepth 1") == "", name
