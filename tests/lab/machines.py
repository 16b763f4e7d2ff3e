# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine a host of the lab runs on.

A host of the machine's own architecture is a container with systemd in it, one of another a virtual machine: two
classes with the same methods, chosen here.
"""

from __future__ import annotations

from . import image
from .container import Container
from .errors import LabError
from .host import Host
from .kubernetes import node
from .requirements import own_architecture
from .spec import HostSpec, LabSpec
from .virtual_machine import VirtualMachine


def choose(lab: str, spec: HostSpec) -> Host:
    """The machine that a host of this architecture runs on."""
    own = own_architecture()
    if spec.architecture == own:
        return Container(lab, spec.name)
    if spec.architecture == VirtualMachine.ARCHITECTURE:
        if len(spec.cards) > 1:
            raise LabError(f"host {spec.name}: an emulated host has one network card: give it one network.")
        if spec.pods or spec.containers:
            raise LabError(f"host {spec.name}: an emulated host runs no containers: write architecture: {own}.")
        return VirtualMachine(lab, spec.name)
    raise LabError(
        f"host {spec.name}: architecture {spec.architecture} is not this machine's ({own}), and of others the lab has "
        f"{VirtualMachine.ARCHITECTURE} only: change it in the spec, or use an {spec.architecture} machine."
    )


def existing(lab: str, name: str) -> Host:
    """The machine of a host that is there, by what it was made from; one that was not finished may be either."""
    found = Container(lab, name)
    architecture = (found.made_from() or {}).get("architecture", own_architecture())
    return found if architecture == own_architecture() else VirtualMachine(lab, name)


def fingerprint(lab: LabSpec, spec: HostSpec, recipe: image.Recipe) -> dict:
    """What a host is made from: a host whose fingerprint changes is made anew."""
    return {
        "image": recipe.key,
        "suite": spec.suite,
        "architecture": spec.architecture,
        "cards": [[card.network.number, card.with_prefix] for card in spec.cards],
        "default_route": spec.default_route,
        "internet": lab.internet,
        **choose(lab.name, spec).fingerprint(spec),
        **({"kubernetes": node.fingerprint(lab)} if spec.pods else {}),
        **({"containers": True} if spec.containers else {}),
    }
