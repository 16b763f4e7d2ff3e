# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp drives of a node's GPUs: as a pod has just seen it, as it was seen before, or as labels tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DroverError
from ..hosts.matching import kind_of
from .gpus import can_be_seen, expected_gpus, image_backends, lacking, refuse_lacking, seen_gpus, told_lacking
from .settings import Settings


@dataclass(frozen=True)
class Sight:
    """``gpus`` as a tally has them; ``offered``: the devices that the build lists for them (see ``builds.ask``), or
    None where only its backends tell; ``problem``: why GPUs hold no layers, a sentence, or None."""

    gpus: list[dict[str, Any]] = field(default_factory=list)
    offered: list[dict[str, Any]] | None = field(default_factory=list)
    problem: str | None = None


def look(
    entry: Mapping[str, Any], measured: Mapping[str, Any] | None, programs: Mapping[str, Any], settings: Settings
) -> Sight:
    """The GPUs of the node whose stock is ``entry``, by what ``drover tally`` printed in a pod there (None: none ran)
    and the image's ``programs``, whose ``devices`` are those of that pod.

    Raises DroverError where they are wished for and cannot be used.
    """
    gpus = entry["gpus"]
    if entry["reason"] or not gpus or not gpus["free"] or settings.of_node(entry["node"]).gpus == 0:
        return Sight()
    if programs and lacking(gpus, programs):
        refuse_lacking(entry, programs, settings)
        told = told_lacking(entry, programs)
        return Sight(problem=f"{told[:1].upper()}{told[1:]}: name an image of a build that has it to use them.")
    if measured and can_be_seen(gpus):
        offered = list(programs.get("devices") or ())
        return Sight(
            seen_gpus(measured["gpus"], gpus["resource"]), offered, None if offered else _unseen(entry, settings)
        )
    if gpus["known"]:
        return _remembered(gpus)
    if measured is None:
        return Sight(expected_gpus(gpus), None)
    return Sight(
        problem=(
            f"This cluster's own pods have its {gpus['resource']}, and what was seen of them is not known any more: "
            "take the cluster off (kubernetes_reset.yml) and set it up again to have them planned with."
        )
    )


def with_devices(
    entry: Mapping[str, Any], measured: Mapping[str, Any] | None, programs: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """``programs`` with the ``devices`` that they list on the node, and all ``backends`` that its pods will load."""
    if not programs or not entry["gpus"]:
        return dict(programs)
    offered = look(entry, measured, programs, settings).offered
    return {**programs, "backends": image_backends(programs), "devices": offered}


def _remembered(gpus: Mapping[str, Any]) -> Sight:
    """As many of the known ones as can be had by now."""
    found, offered = gpus["known"]["gpus"], gpus["known"]["devices"]
    if len(found) > gpus["count"]:
        numbered = [(re.search(r"\d+$", one["name"]), one) for one in offered if kind_of(one)]
        offered = [one for number, one in numbered if number and int(number[0]) < gpus["count"]]
    return Sight(found[: gpus["count"]], offered)


def _unseen(entry: Mapping[str, Any], settings: Settings) -> str:
    """Why a pod that was given GPUs has none. Raises DroverError where they were wished for."""
    gpus = entry["gpus"]
    where = f"with the RuntimeClass {gpus['runtime_class']}" if gpus["runtime_class"] else "without a RuntimeClass"
    told = (
        f"llama.cpp sees no GPU in a pod that was given {gpus['count']} of {gpus['resource']} {where}: see that the "
        "driver's libraries get into containers (kubernetes_runtime_class), and who may use the device "
        "(kubernetes_gpu_groups)."
    )
    if settings.of_node(entry["node"]).gpus:
        raise DroverError(f"{entry['node']}: {told}")
    return f"{told[:1].upper()}{told[1:]}"
