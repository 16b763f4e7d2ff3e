# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a node gets its image without a registry."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.tree import Tree
from module_utils.images.loading import describe_loading
from module_utils.images.made import make_document
from unit.images.raw_image import image

DOCUMENT = make_document([image(), image("arm64")])
ARM = DOCUMENT["images"]["arm64"]
NAMES = f"{ARM['reference']}\n{ARM['name']}:{ARM['tag']}\nregistry.example/pause:3.10\n"
K3S, MICROK8S, CONTAINERD = (
    "run/k3s/containerd/containerd.sock",
    "var/snap/microk8s/common/run/containerd.sock",
    "run/containerd/containerd.sock",
)
K3S_FOLDER = "var/lib/rancher/k3s/agent/images"


def loading(tmp_path, *there, way="auto", answer=(0, ""), document=DOCUMENT, folder=None, machine="aarch64"):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    asked = []

    def run(command):
        asked.append(command)
        return answer

    return describe_loading(way, document, folder, Tree(str(tmp_path)), run, machine), asked


@pytest.mark.parametrize(
    ("there", "way", "tool"),
    [
        ([K3S], "auto", ["k3s", "ctr"]),
        ([MICROK8S], "auto", ["/snap/bin/microk8s", "ctr"]),
        ([CONTAINERD], "auto", ["ctr"]),
        ([CONTAINERD, K3S], "auto", ["k3s", "ctr"]),  # Docker's, beside K3s's own
        ([K3S], "containerd", ["ctr"]),
    ],
)
def test_the_tool_goes_by_what_the_node_has(tmp_path, there, way, tool):
    found, asked = loading(tmp_path, *there, way=way)
    assert asked == [[*tool, "--namespace", "k8s.io", "images", "ls", "-q"]]
    assert found["load"] == [*tool, "--namespace", "k8s.io", "images", "import"]
    assert [command[-2:] for command in found["pin"]] == [
        [ARM["reference"], "io.cri-containerd.pinned=pinned"],
        [f"{ARM['name']}:{ARM['tag']}", "io.cri-containerd.pinned=pinned"],
    ]


@pytest.mark.parametrize(("listed", "loaded"), [(NAMES, True), ("", False), (f"{ARM['name']}:{ARM['tag']}\n", False)])
def test_both_names_must_be_there(tmp_path, listed, loaded):
    assert loading(tmp_path, CONTAINERD, answer=(0, listed))[0]["loaded"] is loaded


def test_a_k3s_that_rests_gets_a_file(tmp_path):
    target = f"{K3S_FOLDER}/{ARM['file']}"
    found, asked = loading(tmp_path, f"{K3S_FOLDER}/other.tar")
    assert (found["way"], found["target"], found["loaded"], asked) == ("k3s_folder", f"/{target}", False, [])
    (tmp_path / target).write_bytes(b"arch")  # cut off
    assert not loading(tmp_path)[0]["loaded"]
    (tmp_path / target).write_bytes(b"archive")
    assert loading(tmp_path)[0]["loaded"]


def test_an_image_from_a_stick(tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "images.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(DroverError, match="is missing or damaged"):
        loading(tmp_path, CONTAINERD, document=None, folder=str(stick))
    (stick / ARM["file"]).write_bytes(b"archive")
    assert loading(tmp_path, CONTAINERD, document=None, folder=str(stick))[0]["image"] == ARM


@pytest.mark.parametrize(
    ("there", "given", "words"),
    [
        ([], {}, "nobody to give an image to"),
        ([CONTAINERD], {"answer": (1, "ctr: permission denied\n")}, "permission denied"),
        ([CONTAINERD], {"answer": (1, "")}, "no output"),
        ([CONTAINERD], {"machine": "riscv64"}, "This node is riscv64, and there are images for amd64, arm64 only"),
        ([CONTAINERD], {"document": None, "folder": "/nowhere"}, "images.json cannot be read"),
        ([CONTAINERD], {"document": {"schema": 1}}, "images.json has no name"),
    ],
)
def test_what_cannot_be_loaded(tmp_path, there, given, words):
    with pytest.raises(DroverError, match=words):
        loading(tmp_path, *there, **given)
