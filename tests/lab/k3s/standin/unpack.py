# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that this one carries with it, unpacked where K3s unpacks its own."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

import paths

# What ``kube`` is, each by its own name.
NAMES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl"),
    "kubelet",
)
_CARRIED = ("kube", "kube-router")


def _self() -> zipfile.ZipFile:
    return zipfile.ZipFile(Path(sys.argv[0]).resolve() if zipfile.is_zipfile(sys.argv[0]) else Path(__file__).parent)


def version() -> str:
    """The version that this is, such as v1.34.4+k3s1."""
    with _self() as archive:
        return archive.read("version").decode()


@functools.cache
def programs() -> Path:
    """The folder with the programs, which is filled when it is not there."""
    with _self() as archive:
        entries = [archive.getinfo(name) for name in _CARRIED]
        key = hashlib.sha256(repr([(entry.filename, entry.CRC) for entry in entries]).encode()).hexdigest()
        folder = paths.DATA / "data" / key / "bin"
        if not folder.exists():
            making = folder.with_name(f"bin.{os.getpid()}")
            making.mkdir(parents=True)
            for name in _CARRIED:
                with archive.open(name) as source, (making / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                (making / name).chmod(0o755)
            for name in NAMES:
                (making / name).symlink_to("kube")
            making.rename(folder)
    return folder
