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
    """What a program is shown that uses the devices ``used`` (ids) of the host that ``tally`` is of.

    Cards that are chosen by a UUID are given alone. Others are chosen by a number, which counts what is in /dev: so all
    that the build lists of that kind are given, but for those whose nodes nobody knows.
    """
    shown = Visible({device["id"]: device["id"] for device in tally["devices"] if device["id"] in used})
    gpus = {gpu["id"]: gpu for gpu in tally["gpus"]}
    known = [*tally["devices"], *(one for one in tally["passed_over"] if one["gpu"])]
    listed = {one["kind"] for one in (*tally["devices"], *tally["passed_over"])}
    for kind, hiding in HIDING.items():
        seen = sorted((one for one in known if one["kind"] == kind), key=_number)
        chosen = [one for one in seen if one["id"] in shown.names]
        numbers = {one["id"]: str(number) for number, one in enumerate(seen)}
        if not chosen:
            shown.environment.update([hiding] if kind in listed else [])
            continue
        given = seen
        if kind == "cuda":
            shown.environment.update([ORDER])
            if all(re.fullmatch(r"(GPU|MIG)-.*", str(one["gpu"])) for one in chosen):
                given, numbers = chosen, {one["id"]: str(number) for number, one in enumerate(chosen)}
                shown.environment[hiding[0]] = ",".join(one["gpu"] for one in chosen)
        elif kind == "rocm":
            # Those that are shown are numbered from 0 on.
            shown.environment[hiding[0]] = ",".join(numbers[one["id"]] for one in chosen)
            numbers = {one["id"]: str(number) for number, one in enumerate(chosen)}
        for one in chosen:
            shown.names[one["id"]] = re.sub(r"\d+$", numbers[one["id"]], one["id"])
        for node in [node for one in given for node in gpus.get(one["gpu"], {}).get("nodes", ())]:
            shown.nodes += [node["path"]] if node["path"] not in shown.nodes else []
            shown.groups += [node["group"]] if node["group"] and node["group"] not in shown.groups else []
    return shown


def _number(device: dict[str, Any]) -> int:
    number = re.search(r"\d+$", device["id"])
    return int(number[0]) if number else 0
