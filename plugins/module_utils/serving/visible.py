# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's GPUs a llama.cpp program gets to see, and what it calls them then.

A program that sees a card takes a context on it, whether or not it puts anything there: so it is shown what it uses.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

# A kind of device -> the variable that shows a program none of them. Upstream: ggml/src/ggml-vulkan/ggml-vulkan.cpp
# reads the third; the others are those of CUDA's and HIP's runtimes.
HIDING = {
    "cuda": ("CUDA_VISIBLE_DEVICES", ""),
    "rocm": ("HIP_VISIBLE_DEVICES", "-1"),
    "vulkan": ("GGML_VK_VISIBLE_DEVICES", ""),
}
# Numbers as nvidia-smi's, rather than the fastest card first.
ORDER = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


@dataclass
class Visible:
    """``names``: id of a device in the tally -> its name in the program; ``environment``: what shows it those alone;
    ``nodes`` (files of /dev) and ``groups`` that it needs for them."""

    names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def visible(tally: dict[str, Any], used: Collection[str]) -> Visible:
    """What a program is shown that uses the devices ``used`` (ids) of the host that ``tally`` is of."""
    shown = Visible({device["id"]: device["id"] for device in tally["devices"] if device["id"] in used})
    gpus = {gpu.get("id"): gpu for gpu in tally.get("gpus", ())}
    for kind, hiding in HIDING.items():
        devices = [device for device in tally["devices"] if device["kind"] == kind]
        chosen = [device for device in devices if device["id"] in used]
        if devices and not chosen:
            shown.environment.update([hiding])
        elif kind == "cuda" and chosen:
            shown.environment.update([ORDER])
            _choose(shown, hiding[0], chosen, [str(device["gpu"]) for device in chosen], r"(GPU|MIG)-.*")
        elif kind == "rocm" and chosen:
            _choose(shown, hiding[0], chosen, [device["id"][len("ROCm") :] for device in chosen], r"\d+")
        for device in chosen:
            nodes = gpus.get(device["gpu"], {}).get("nodes", ())
            shown.nodes += [node["path"] for node in nodes if node["path"] not in shown.nodes]
            shown.groups += [node["group"] for node in nodes if node["group"] and node["group"] not in shown.groups]
    return shown


def _choose(shown: Visible, variable: str, devices: list[dict[str, Any]], values: list[str], pattern: str) -> None:
    """Show only ``devices``, which the program then numbers from 0 on, where all of ``values`` tell them apart."""
    if all(re.fullmatch(pattern, value) for value in values):
        shown.environment[variable] = ",".join(values)
        for number, device in enumerate(devices):
            shown.names[device["id"]] = re.sub(r"\d+$", str(number), device["id"])
