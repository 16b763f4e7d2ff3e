# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Containerfile of an image: what buildah does, in words that every builder knows."""

from __future__ import annotations

import json

from .inside import BUILDS, FOLDER

USER_ID = 10001
RUNTIME = f"{FOLDER}/drover.pyz"
PYTHON = f"{FOLDER}/python3"
ACCOUNT = f"drover:x:{USER_ID}:{USER_ID}::/nonexistent:/usr/sbin/nologin"
GROUP = f"drover:x:{USER_ID}:"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# In the folder that a Containerfile is built from.
ROOT, BUILD, RUNTIME_FOLDER, BASE_FILE = "root", "build", "runtime", "base.tar"
_INSIDE = f"import sys; sys.path.insert(0, {RUNTIME!r}); from module_utils.images.inside import main; sys.exit(main())"
# What apt and the loader leave differs from day to day.
_LEFT_BEHIND = "/var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/debconf/*-old /var/log/*"


def containerfile(base: str, file: str | None, packages: list[str], own_build: bool, asked: bool, labels: dict) -> str:
    """The text of the Containerfile.

    ``base`` is what it is made from, ``scratch`` with a ``file`` or folder that is all of its root file system.
    ``packages`` are installed into it (none where the file has them). ``own_build`` says whether there is a build to
    put to /opt/llama.cpp, ``asked`` whether programs can be run; else their document lies with the runtime.
    """
    lines = [f"FROM {base}"]
    if file:
        # A tar archive is unpacked, a folder copied.
        lines.append(f"ADD {file} /")
    if packages:
        lines += [
            "RUN export DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=0 && apt-get update -q && "
            f"apt-get install -q --yes --no-install-recommends {' '.join(packages)} && rm -rf {_LEFT_BEHIND}",
            f"RUN echo '{ACCOUNT}' >>/etc/passwd && echo '{GROUP}' >>/etc/group",
        ]
    if own_build:
        lines.append(f"COPY {BUILD} {BUILDS}")
    lines.append(f"COPY {RUNTIME_FOLDER} {FOLDER}")
    if asked:
        lines.append(f"RUN {json.dumps([PYTHON, '-c', _INSIDE])}")
    return "\n".join(
        [
            *lines,
            f"ENV SSL_CERT_FILE={CERTIFICATES}",
            *(f"LABEL {name}={json.dumps(text)}" for name, text in sorted(labels.items())),
            f"USER {USER_ID}:{USER_ID}",
            f"ENTRYPOINT {json.dumps([PYTHON, RUNTIME])}",
            "",
        ]
    )
