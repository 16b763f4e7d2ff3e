# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a cluster: compiled from Go modules into the cache, or taken from an archive of such programs.

Compiling takes half an hour or more, so the environment variable DROVER_LAB_KUBERNETES may name a folder with
``programs-VERSION-ARCHITECTURE.tar.xz``: the files of ``FILES``, compiled by this very recipe.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from .. import kept, state
from ..errors import LabError
from ..requirements import own_architecture

VERSION = "1.34.4"
COREDNS = "1.12.1"
KUBE_ROUTER = "2.1.0"

FILES = ("kube", "pause", "coredns", "kube-router")
# What ``kube`` is, each by its own name.
NAMES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"),
    *("kubeadm", "kubectl", "kubelet"),
)
FOLDER = "kubernetes"  # of the cache

_VARIABLE = "DROVER_LAB_KUBERNETES"
_DIGESTS = {"amd64": "c50cb821689dc874c82ff6e385cc1e560775ce316994076f2287355c714694f9"}
_SOURCES = Path(__file__).with_name("go")
_MODULES = (
    f"github.com/coredns/coredns@v{COREDNS}",
    f"github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@v{KUBE_ROUTER}",
)
_GO = (1, 24)


def key() -> str:
    """The programs' name in the cache; it changes when the recipe does."""
    made_from = [VERSION, _MODULES, _DIGESTS, *(path.read_text() for path in sorted(_SOURCES.rglob("*.*")))]
    digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:12]
    return f"programs-{VERSION}-{own_architecture()}-{digest}"


def folder() -> Path:
    """Where they are kept."""
    return state.cache() / FOLDER / key()


def there() -> bool:
    """Whether nothing needs compiling: they are in the cache, or there is an archive of them."""
    return folder().exists() or ready_made() is not None


def ensure(lab: str, say) -> Path:
    """The directory of the programs, with a link for each of ``NAMES``; taken or compiled when it is missing."""

    def make(place: kept.Workplace) -> None:
        if archive := ready_made():
            _unpack(archive, place.directory)
        else:
            say("compiling Kubernetes for the nodes: 20 to 45 minutes on two processors, and 2.5 GB of memory")
            _compile(place)
        for name in NAMES:
            (place.directory / name).symlink_to("kube")

    return kept.ensure(lab, FOLDER, key(), make, say, "the programs of Kubernetes")


def in_use() -> set:
    """Keys of the programs that some lab's nodes run."""
    return {Path(path.read_text()).name for path in state.STATE.glob("[a-z]*/hosts/*/programs")}


def ready_made() -> Path | None:
    """The archive of ready-made programs for this machine, None where there is none."""
    if not (named := os.environ.get(_VARIABLE)):
        return None
    if not Path(named).is_dir():
        raise LabError(f"{_VARIABLE} names {named}, which is no folder: correct it, or unset it to compile.")
    archive = Path(named) / f"programs-{VERSION}-{own_architecture()}.tar.xz"
    return archive if archive.exists() else None


def _unpack(archive: Path, directory: Path) -> None:
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != (expected := _DIGESTS.get(own_architecture())):
        raise LabError(
            f"{archive} has the SHA-256 {digest} and not {expected}: put the right file there, or unset {_VARIABLE} "
            "to compile the programs."
        )
    with tarfile.open(archive) as tar:
        for name in FILES:
            with tar.extractfile(name) as source, (directory / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            (directory / name).chmod(0o755)


def _compile(place: kept.Workplace) -> None:
    require_go()
    small = ("-trimpath", "-ldflags")
    place.run(
        ["go", "build", *small, version_flags(VERSION), "-o", place.directory / "kube", "./kube"],
        _SOURCES,
        **_ENVIRONMENT,
    )
    place.run(["go", "build", *small, "-s -w", "-o", place.directory / "pause", "./pause"], _SOURCES, **_ENVIRONMENT)
    for module in _MODULES:
        place.run(["go", "install", *small, "-s -w", module], **_ENVIRONMENT, GOBIN=str(place.directory))


_ENVIRONMENT = {"CGO_ENABLED": "0"}  # static: they run in images that hold nothing else


def version_flags(version: str) -> str:
    """The linker's flags for programs that say they are this version; kubeadm compares what they say."""
    major, minor, _ = version.split(".")
    said = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "lab",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{name}={value}" for package in packages for name, value in said.items())]
    )


def require_go() -> None:
    """LabError unless there is a Go that compiles these programs."""
    wanted = ".".join(map(str, _GO))
    try:
        said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        said = "no Go"
    found = re.match(r"go(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < _GO:
        raise LabError(
            f"Compiling Kubernetes takes Go {wanted} or later, and here is {said.strip()}: install it, or let "
            f"{_VARIABLE} name a folder with programs-{VERSION}-{own_architecture()}.tar.xz."
        )
