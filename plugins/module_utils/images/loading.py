# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image gets onto a node without a registry: by the tool of its containerd, or K3s's folder of images."""

from __future__ import annotations

import json
import os
import platform
from typing import Callable

from ..builds.archive import digest_of
from ..builds.platform import architecture_of
from ..errors import DroverError
from ..hosts.tree import Tree
from .builder import ARCHITECTURES
from .made import read_document

WAYS = ("auto", "k3s", "k3s_folder", "containerd", "microk8s")
K3S_FOLDER = "/var/lib/rancher/k3s/agent/images"
_K3S = "/var/lib/rancher/k3s"
# A socket of a containerd -> the way that goes with it, the likeliest one first. A node may have another containerd
# beside that of its Kubernetes.
_SOCKETS = {
    "/run/k3s/containerd/containerd.sock": "k3s",
    "/var/snap/microk8s/common/run/containerd.sock": "microk8s",
    "/run/containerd/containerd.sock": "containerd",
}
_NAMESPACE = ["--namespace", "k8s.io"]
_TOOLS = {
    "k3s": ["k3s", "ctr", *_NAMESPACE],
    "microk8s": ["/snap/bin/microk8s", "ctr", *_NAMESPACE],
    "containerd": ["ctr", *_NAMESPACE],
}
# kubelet removes images that it may think it can fetch again, but for those with this label.
_PINNED = "io.cri-containerd.pinned=pinned"

Run = Callable[[list[str]], "tuple[int, str]"]


def describe_loading(
    way: str, document: dict | None, folder: str | None, tree: Tree, run: Run, machine: str | None = None
) -> dict:
    """How this node, whose files are below ``tree``, gets its image of the ``document`` (images.json, else the one in
    ``folder``, where the archives lie, too). ``run`` takes a command and returns its exit code and what it prints.

    Returns ``way`` (of ``WAYS``), ``image`` (see ``pack_image``), ``loaded`` (it is there already), ``target`` (the
    file in K3s's folder, or None), ``load`` (the command without the archive, or None) and ``pin`` (commands that keep
    it from being removed). Raises DroverError when there is no such image or no such tool, or the archive is damaged.
    """
    found = read_document(document, "images.json") if document else _read_folder(folder or "")
    name = architecture_of(machine or platform.machine(), 64)
    image = next((image for key, image in found["images"].items() if ARCHITECTURES[key] == name), None)
    if image is None:
        raise DroverError(
            f"This node is {name}, and there are images for {', '.join(found['images'])} only: add its architecture to "
            "llama_image_architectures."
        )
    if folder:
        _check_archive(os.path.join(folder, image["file"]), image)
    chosen = _choose(way, tree)
    if chosen == "k3s_folder":
        target = f"{K3S_FOLDER}/{image['file']}"
        there = tree.has(target) and os.path.getsize(tree.path(target)) == image["size_bytes"]
        return {"way": chosen, "image": image, "loaded": there, "target": target, "load": None, "pin": []}
    tool = _TOOLS[chosen]
    names = [image["reference"], f"{image['name']}:{image['tag']}"]
    code, output = run([*tool, "images", "ls", "-q"])
    if code:
        raise DroverError(
            f"{' '.join(tool)} does not list the images of this node ({_last_line(output)}): "
            f"see whether its containerd runs, or set llama_image_load_with to another of {', '.join(WAYS[1:])}."
        )
    return {
        "way": chosen,
        "image": image,
        "loaded": set(names) <= set(output.split()),
        "target": None,
        "load": [*tool, "images", "import"],
        "pin": [[*tool, "images", "label", name, _PINNED] for name in names],
    }


def _choose(way: str, tree: Tree) -> str:
    if way != "auto":
        return way
    for socket, found in _SOCKETS.items():
        if tree.has(socket):
            return found
    if tree.has(_K3S):
        return "k3s_folder"
    raise DroverError(
        "This node has neither the socket of a containerd nor K3s's folder, so there is nobody to give an image to: "
        f"start its Kubernetes, or set llama_image_load_with to one of {', '.join(WAYS[1:])}."
    )


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["no output"])[-1]


def _read_folder(folder: str) -> dict:
    path = os.path.join(folder, "images.json")
    try:
        with open(path, encoding="utf-8") as file:
            return read_document(json.load(file), path)
    except (OSError, ValueError) as error:
        raise DroverError(
            f"llama_image_load_path is {folder}, and {path} cannot be read ({error}): give the folder on this node "
            "that has images.json and the archives."
        ) from error


def _check_archive(path: str, image: dict) -> None:
    if not os.path.isfile(path) or digest_of(path) != image["sha256"]:
        raise DroverError(f"{path} is missing or damaged: copy it again from the folder where the images were made.")
