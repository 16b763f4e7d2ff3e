# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that do one thing on a node and end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from module_utils.kubernetes.quantities import bytes_of, millicores_of
from module_utils.kubernetes.short_lived import _SWEEP, courier_pod, sweeper_pods, tally_pods

from .objects import MIB, Cluster, container, node, pod


def test_each_node_that_can_be_used_takes_stock_of_itself():
    cluster = Cluster(nodes=[node("kube-1"), node("kube-2"), node("kube-3", conditions=[])], rpc_port=50060)
    pods = tally_pods(cluster.stock, cluster.settings, "main")
    assert [each["metadata"]["name"] for each in pods] == ["drover-main-tally-kube-1", "drover-main-tally-kube-2"]
    (tell,) = pods[0]["spec"]["containers"]
    assert tell["command"][2:] == [
        *("tally", "--pod", "--cluster", "main", "--host", "kube-1", "--port", "50060"),
        *("--disk-path", "/var/lib/drover/models", "--reserve-bytes", "0"),
    ]
    assert pods[0]["spec"]["restartPolicy"] == "Never"
    assert pods[0]["spec"]["activeDeadlineSeconds"] == 300
    assert [mount for mount in tell["volumeMounts"] if mount["name"] == "model"] == [
        {"name": "model", "mountPath": "/var/lib/drover/models", "readOnly": True}
    ]


def test_a_claim_is_not_mounted_on_every_node():
    cluster = Cluster(model={"file": "small.gguf", "claim": "models"})
    for each in tally_pods(cluster.stock, cluster.settings, "main"):
        assert [volume["name"] for volume in each["spec"]["volumes"]] == ["tmp"]


@pytest.mark.parametrize(
    ("memory", "others", "limit"), [("8Gi", [], 1024), ("512Mi", [], 512), ("512Mi", [container("480Mi", "100m")], 96)]
)
def test_a_pod_that_takes_stock_finds_room(memory, others, limit):
    cluster = Cluster(nodes=[node("kube-1", memory=memory)], pods=[pod("kube-1", *others)] if others else [])
    (one,) = tally_pods(cluster.stock, cluster.settings, "main")
    resources = one["spec"]["containers"][0]["resources"]
    assert bytes_of(resources["requests"]["memory"], "") == 96 * MIB
    assert bytes_of(resources["limits"]["memory"], "") == limit * MIB
    assert millicores_of(resources["requests"]["cpu"], "") == 50
    # What the workers may take is what the bandwidth is measured with.
    assert resources["limits"]["cpu"] == ("3900m" if others else "4")


def test_a_courier_holds_the_volume_of_the_model():
    cluster = Cluster()
    one = courier_pod(cluster.stock[1], cluster.settings, "main")
    assert one["metadata"]["annotations"]["drover.llama/node"] == "kube-2"
    (wait,) = one["spec"]["containers"]
    assert {"name": "model", "mountPath": "/var/lib/drover/models"} in wait["volumeMounts"]
    assert [step["name"] for step in one["spec"]["initContainers"]] == ["own-model"]


def test_what_a_sweeper_mounts():
    cluster = Cluster(cache={"host_path": "/mnt/ssd/drover"})
    (one, *_others) = sweeper_pods(cluster.stock, cluster.settings, "main", models=True)
    assert [volume["hostPath"]["path"] for volume in one["spec"]["volumes"] if "hostPath" in volume] == [
        "/mnt/ssd",
        "/var/lib/drover",
    ]
    commands = [each["command"][3:] for each in [*one["spec"]["initContainers"], *one["spec"]["containers"]]]
    assert commands == [["all", "/cache/drover"], ["all", "/model/models"]]
    (one, *_others) = sweeper_pods(cluster.stock, cluster.settings, "main")
    assert one["spec"]["containers"][0]["command"][3:] == ["empty", "/model/models"]


@pytest.mark.parametrize(
    ("files", "what", "left"),
    [
        (["models/a.gguf", "other/b"], "all", ["other/b"]),
        (["models/a.gguf"], "empty", ["models/a.gguf"]),
        (["other/b"], "all", ["other/b"]),
    ],
)
def test_how_a_sweeper_sweeps(tmp_path, files, what, left):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "models").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", _SWEEP, what, str(tmp_path / "models")], check=True)
    found = [
        os.path.relpath(os.path.join(folder, name), tmp_path)
        for folder, _dirs, names in os.walk(tmp_path)
        for name in names
    ]
    assert sorted(found) == left
    assert (tmp_path / "models").exists() is any(name.startswith("models/") for name in left)
