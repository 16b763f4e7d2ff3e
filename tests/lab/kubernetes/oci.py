# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of containers as OCI archives, without any container engine: a layer is a plain tar, and the rest is JSON.

The format is that of the OCI image specification 1.1 (image layout, index, manifest, configuration). The same content
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_TYPE = "application/vnd.oci.image.{}+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Image:
    """One image by its full names, like ``registry.example/tools:1``: its layers, the lowest first, and its command."""

    names: tuple
    layers: tuple
    entrypoint: tuple = ()


def write_layer(target: Path, entries: Iterable[tuple[tarfile.TarInfo, Path | None]]) -> None:
    """Write entries, those of regular files each with the file that has its content, as a layer.

    Each is owned by root and of no date. Folders need no entries of their own.
    """
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in entries:
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if content is None:
                tar.addfile(entry)
            else:
                entry.size = content.stat().st_size
                with content.open("rb") as file:
                    tar.addfile(entry, file)


def program(path: str, content: Path) -> tuple[tarfile.TarInfo, Path]:
    """An entry of a layer: a file that everybody may run."""
    entry = tarfile.TarInfo(path)
    entry.mode = 0o755
    return entry, content


def link(path: str, target: str) -> tuple[tarfile.TarInfo, None]:
    """An entry of a layer: a symbolic link."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    return entry, None


def write_archive(target: Path, images: Iterable[Image], architecture: str) -> None:
    """Write images into one OCI archive; layers that they share are in it once."""
    layers, documents, manifests = {}, {}, []

    def add(kind: str, document: dict) -> dict:
        content = json.dumps(document, sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        documents[digest] = content
        return {"mediaType": _TYPE.format(kind), "digest": digest, "size": len(content)}

    for image in images:
        digests = []
        for layer in image.layers:
            if layer not in layers:
                with layer.open("rb") as content:
                    layers[layer] = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
            digests.append({"mediaType": _LAYER_TYPE, "digest": layers[layer], "size": layer.stat().st_size})
        platform = {"architecture": architecture, "os": "linux"}
        configuration = {
            **platform,
            "config": {"Env": [_PATH], **({"Entrypoint": list(image.entrypoint)} if image.entrypoint else {})},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in digests]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _TYPE.format("manifest.v1"),
            "config": add("config.v1", configuration),
            "layers": digests,
        }
        described = {**add("manifest.v1", manifest), "platform": platform}
        for name in image.names:
            # By the first containerd knows the image, the second is the specification's and holds the tag alone.
            names = {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            }
            manifests.append({**described, "annotations": names})
    index = {"schemaVersion": 2, "mediaType": _TYPE.format("index.v1"), "manifests": manifests}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:

        def put(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        put("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        put("index.json", json.dumps(index, sort_keys=True).encode())
        for digest, content in sorted(documents.items()):
            put(f"blobs/sha256/{digest[7:]}", content)
        for digest, layer in sorted({digest: layer for layer, digest in layers.items()}.items()):
            entry = tarfile.TarInfo(f"blobs/sha256/{digest[7:]}")
            entry.size = layer.stat().st_size
            with layer.open("rb") as file:
                tar.addfile(entry, file)
