# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole tally."""

from __future__ import annotations

import json
import platform
import re
import socket
from pathlib import Path

import pytest
import yaml
from module_utils.errors import DroverError
from module_utils.hosts import document, network, tally
from module_utils.hosts.tree import Tree

GIB = 1024**3
ROOT = Path(__file__).parents[3]
DRIVER = {"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.07"}


@pytest.fixture
def local(monkeypatch):
    monkeypatch.setattr(network, "local_addresses", lambda: [("lo", "127.0.0.1", 8), ("eth0", "192.168.1.21", 24)])
    monkeypatch.setattr(network, "ssh_address", lambda tree: "192.168.1.21")


@pytest.fixture
def builds(monkeypatch):
    """Stands in for the llama.cpp that is installed: returns the list of questions after it."""
    asked = []

    def find(builds_path, may_write):
        asked.append((builds_path, may_write))
        return {"devices": [{"name": "CUDA0", "description": "a card", "total_bytes": 1, "free_bytes": 1}]}

    monkeypatch.setattr(tally, "find_llama_cpp", find)
    return asked


def test_the_tally_of_a_pi(machine, local, builds):
    taken = tally.take_tally(machine("pi5"), disk_path="/srv/models/not/yet", measure=False)
    assert document.read_tally(json.loads(json.dumps(taken))) == taken
    assert taken["host"] == socket.gethostname()
    assert (taken["exclude"], taken["threads"], taken["port"]) == ("", None, 50052)
    assert taken["architecture"] == platform.machine()
    assert taken["os"] == {"id": "debian", "version_id": "13"}
    assert taken["bandwidth_bytes_per_second"] is None
    assert [entry["address"] for entry in taken["network"]["addresses"]] == ["127.0.0.1", "192.168.1.21"]
    assert taken["network"]["arrived_at"] == "192.168.1.21"
    assert taken["disk"]["path"] == "/srv/models/not/yet"
    assert taken["disk"]["free_bytes"] > 0
    assert taken["disk"]["models"] == {}
    assert [device["id"] for device in taken["devices"]] == ["CPU"]
    assert taken["devices"][0]["usable_bytes"] == taken["memory"]["usable_bytes"]
    assert any("systemd" in obstacle for obstacle in taken["obstacles"])  # a recorded one was not started
    assert builds == []  # nothing is started where there is no GPU


def test_a_users_own_settings(machine, local):
    taken = tally.take_tally(
        machine("server_v2"),
        host="old-server",
        exclude="on loan",
        reserve_bytes=1,
        threads=3,
        address="192.168.1.21",
        port=9931,
        measure=False,
    )
    assert (taken["host"], taken["exclude"], taken["threads"], taken["port"]) == ("old-server", "on loan", 3, 9931)
    assert taken["network"]["address"] == "192.168.1.21"
    assert taken["memory"]["reserve_bytes"] == 1


@pytest.mark.parametrize(("cluster", "held", "others"), [("main", 4 * GIB, 2 * GIB), ("chat", GIB, 1 * GIB)])
def test_each_cluster_has_what_it_holds_and_not_what_the_other_plans(machine, local, cluster, held, others):
    files = {
        "/etc/drover/main/deployment.json": json.dumps({"memory_bytes": 5 * GIB}),
        "/etc/drover/chat/deployment.json": json.dumps({"memory_bytes": 3 * GIB}),
        "/proc/903/cgroup": "0::/system.slice/system-drover\\x2drpc.slice/drover-rpc@chat.service",
        "/proc/903/status": f"RssAnon:\t{GIB // 1024} kB\n",
    }
    memory = tally.take_tally(machine("server_v2", files=files), cluster=cluster, measure=False)["memory"]
    assert (memory["held_bytes"], memory["others_bytes"]) == (held, others)


def gpu(usable, unified, held=0):
    sizes = {"total_bytes": 20 * GIB, "held_bytes": held, "usable_bytes": usable}
    about = {"id": "GPU-1", "name": "a card", "kind": "cuda", "compute_capability": "8.6", "nodes": []}
    return {**about, "unified": unified, **sizes}


def test_gpus_count_with_the_build_that_is_installed(machine, local, builds, monkeypatch):
    monkeypatch.setattr(tally, "read_gpus", lambda tree, pids: [gpu(19 * GIB, False)])
    taken = tally.take_tally(machine("server_v2"), measure=False)
    assert [device["kind"] for device in taken["devices"]] == ["cpu", "cuda"]
    assert builds.pop() == ("/opt/llama.cpp", True)
    tally.take_tally(machine("server_v2"), builds_path="/srv/builds", measure=False)
    assert builds == [("/srv/builds", True)]
    taken = tally.take_tally(machine("server_v2"), backends=["CPU"], measure=False)
    assert [device["kind"] for device in taken["devices"]] == ["cpu"]
    assert len(builds) == 1


def test_memory_that_a_gpu_shares_is_the_machines(machine, local, builds, monkeypatch):
    without = tally.take_tally(machine("container_lxcfs"), measure=False)["memory"]
    monkeypatch.setattr(tally, "read_gpus", lambda tree, pids: [gpu(19 * GIB, True, held=GIB)])
    taken = tally.take_tally(machine("container_lxcfs"), measure=False)
    assert taken["memory"]["held_bytes"] == without["held_bytes"] + GIB
    assert taken["memory"]["usable_bytes"] == without["usable_bytes"] + GIB
    assert taken["gpus"][0]["usable_bytes"] == taken["memory"]["usable_bytes"]


def test_models_that_are_there_already(machine, local):
    parts = {f"/srv/{name}.gguf.0123456789abcdef.part": "12345" for name in "ae"}
    tree = machine(
        "pi5", files={"/srv/a.gguf": "1234", "/srv/b.gguf.part": "12", "/srv/c.txt": "1", "/srv/d.gguf/x": "", **parts}
    )
    # What has come of one that is being fetched takes no room a second time.
    assert tally.read_disk(tree, "/srv")["models"] == {"a.gguf": 4, "e.gguf": 5}


def test_debian_testing_has_no_version(machine):
    assert tally.read_os(machine("container_lxcfs")) == {"id": "debian", "version_id": None}


def test_no_os_release(machine):
    assert tally.read_os(machine()) == {"id": None, "version_id": None}


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("reserve_bytes", -1, "reserve_bytes is -1 but must be a whole number from 0 up"),
        ("threads", -2, "threads is -2 but must be a whole number from 1 up"),
        ("port", 0, "port is 0 but must be a whole number from 1 to 65535"),
        ("address", "10.7.7.7", "10.7.7.7 is not an address of this host"),
        ("cluster", "Main!", "The cluster is called 'Main!' but must have a name"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(machine, local, setting, value, told):
    with pytest.raises(DroverError, match="^" + re.escape(told)):
        tally.take_tally(machine("pi5"), measure=False, **{setting: value})


def documented(fields, value, place):
    """The module's documentation names the fields of ``value``, all of them and no others."""
    assert set(fields) == set(value), place
    for name, field in fields.items():
        if "contains" in field:
            inner = value[name][0] if field["type"] == "list" else value[name]
            documented(field["contains"], inner, f"{place}.{name}")


def test_the_modules_documentation_names_every_field(monkeypatch):
    text = (ROOT / "plugins" / "modules" / "memory_info.py").read_text()
    fields = yaml.safe_load(re.search(r'RETURN = r"""(.*?)"""', text, re.DOTALL)[1])["tally"]["contains"]
    monkeypatch.setattr(tally, "read_gpus", lambda tree, pids: [gpu(GIB, False)])
    documented(fields, tally.take_tally(Tree(), backends=[], measure=False), "tally")


def test_in_a_pod_the_node_is_told_and_not_what_bounds_the_pod(machine, local):
    """The recorded container may take 4 GiB and 2.5 processors of a machine with more."""
    tree = machine("docker_v1", files={"/etc/machine-id": "0" * 32})
    bound = tally.take_tally(tree, measure=False)
    node = tally.take_tally(tree, measure=False, pod=True)
    assert bound["memory"]["limit_bytes"] == 4 * GIB
    assert (node["memory"]["limit_bytes"], node["memory"]["limit_used_bytes"]) == (None, None)
    memory = node["memory"]
    assert memory["usable_bytes"] == memory["available_bytes"] - memory["reserve_bytes"] > 20 * GIB
    # The image, and its name, are the same on every node.
    assert bound["machine"] is not None and node["machine"] is None
    assert bound["obstacles"] and node["obstacles"] == []
    assert document.read_tally(node) == node


def test_in_a_pod_the_processors_are_all_of_the_nodes(machine, local, monkeypatch):
    block = "processor\t: {}\nmodel name\t: old\n\n"
    tree = machine("docker_v1", files={"/proc/cpuinfo": "".join(map(block.format, range(16)))})
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert tally.take_tally(tree, measure=False, pod=True)["cpu"]["cores"] == 16
    assert tally.take_tally(tree, measure=False)["cpu"]["cores"] <= 3


def test_in_a_pod_no_more_memory_is_measured_than_the_pod_may_take(machine, local, monkeypatch):
    asked = []
    monkeypatch.setattr(tally, "bandwidth", lambda tree, cpu, memory, *more: asked.append((memory, more[0])) or 1)
    taken = tally.take_tally(machine("docker_v1"), pod=True)
    ((memory, quota),) = asked
    assert (memory["usable_bytes"], quota) == (3 * GIB, None)  # 4 GiB, of which 1 GiB is in use
    assert taken["memory"]["usable_bytes"] > 20 * GIB
