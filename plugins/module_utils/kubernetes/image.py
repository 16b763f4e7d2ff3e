# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that pods run, by what ``images.yml`` wrote of the images that it made."""

from __future__ import annotations

from typing import Any

from ..images.made import read_document
from .lend import MACHINES

# What was not pushed to a registry has this in place of one, and a digest of its own for each architecture.
LOCAL = "localhost/"


def image_settings(document: object, what: str) -> dict[str, Any]:
    """The settings ``image`` and ``images`` that stand for the images in ``document``, which people know as ``what``.

    An image in a registry is one name for all nodes; one that nodes were given without is another for each kind of
    node. Raises DroverError for what is no such document.
    """
    found = read_document(document, what)
    if not found["name"].startswith(LOCAL):
        return {"image": found["index"]["reference"]}
    images = {machine: image["reference"] for machine, image in sorted(found["images"].items())}
    return {"image": next(iter(images.values())), "images": images}


def programs_by_machine(document: object, what: str) -> dict[str, dict[str, Any]]:
    """What the programs in the images can do, by the machines that uname names."""
    found = read_document(document, what)
    return {MACHINES[machine]: image["programs"] for machine, image in found["images"].items()}
