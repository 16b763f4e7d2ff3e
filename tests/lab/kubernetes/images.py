# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the cluster itself runs on, in one archive for all nodes."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from .. import image, kept
from ..requirements import own_architecture
from . import oci, programs
from .spec import NODE_SUITE

# Nothing is ever pulled from there: the name cannot exist.
REGISTRY = "lab.invalid"
KUBE_ROUTER = f"{REGISTRY}/kube-router:v{programs.KUBE_ROUTER}"
PAUSE = f"{REGISTRY}/pause:3.10.1"
# A shell with the usual commands, for pods of tests.
TOOLS = f"{REGISTRY}/tools:1"

# The names and versions that kubeadm asks for.
_KUBE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ETCD = "3.6.5-0"

# What kube-proxy and kube-router call, besides the shell.
_PACKAGES = ("busybox-static", "conntrack", "ipset", "iproute2", "iptables", "kmod", "nftables")
_IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
_UNNEEDED = ("dev/", "etc/apt/", "etc/hostname/", "etc/resolv.conf/", "usr/include/", "usr/share/", "var/")
_APPLETS = ("sh", "cat", "dd", "head", "httpd", "id", "ls", "nc", "nslookup", "sleep", "tail", "wget")
_MERGED = ("bin", "lib", "lib64", "sbin")  # no package has these links to what is in usr
_BIN = "usr/local/bin"


def ensure(lab: str, made: Path, say) -> tuple[str, Path]:
    """The key and the archive of the cluster's images, with those programs; made when it is missing."""
    recipe = image.recipe(NODE_SUITE, own_architecture(), _PACKAGES)
    key = _key(made, recipe)

    def make(place: kept.Workplace) -> None:
        tools = place.directory / "tools.tar"
        place.run(_extract(recipe, tools))
        _archive(made, tools, place.directory)

    folder = kept.ensure(lab, programs.FOLDER, key, make, say, "the images of Kubernetes")
    return key, folder / "images.tar"


def _key(made: Path, recipe: image.Recipe) -> str:
    sources = [Path(__file__).read_text(), Path(oci.__file__).read_text()]
    made_from = [made.name, recipe.packages, recipe.mirror, recipe.apt_options, *sources]
    return f"images-{programs.VERSION}-{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:12]}"


def _extract(recipe: image.Recipe, target: Path) -> list:
    """The command that makes a tar of Debian packages, unpacked and no more."""
    return [
        *("mmdebstrap", "--quiet", "--variant=extract", "--format=tar", "--mode=root"),
        f"--architectures={recipe.architecture}",
        f"--include={','.join(recipe.packages)}",
        *(f"--aptopt={option}" for option in recipe.apt_options),
        *(recipe.suite, target),
        *([recipe.mirror] if recipe.mirror else []),
    ]


def _archive(made: Path, tools: Path, folder: Path) -> None:
    """Write ``images.tar`` into the folder, and leave nothing else of its making there."""
    kube_links = [oci.link(f"{_BIN}/{name}", "kube") for name in programs.NAMES]
    layers = {
        "kube": [oci.program(f"{_BIN}/kube", made / "kube"), *kube_links],
        **{name: [oci.program(f"{_BIN}/{name}", made / name)] for name in ("coredns", "kube-router", "pause")},
    }
    paths = {name: folder / f"{name}.tar" for name in ("base", *layers)}
    for name, entries in layers.items():
        oci.write_layer(paths[name], entries)
    _write_base(tools, paths["base"])
    base, kube, coredns, router, pause = (paths[name] for name in ("base", "kube", "coredns", "kube-router", "pause"))
    images = (
        oci.Image((*(_name(name) for name in _KUBE), f"{REGISTRY}/etcd:{_ETCD}"), (kube,)),
        # In this order the node unpacks the larger layer once for both.
        oci.Image((_name("kube-proxy"),), (kube, base)),
        oci.Image((f"{REGISTRY}/coredns:v{programs.COREDNS}",), (coredns,), (f"/{_BIN}/coredns",)),
        oci.Image((KUBE_ROUTER,), (base, router), (f"/{_BIN}/kube-router",)),
        oci.Image((PAUSE,), (pause,), (f"/{_BIN}/pause",)),
        oci.Image((TOOLS,), (base,)),
    )
    oci.write_archive(folder / "images.tar", images, own_architecture())
    for path in (tools, *paths.values()):
        path.unlink()


def _name(program: str) -> str:
    return f"{REGISTRY}/{program}:v{programs.VERSION}"


def _write_base(tools: Path, target: Path) -> None:
    """Turn what Debian's packages hold into a layer, without what no container needs."""
    with tarfile.open(tools) as source, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for entry in _needed(source):
            layer.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        links = [oci.link(f"usr/bin/{name}", "busybox") for name in _APPLETS]
        links += [oci.link(f"{_BIN}/{name}", "/usr/sbin/xtables-nft-multi") for name in _IPTABLES]
        links += [oci.link(name, f"usr/{name}") for name in _MERGED]
        for entry, _ in links:
            layer.addfile(entry)


def _needed(source: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for entry in source:
        entry.name = entry.name.removeprefix("./")
        if entry.name not in ("", ".") and not f"{entry.name}/".startswith(_UNNEEDED) and not entry.isdev():
            entry.mtime = 0
            yield entry
