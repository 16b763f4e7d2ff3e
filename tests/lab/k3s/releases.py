# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of K3s in a folder that is laid out as K3s's own site: DIRECTORY/v1.34.4+k3s1/{k3s,...,sha256sum-amd64.txt}.

They are of a stand-in, over the lab's own Kubernetes, in two versions; or of the real one that the environment variable
DROVER_LAB_K3S names, with the archive of images that DROVER_LAB_K3S_IMAGES names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from .. import kept
from ..errors import LabError
from ..kubernetes import images, oci, programs
from ..requirements import own_architecture

_SOURCES = Path(__file__).with_name("standin")
# The later one is what the programs of Kubernetes say they are, the earlier one the same but for that.
VERSIONS = ("1.34.3", programs.VERSION)
_NAMES = {"amd64": "k3s", "arm64": "k3s-arm64"}


def ensure(lab: str, say) -> dict:
    """``mirror``, the folder, and ``versions``, the releases in it, the earliest first; made when it is missing."""
    if real := os.environ.get("DROVER_LAB_K3S"):
        return _real(lab, Path(real), say)
    made = programs.ensure(lab, say)
    sources = [path.read_text() for path in (*sorted(_SOURCES.glob("*.py")), Path(__file__))]
    digest = hashlib.sha256(json.dumps([made.name, sources]).encode()).hexdigest()[:12]

    def make(place: kept.Workplace) -> None:
        packed = place.directory / f"k3s-airgap-images-{own_architecture()}.tar"
        _pack_images(made, packed)
        for version in VERSIONS:
            folder = place.directory / _tag(version)
            folder.mkdir()
            _pack_program(made, version, folder / _NAMES[own_architecture()])
            os.link(packed, folder / packed.name)
            _sum(folder)
        packed.unlink()

    folder = kept.ensure(lab, programs.FOLDER, f"k3s-{programs.VERSION}-{digest}", make, say, "the stand-in for K3s")
    return {"mirror": str(folder), "versions": [_tag(version) for version in VERSIONS], "real": False}


def _tag(version: str) -> str:
    return f"v{version}+k3s1"


def _real(lab: str, program: Path, say) -> dict:
    """The same of a program that is K3s itself."""
    if not program.is_file():
        raise LabError(f"DROVER_LAB_K3S names {program}, which is no file: correct it, or unset it for the stand-in.")
    told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    if not (found := re.match(r"k3s version (v[0-9.]+\+k3s\d+)", told)):
        raise LabError(
            f"{program} does not say which version of K3s it is: let DROVER_LAB_K3S name a release's program."
        )
    packed = [Path(path) for path in [os.environ.get("DROVER_LAB_K3S_IMAGES", "")] if path]
    digest = hashlib.sha256("".join(map(_digest, [program, *packed])).encode()).hexdigest()[:12]

    def make(place: kept.Workplace) -> None:
        folder = place.directory / found[1]
        folder.mkdir()
        shutil.copyfile(program, folder / _NAMES[own_architecture()])
        for archive in packed:
            ending = "".join(re.findall(r"\.tar(?:\.\w+)?$", archive.name))
            shutil.copyfile(archive, folder / f"k3s-airgap-images-{own_architecture()}{ending}")
        _sum(folder)

    folder = kept.ensure(lab, programs.FOLDER, f"k3s-{digest}", make, say, "the releases of K3s")
    return {"mirror": str(folder), "versions": [found[1]], "real": True}


def _pack_program(made: Path, version: str, target: Path) -> None:
    """One file that Python runs, and that carries the programs of Kubernetes."""
    kube = (made / "kube").read_bytes().replace(f"v{programs.VERSION}".encode(), f"v{version}".encode())
    with target.open("wb") as out:
        out.write(b"#!/usr/bin/python3\n")
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(_SOURCES.glob("*.py")):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
            archive.writestr(zipfile.ZipInfo("version"), _tag(version))
            archive.writestr("kube", kube)
            archive.write(made / "kube-router", "kube-router")
    target.chmod(0o755)


def _pack_images(made: Path, target: Path) -> None:
    """What the pods of the cluster itself run on."""
    folder = target.parent
    layers = {name: folder / f"{name}.layer" for name in ("coredns", "pause")}
    for name, layer in layers.items():
        oci.write_layer(layer, [oci.program(f"usr/local/bin/{name}", made / name)])
    oci.write_archive(
        target,
        (
            oci.Image(
                (f"{images.REGISTRY}/coredns:v{programs.COREDNS}",), (layers["coredns"],), ("/usr/local/bin/coredns",)
            ),
            oci.Image((images.PAUSE,), (layers["pause"],), ("/usr/local/bin/pause",)),
        ),
        own_architecture(),
    )
    for layer in layers.values():
        layer.unlink()


def _sum(folder: Path) -> None:
    lines = [f"{_digest(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / f"sha256sum-{own_architecture()}.txt").write_text("".join(lines))


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
