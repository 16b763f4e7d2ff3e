# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of both architectures made on one host, loaded into a containerd, and run out of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cluster import INVENTORY, host
from playbook import play, refused, succeeded

CACHE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "images"
SETTINGS = {
    "images_builder": "builder",
    "llama_image_base": "mmdebstrap",
    "llama_image_apt_options": ['Acquire::Check-Valid-Until "false"'],
    "llama_image_cache": str(CACHE),
}
RUNTIME = "/usr/local/lib/drover/python3 /usr/local/lib/drover/drover.pyz"
PLACE = "/run/image"


def images(**settings):
    return play("images", settings={**SETTINGS, **settings}, inventories=(INVENTORY,))


@pytest.fixture(scope="module")
def document():
    return json.loads((CACHE / "images.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def inside(document):
    """Runs a command in the image as containerd unpacked it, as the image's user."""
    node, reference = host("builder"), document["images"]["amd64"]["reference"]
    node.check_output(f"mkdir -p {PLACE} && ctr -n k8s.io images mount {reference} {PLACE}")
    yield lambda command: node.run(f"chroot --userspec 10001:10001 {PLACE} {command}")
    node.check_output(f"ctr -n k8s.io images unmount --rm {PLACE}")


def test_both_images_have_the_same_build(document):
    first, second = (document["images"][name]["programs"] for name in ("amd64", "arm64"))
    for field in ("version", "build", "rpc_protocol", "server_flags", "rpc_server_flags"):
        assert first[field], field
        assert first[field] == second[field]
    assert "x86_64" in first["rpc_server"]
    assert "aarch64" in second["rpc_server"]


def test_containerd_has_it_by_digest_and_keeps_it(document):
    reference = document["images"]["amd64"]["reference"]
    listed = host("builder").check_output("ctr -n k8s.io images ls")
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{reference} ")]
    assert "io.cri-containerd.pinned=pinned" in line
    assert ":latest" not in listed


def test_what_is_in_it_runs_without_rights_and_without_a_shell(inside, document):
    programs = document["images"]["amd64"]["programs"]
    assert inside(f"{RUNTIME} version").rc == 0
    assert programs["version"] in inside(f"{programs['server']} --version").stderr
    python = "/usr/bin/python3 -c"
    told = inside(f"{python} \"print(open('/usr/local/lib/drover/programs.json').read())\"").stdout
    assert json.loads(told) == programs
    assert inside(f"{python} 'import os, pwd; print(pwd.getpwuid(os.getuid()).pw_name)'").stdout == "drover\n"
    assert host("builder").file(f"{PLACE}/etc/ssl/certs/ca-certificates.crt").size > 100_000
    assert not host("builder").file(f"{PLACE}/bin/sh").exists
    # What weights are hashed with, by libraries that no package's installation has linked.
    assert inside(f"{python} 'import numpy; print(numpy.dot([1.0, 2.0], [3.0, 4.0]))'").stdout == "11.0\n"


def test_made_again_it_has_the_same_digest(document):
    run = succeeded(images(llama_image_architectures=["amd64"], llama_image_refresh=True))
    assert document["images"]["amd64"]["reference"] in run.said
    succeeded(images())  # for images.json with both again


def test_k3s_gets_a_file_and_no_second_one(document):
    node = host("builder")
    target = f"/var/lib/rancher/k3s/agent/images/{document['images']['amd64']['file']}"
    given = {"images_nodes": "builder", "llama_image_load_with": "k3s_folder"}
    assert succeeded(images(**given)).changed["builder"] > 0
    assert node.file(target).size == document["images"]["amd64"]["size_bytes"]
    assert succeeded(images(**given)).changed["builder"] == 0


def test_a_stick_is_enough(document):
    node, stick = host("builder"), "/run/stick"
    reference, file = (document["images"]["amd64"][name] for name in ("reference", "file"))
    node.check_output(f"mkdir -p {stick} && cp /var/lib/rancher/k3s/agent/images/{file} {stick}")
    node.check_output(f"echo '{json.dumps(document)}' >{stick}/images.json && ctr -n k8s.io images rm {reference}")
    given = {"images_nodes": "builder", "llama_image_load_path": stick, "llama_image_cache": "/nowhere"}
    assert succeeded(images(**given)).changed["builder"] > 0
    assert reference in node.check_output("ctr -n k8s.io images ls -q")
    assert succeeded(images(**given)).changed["builder"] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"llama_image_base": ""}, "runs no programs for arm64"),
        ({"llama_image_base": "/nowhere/{architecture}.tar"}, "/nowhere/amd64.tar is not on the controller"),
        ({"llama_image_registry": "Registry"}, "is no name of an image"),
        ({"llama_cpp_method": "source"}, "list in llama_image_builds"),
    ],
)
def test_refusals_come_before_anything_is_made(settings, words):
    refused(images(**settings), words)


def test_the_builder_is_given_back():
    before = host("builder").package("buildah").is_installed
    succeeded(images(images_remove=True))
    assert before
    assert not host("builder").package("buildah").is_installed
    assert not host("builder").file("/var/cache/drover/images").exists
    assert not CACHE.exists()
