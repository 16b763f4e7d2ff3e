# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover tally``: the tally that the module memory_info takes."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..builds.ask import ask_devices
from ..hosts.tally import DISK_PATH, PORT, take_tally
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from .decisions import write_document
from .documents import load_document, print_document

PROGRAMS = "/usr/local/lib/drover/programs.json"


def print_tally(given: argparse.Namespace) -> None:
    """Print what this machine can lend, or keep it for this pod's agent."""
    tally = take_tally(
        Tree(),
        host=given.host,
        cluster=given.cluster,
        reserve_bytes=given.reserve_bytes,
        threads=given.threads,
        lend=given.devices,
        address=given.address,
        port=given.port or PORT,
        disk_path=given.disk_path or DISK_PATH,
        measure=not given.no_bandwidth,
        pod=given.pod,
        # Which of a node's GPUs are used is decided by whoever knows what its pods are given.
        backends=() if given.pod else None,
    )
    # Whoever planned with an image of somebody else's knows of its programs by this, and of its devices here.
    found = {**tally, "programs": _programs(bool(tally["gpus"]))} if given.pod else tally
    if given.keep:
        write_document(Cluster(given.cluster).tally_path, found)
    else:
        print_document(found)


def _programs(has_gpus: bool) -> dict[str, Any]:
    """What the programs of the image can do, which was written when it was made; nothing where that is not told. The
    ``devices`` are those that the pod was given."""
    if not os.path.exists(PROGRAMS):
        return {}
    programs = load_document(PROGRAMS, "have the image made anew, which writes it")
    return {**programs, "devices": ask_devices(programs["server"]) if has_gpus and programs["server"] else []}
