# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes OCI layouts for tests, as a builder exports them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

PROGRAMS = {
    "version": "0.7.0",
    "build": 11669,
    "rpc_protocol": "8.0.0",
    "server": "/usr/bin/llama-server",
    "rpc_server": "/usr/libexec/x86_64-linux-gnu/llama/bin/ggml-rpc-server",
}
WHERE = "usr/local/lib/drover/programs.json"
RECIPE = {
    "id": "amd64-0123456789ab",
    "architecture": "amd64",
    "name": "localhost/drover-llama",
    "label": None,
    "place": None,
    "asked": True,
}


def layer(files):
    """A layer with these files, name to content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def write(folder, layers, architecture="amd64"):
    """An OCI layout in ``folder``; returns the digest of its image."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(content):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    config = blob(json.dumps({"architecture": architecture, "os": "linux"}).encode())
    manifest = {"schemaVersion": 2, "config": config, "layers": [blob(content) for content in layers]}
    described = {**blob(json.dumps(manifest).encode()), "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    return described["digest"]


def image(architecture="amd64", **changes):
    """The description of a made image, as ``pack_image`` returns it."""
    digest = "sha256:" + hashlib.sha256(architecture.encode()).hexdigest()
    return {
        "schema": 1,
        "id": f"{architecture}-0123456789ab",
        "architecture": architecture,
        "name": "localhost/drover-llama",
        "label": "0.7.0-11669",
        "place": None,
        "tag": f"0.7.0-11669-{architecture}-{digest[7:19]}",
        "reference": f"localhost/drover-llama@{digest}",
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": 700,
        "file": f"drover-llama-{architecture}.tar",
        "sha256": hashlib.sha256(b"archive").hexdigest(),
        "size_bytes": len(b"archive"),
        "programs": PROGRAMS,
        "programs_asked": True,
        **changes,
    }
