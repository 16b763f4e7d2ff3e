# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of K3s from bare hosts to bare hosts. The tests go through its life in this order."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager

import pytest
import yaml
from cluster import address, host
from k3s_cluster import OWN, SERVER, backup_of, done, inventory_of, kubectl, nodes, ready, releases, run, traces
from leaks import told_on
from playbook import failed, refused, succeeded
from web_server import Silent, listening

AGENTS = ["agent-1", "agent-2"]
HOSTS = [SERVER, *AGENTS]


def test_every_node_is_ready_and_of_the_wished_version():
    found = nodes()
    assert set(found) == set(HOSTS)
    assert all(ready(node) for node in found.values())
    for node in found.values():
        told = node["status"]["nodeInfo"]["kubeletVersion"]
        assert releases()["versions"][0].startswith(told)


@pytest.mark.parametrize(("name", "unit"), [(SERVER, "k3s"), *((name, "k3s-agent") for name in AGENTS)])
def test_it_runs_now_and_after_a_boot(name, unit):
    assert host(name).service(unit).is_running
    assert host(name).service(unit).is_enabled


def test_pods_reach_each_other_over_all_nodes():
    kubectl("-n kube-system rollout status deployment/coredns --timeout=120s")
    addresses = kubectl("-n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[*].status.podIP}'").split()
    assert addresses
    for name in HOSTS:
        for one in addresses:
            assert host(name).check_output(f"curl --silent --max-time 5 http://{one}:8181/ready") == "OK"


def test_a_service_has_an_address_on_every_node():
    for name in HOSTS:
        told = host(name).check_output("curl --silent --fail --max-time 5 http://10.43.0.10:9153/metrics")
        assert told.startswith("# HELP"), name


def test_the_kubeconfig_is_private_and_works_from_here():
    path = OWN / "kubeconfig"
    assert path.stat().st_mode & 0o777 == 0o600
    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == f"https://{address(SERVER)}:6443"
    assert [entry["name"] for entry in document["contexts"]] == ["scenario"]


def secrets() -> list[str]:
    files = ["/var/lib/rancher/k3s/server/token", "/var/lib/rancher/k3s/server/agent-token"]
    passwords = [host(SERVER).file(file).content_string.strip().rpartition(":")[2] for file in files]
    assert len(set(passwords)) == 2
    assert all(len(password) >= 32 for password in passwords)
    return passwords


def test_agents_have_the_agents_token_in_full_and_not_the_servers():
    for name in AGENTS:
        text = host(name).file("/etc/rancher/k3s/config.yaml.d/10-drover-secrets.yaml").content_string
        assert re.search(r'^token: "K10[0-9a-f]{64}::node:\w+"$', text, re.MULTILINE)
        assert secrets()[0] not in text


def test_the_servers_token_is_kept_where_it_was_wished():
    kept = OWN / "token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text() == host(SERVER).file("/var/lib/rancher/k3s/server/token").content_string


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_is_readable_or_told(name):
    folders = "/etc /run/k3s /var/lib/rancher/k3s/server /var/lib/rancher/k3s/agent"
    for secret in secrets():
        assert told_on(name, secret, folders, unlike="-not -path '*/containerd/*'") == []
    for file in ("config.yaml", "config.yaml.d/10-drover-secrets.yaml"):
        assert host(name).file(f"/etc/rancher/k3s/{file}").mode == 0o600


def test_labels_taints_and_kubelet_are_set_later_and_taken_back(tmp_path):
    own = {"k3s_labels": {"disk": "ssd"}, "k3s_taints": ["slow=yes:PreferNoSchedule"], "k3s_kubelet": {"maxPods": 23}}
    wished = inventory_of(tmp_path, [SERVER], AGENTS, agent_1=own)
    done("k3s", wished)
    node = nodes()["agent-1"]
    assert node["metadata"]["labels"]["disk"] == "ssd"
    assert {"key": "slow", "value": "yes", "effect": "PreferNoSchedule"} in node["spec"]["taints"]
    assert node["status"]["capacity"]["pods"] == "23"
    assert set(done("k3s", wished).changed.values()) == {0}
    done("k3s")
    node = nodes()["agent-1"]
    assert "disk" not in node["metadata"]["labels"]
    assert not node["spec"].get("taints")
    assert node["status"]["capacity"]["pods"] == "110"


def test_everything_in_the_way_is_told_before_anything_changes(tmp_path):
    spare = host("spare")
    own = spare.file("/etc/machine-id").content_string
    spare.check_output(f"echo {host(SERVER).file('/etc/machine-id').content_string.strip()} > /etc/machine-id")
    spare.check_output("systemd-run --quiet --unit=squatter python3 -m http.server 10250")
    try:
        told = run("k3s", inventory_of(tmp_path, [SERVER], [*AGENTS, "spare"]))
        refused(told, "spare: Port 10250, which K3s needs, is held by", "unit squatter.service")
        refused(told, "spare: Its machine id", "is that of server-1, too: it was cloned")
    finally:
        spare.check_output("systemctl stop squatter")
        spare.check_output(f"echo {own.strip()} > /etc/machine-id")


@contextmanager
def channels(*listed: dict):
    """Serves a list of channels as K3s's channel server does; gives its address."""

    class Handler(Silent):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"data": listed}).encode())

    with listening(Handler) as url:
        yield f"{url}/v1-release/channels"


def test_a_new_clusters_version_is_that_of_a_channel(tmp_path):
    fresh = inventory_of(tmp_path, ["spare"], [])
    first = releases()["versions"][0]
    with channels({"id": "stable", "latest": first}, {"id": "v1.99"}) as url:
        told = succeeded(
            run("k3s", fresh, check=True, k3s_channel_url=url, k3s_channel="stable", k3s_cache=str(tmp_path))
        )
        assert told.changed["spare"] > 0
        assert [path.name for path in tmp_path.glob("v*")] == [first]
        refused(
            run("k3s", fresh, k3s_channel_url=url, k3s_channel="v1.99"), "k3s_channel is 'v1.99' but must be a channel"
        )


def test_a_bundle_has_what_a_cluster_is_made_of(tmp_path):
    first, folder = releases()["versions"][0], tmp_path / "bundle"
    told = succeeded(run("bundle", bundle_directory=str(folder), k3s_version=first, k3s_machines=["x86_64"]))
    assert "set k3s_url to file://FOLDER/k3s" in told.said
    assert {path.name for path in (folder / "k3s" / first).iterdir()} == {
        *("k3s", "k3s-airgap-images-amd64.tar", "sha256sum-amd64.txt")
    }
    source = {"k3s_url": (folder / "k3s").as_uri(), "k3s_version": first, "k3s_cache": str(tmp_path / "cache")}
    # The first run fetches into a folder of the controller.
    done("k3s", **source)
    again = done("k3s", **source)
    assert {again.changed[name] for name in HOSTS} == {0}
    assert (tmp_path / "cache" / first / "k3s").stat().st_size == (folder / "k3s" / first / "k3s").stat().st_size


def test_what_is_wished_stands_in_the_settings():
    wished = {
        "k3s_tls_san": ["k3s.example.net"],
        "k3s_server_url": "https://fixed.example.net:6443",
        "k3s_disable": ["local-storage"],
        "k3s_datastore": "etcd",
        "k3s_firewall_is_open": True,
        "k3s_reboot_timeout": 60,
        "k3s_timeout": 30,
        "k3s_registries": {"mirrors": {"registry.example.net": {}}},
    }
    told = succeeded(run("k3s", check=True, diff=True, **wished)).said
    for line in (
        '+tls-san: ["fixed.example.net", "k3s.example.net"]',
        '+server: "https://fixed.example.net:6443"',
        '+disable: ["local-storage"]',
        "+cluster-init: true",
    ):
        assert line in told
    assert "registry.example.net" not in told
    assert not any(secret in told for secret in secrets())


@pytest.mark.parametrize(
    ("wished", "words"),
    [
        (
            {
                "k3s_flannel_backend": "vxlan",
                "k3s_service_cidr": "10.50.0.0/16",
                "k3s_cluster_cidr": "10.99.0.0/16",
                "k3s_embedded_registry": True,
            },
            "server-1 runs with cluster-cidr '10.42.0.0/16' and not '10.99.0.0/16', cluster-dns '10.43.0.10' and not "
            "'10.50.0.10', embedded-registry None and not True, flannel-backend 'host-gw' and not 'vxlan', "
            "service-cidr '10.43.0.0/16' and not '10.50.0.0/16', which a cluster keeps for life: set k3s_cluster_cidr, "
            "k3s_embedded_registry, k3s_flannel_backend, k3s_service_cidr back",
        ),
        ({"k3s_token": "another"}, "k3s_token is not what the cluster has"),
        ({"k3s_agent_token": "another"}, "k3s_agent_token is not what the cluster has"),
        ({"k3s_node_ip": "10.1.1.1"}, "server-1 has no address 10.1.1.1"),
        ({"k3s_interface": "wlan0"}, "server-1 has no address wlan0"),
        ({"k3s_node_name": "all-the-same"}, "Its node name 'all-the-same' is that of"),
        ({"k3s_datastore": "etcd", "k3s_datastore_endpoint": "postgres://u:p@db"}, "a cluster has one datastore"),
    ],
)
def test_what_a_running_cluster_cannot_have_is_refused(wished, words):
    told = run("k3s", **wished)
    refused(told, words)
    assert "postgres://" not in told.said


def test_an_agent_goes_and_another_comes(tmp_path):
    done("k3s_reset", limit="agent-2", reset_confirm=True, k3s_drain_timeout=60)
    assert set(nodes()) == {SERVER, "agent-1"}
    assert traces("agent-2") - traces("untouched") == set()
    later = inventory_of(tmp_path, [SERVER], ["agent-1", "spare"])
    assert done("k3s", later).changed["agent-1"] == 0
    assert {name for name, node in nodes().items() if ready(node)} == {SERVER, "agent-1", "spare"}
    done("k3s", inventory_of(tmp_path, [SERVER], ["agent-1", "agent-2", "spare"]))
    assert ready(nodes()["agent-2"])


@contextmanager
def asked_all_the_while(url: str):
    """Asks a pod on the server's host five times a second; gives the list of what was not answered with OK."""
    wrong, asked = [], []
    name = "asking"
    loop = f"while sleep 0.2; do curl --silent --max-time 2 {url} || echo none; echo; done"
    host(SERVER).check_output(f"systemd-run --quiet --unit={name} --property=KillMode=control-group bash -c '{loop}'")
    try:
        yield wrong
    finally:
        host(SERVER).check_output(f"systemctl stop {name}")
        said = host(SERVER).check_output(f"journalctl --unit={name} --output=cat --no-pager").split()
        asked += [word for word in said if word in ("OK", "none")]
        assert len(asked) > 20
        wrong += [word for word in asked if word != "OK"]


def test_another_version_while_pods_serve(tmp_path):
    wished = inventory_of(tmp_path, [SERVER], ["agent-1", "agent-2", "spare"])
    new = releases()["versions"][1]
    refused(
        run("k3s", wished, k3s_version=new), f"runs K3s {releases()['versions'][0]} and {new} is wished: upgrade with"
    )
    pod = kubectl("-n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[0].status.podIP}'")
    with asked_all_the_while(f"http://{pod}:8181/ready") as wrong:
        done("k3s_upgrade", wished, k3s_version=new, k3s_drain=False)
    assert wrong == []
    assert all(new.startswith(node["status"]["nodeInfo"]["kubeletVersion"]) for node in nodes().values())
    assert set(done("k3s_upgrade", wished, k3s_version=new).changed.values()) == {0}
    assert set(done("k3s", wished).changed.values()) == {0}
    refused(run("k3s_upgrade", wished, k3s_version=releases()["versions"][0]), "there is no way back")


def test_a_status_changes_nothing_and_names_all(tmp_path):
    told = done("k3s_status", inventory_of(tmp_path, [SERVER], ["agent-1", "agent-2", "spare"]))
    assert set(told.changed.values()) == {0}
    for name in (SERVER, "agent-1", "agent-2", "spare"):
        assert f"{name} ready" in told.said
        assert f"{name}: /var/lib/rancher/k3s/" in told.said


def test_the_state_is_kept_and_taken_back(tmp_path):
    wished = inventory_of(tmp_path, [SERVER], ["agent-1", "agent-2", "spare"])
    failed(run("k3s_restore", wished, k3s_backup=str(tmp_path)), "if you mean it, run again with -e k3s_backup=FOLDER")
    kubectl("create configmap before-the-backup")
    kept = backup_of(wished, tmp_path)
    assert {path.name for path in kept.iterdir()} == {"db.tar", "token"}
    kubectl("create configmap after-the-backup")
    failed(
        run("k3s_restore", wished, k3s_backup=str(tmp_path), restore_confirm=True),
        "has no db.tar and token, as a backup",
    )
    done("k3s_restore", wished, k3s_backup=str(kept), restore_confirm=True)
    known = kubectl("get configmaps --output=name")
    assert "before-the-backup" in known
    assert "after-the-backup" not in known
    assert all(ready(node) for node in nodes().values())
    assert set(done("k3s", wished).changed.values()) == {0}


def test_reset_leaves_hosts_as_one_that_was_never_touched(tmp_path):
    wished = inventory_of(tmp_path, [SERVER], ["agent-1", "agent-2", "spare"])
    failed(run("k3s_reset", wished), "if you mean it, run again with -e reset_confirm=true")
    host("agent-1").check_output(
        "mkdir -p /var/lib/rancher/k3s/storage && echo kept > /var/lib/rancher/k3s/storage/volume"
    )
    host("agent-1").check_output("iptables -N MINE; iptables -A MINE -j ACCEPT")
    done("k3s_reset", wished, reset_confirm=True)
    assert host("agent-1").file("/var/lib/rancher/k3s/storage/volume").content_string == "kept\n"
    assert "-A MINE -j ACCEPT" in host("agent-1").check_output("iptables-save")
    host("agent-1").check_output("iptables -F MINE; iptables -X MINE; nft delete table ip filter")
    done("k3s_reset", wished, reset_confirm=True, k3s_remove_volumes=True)
    for name in (SERVER, "agent-1", "agent-2", "spare"):
        assert traces(name) - traces("untouched") == set(), name
        assert traces("untouched") - traces(name) == set(), name
    assert set(done("k3s_reset", wished, reset_confirm=True).changed.values()) == {0}


def test_no_secret_is_left_on_the_controller_but_what_was_asked_for():
    listed = subprocess.run(["find", str(OWN), "-type", "f", "-perm", "/o=r"], capture_output=True, text=True).stdout
    kept = (OWN / "token").read_text().strip()
    for file in listed.splitlines():
        with open(file, "rb") as content:
            assert kept.encode() not in content.read(1 << 20), file
