# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover launchd``: what a Mac needs to run a deployment."""

from __future__ import annotations

import argparse

from ..serving.deployment import read_deployment
from ..serving.launchd import launchd_plist, pf_rules
from .documents import load_document
from .say import say


def print_job(given: argparse.Namespace) -> None:
    """Print the job of the deployment in a file, or the rules that close its port."""
    deployment = read_deployment(load_document(given.deployment, "give the path of a deployment"))
    say((pf_rules(deployment) if given.pf else launchd_plist(deployment).decode()).rstrip("\n"))
