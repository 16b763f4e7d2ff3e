# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``k3s etcd-snapshot save`` and ``list``."""

from __future__ import annotations

import socket
import sys
import time

import etcd
import paths

_FOLDER = paths.SERVER / "db/snapshots"


def run(arguments: list) -> int:
    """Do what is asked on the command line."""
    options = dict(argument[2:].partition("=")[::2] for argument in arguments if argument.startswith("--"))
    words = [argument for argument in arguments if not argument.startswith("--")] or ["save"]
    if words == ["save"]:
        name = f"{options.get('name', 'on-demand')}-{socket.gethostname().lower()}-{int(time.time())}"
        _FOLDER.mkdir(parents=True, exist_ok=True)
        _FOLDER.chmod(0o700)
        etcd.save(_FOLDER / name)
        (_FOLDER / name).chmod(0o600)
        print(f'level=info msg="Snapshot {name} saved."')
        return 0
    if words in (["ls"], ["list"], ["l"]):
        print("Name Location Size Created")
        for file in sorted(_FOLDER.glob("*")):
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(file.stat().st_mtime))
            print(f"{file.name} file://{file} {file.stat().st_size} {made}")
        return 0
    print(f"the stand-in knows no etcd-snapshot {' '.join(words)}", file=sys.stderr)
    return 1
