# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as files that every container runtime takes."""

from __future__ import annotations

import hashlib
import json
import tarfile

import pytest
from module_utils.errors import DroverError
from module_utils.images.layout import index_of, pack_image, write_layout
from module_utils.images.made import make_document
from unit.images import raw_image
from unit.images.raw_image import PROGRAMS, RECIPE, WHERE

LAYERS = [raw_image.layer({"usr/bin/env": b"", WHERE: b"{}"}), raw_image.layer({WHERE: json.dumps(PROGRAMS).encode()})]


@pytest.fixture
def packed(tmp_path):
    def pack(layers=LAYERS, name="layout", architecture="amd64", **changes):
        digest = raw_image.write(tmp_path / name, layers, architecture)
        return pack_image(str(tmp_path / name), str(tmp_path), {**RECIPE, **changes}), digest

    return pack


def test_it_is_told_by_its_digest(packed):
    image, digest = packed()
    assert image["digest"] == digest
    assert image["reference"] == f"localhost/drover-llama@{digest}"
    assert image["tag"] == f"0.7.0-11669-amd64-{digest[7:19]}"
    assert digest[7:19] in image["file"]
    assert "latest" not in json.dumps(image)


def test_the_last_layer_that_has_the_programs_counts(packed):
    assert packed()[0]["programs"] == PROGRAMS


def test_the_archive_gives_containerd_both_names(packed, tmp_path):
    image, digest = packed(label="b100")
    with tarfile.open(tmp_path / image["file"]) as archive:
        names = archive.getnames()
        index = json.load(archive.extractfile("index.json"))
    assert {entry["digest"] for entry in index["manifests"]} == {digest}
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == [
        f"localhost/drover-llama:b100-amd64-{digest[7:19]}",
        f"localhost/drover-llama@{digest}",
    ]
    assert {f"blobs/sha256/{digest[7:]}", "oci-layout"} <= set(names)


def test_the_same_image_gives_the_same_bytes(packed, tmp_path):
    first = packed()[0]
    content = (tmp_path / first["file"]).read_bytes()
    assert packed(name="again")[0] == first
    assert (tmp_path / first["file"]).read_bytes() == content
    assert hashlib.sha256(content).hexdigest() == first["sha256"]


def test_an_image_for_another_architecture_or_without_programs(packed):
    with pytest.raises(DroverError, match="is for arm64 and not for amd64"):
        packed(architecture="arm64")
    with pytest.raises(DroverError, match=r"has no usr/local/lib/drover/programs\.json"):
        packed([raw_image.layer({"usr/bin/env": b""})], name="empty")


def test_a_registry_gets_one_index_of_all(packed, tmp_path):
    images = [packed()[0]]
    arm = {**RECIPE, "architecture": "arm64", "id": "arm64-0123456789ab"}
    raw_image.write(tmp_path / "arm", LAYERS, "arm64")
    images.append(pack_image(str(tmp_path / "arm"), str(tmp_path), arm))
    document = make_document(images)
    write_layout(str(tmp_path / "all"), [str(tmp_path / image["file"]) for image in images], document)
    (entry,) = json.loads((tmp_path / "all" / "index.json").read_text())["manifests"]
    assert entry["digest"] == document["index"]["digest"]
    for blob in (tmp_path / "all" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    index = json.loads((tmp_path / "all" / "blobs" / "sha256" / entry["digest"][7:]).read_bytes())
    platforms = {found["platform"]["architecture"]: found["digest"] for found in index["manifests"]}
    assert platforms == {image["architecture"]: image["digest"] for image in images}
    # Whoever comes first, the index is the same.
    assert index_of(images) == index_of(images[::-1])
