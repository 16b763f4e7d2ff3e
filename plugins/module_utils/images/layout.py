# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as files: reads what a builder exported, and packs it so that every container runtime takes it.

Source of the format: OCI Image Layout and Image Index, version 1.1.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import IO, cast

from ..builds.archive import digest_of
from ..errors import DroverError
from .inside import FOLDER, PROGRAMS

_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
# containerd gives an image the name in the first, others look for the second.
_CONTAINERD_NAME, _REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"


def pack_image(layout: str, folder: str, recipe: dict) -> dict:
    """Pack the image in the OCI layout ``layout`` into an archive in ``folder``, and describe it.

    The archive is of one platform and named by the image's digest. It gives the image two names for containerd, by tag
    and by digest, so that a pod can name the digest without a registry. Of the ``recipe`` (see recipe.py) ``id``,
    ``architecture``, ``name``, ``label``, ``place`` and ``asked`` are read. Raises DroverError when the layout is not
    of one image for that architecture.
    """
    (found,) = _read_json(layout, "index.json")["manifests"]
    digest = found["digest"]
    manifest = _read_blob(layout, digest)
    config = _read_blob(layout, manifest["config"]["digest"])
    if config["architecture"] != recipe["architecture"]:
        raise DroverError(
            f"The image that was made is for {config['architecture']} and not for {recipe['architecture']}: "
            "llama_image_base must stand on that architecture."
        )
    programs = json.loads(_find(layout, manifest["layers"], f"{FOLDER}/{PROGRAMS}".lstrip("/")))
    short = digest.split(":")[1][:12]
    label = recipe["label"] or f"{programs['version']}-{programs['build']}"
    tag = f"{label}-{recipe['architecture']}-{short}"
    path = os.path.join(folder, f"drover-llama-{tag}.tar")
    descriptor = {"mediaType": found["mediaType"], "digest": digest, "size": found["size"]}
    reference = f"{recipe['name']}@{digest}"
    names = {f"{recipe['name']}:{tag}": tag, reference: None}
    entries = [_named(descriptor, name, ref) for name, ref in names.items()]
    _write_archive(path, layout, {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": entries})
    return {
        "schema": 1,
        "id": recipe["id"],
        "architecture": recipe["architecture"],
        "name": recipe["name"],
        "label": label,
        "place": recipe["place"],
        "tag": tag,
        "reference": reference,
        **descriptor,
        "file": os.path.basename(path),
        "sha256": digest_of(path),
        "size_bytes": os.path.getsize(path),
        "programs": programs,
        "programs_asked": recipe["asked"],
    }


def index_of(images: list[dict]) -> bytes:
    """The index of these images of several architectures, whose sha256 is its digest."""
    entries = [
        {
            "mediaType": image["mediaType"],
            "digest": image["digest"],
            "size": image["size"],
            "platform": {"architecture": image["architecture"], "os": "linux"},
        }
        for image in sorted(images, key=lambda image: image["architecture"])
    ]
    return _json({"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": entries})


def write_layout(folder: str, archives: list[str], document: dict) -> None:
    """Write an OCI layout into ``folder``: the blobs of ``archives``, and the index of the ``document`` by its tag."""
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)
    for path in archives:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.startswith("blobs/sha256/"):
                    with open(os.path.join(blobs, os.path.basename(member.name)), "wb") as file:
                        file.write(_content(archive, member))
    index = index_of(list(document["images"].values()))
    digest = document["index"]["digest"]
    with open(os.path.join(blobs, digest.split(":")[1]), "wb") as file:
        file.write(index)
    entry = {
        "mediaType": _INDEX_TYPE,
        "digest": digest,
        "size": len(index),
        "annotations": {_REF_NAME: document["tag"]},
    }
    for name, content_of in (
        ("oci-layout", _LAYOUT),
        ("index.json", _json({"schemaVersion": 2, "manifests": [entry]})),
    ):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content_of)


def _named(descriptor: dict, name: str, ref: str | None) -> dict:
    return {**descriptor, "annotations": {_CONTAINERD_NAME: name, **({_REF_NAME: ref} if ref else {})}}


def _write_archive(path: str, layout: str, index: dict) -> None:
    """The same image gives the same bytes: nothing is told of who packed it and when."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("oci-layout", _LAYOUT), ("index.json", _json(index))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        blobs = os.path.join(layout, "blobs", "sha256")
        for name in sorted(os.listdir(blobs)):
            member = tarfile.TarInfo(f"blobs/sha256/{name}")
            member.size = os.path.getsize(os.path.join(blobs, name))
            with open(os.path.join(blobs, name), "rb") as file:
                archive.addfile(member, file)


def _find(layout: str, layers: list[dict], name: str) -> bytes:
    """The content of a file of the image: the last layer that has it counts."""
    for layer in reversed(layers):
        with gzip.open(_blob(layout, layer["digest"])) as packed, tarfile.open(fileobj=packed) as archive:
            for member in archive:
                if member.name.lstrip("./") == name and member.isfile():
                    return _content(archive, member)
    raise DroverError(f"The image that was made has no {name}: have it made again, with llama_image_refresh.")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The content of a plain file of an archive, which alone has any."""
    with cast(IO[bytes], archive.extractfile(member)) as file:
        return file.read()


def _blob(layout: str, digest: str) -> str:
    return os.path.join(layout, "blobs", *digest.split(":"))


def _read_blob(layout: str, digest: str) -> dict:
    return _read_json(layout, os.path.join("blobs", *digest.split(":")))


def _read_json(layout: str, name: str) -> dict:
    with open(os.path.join(layout, name), encoding="utf-8") as file:
        found: dict = json.load(file)
    return found


def _json(value: dict) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
