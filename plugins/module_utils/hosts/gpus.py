# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs this machine has, and how much of their memory it can lend."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .drm import read_drm
from .nvidia import Run, nvidia_problem, read_nvidia
from .tree import Tree


def read_gpus(tree: Tree, pids: Collection[int], run: Run | None = None) -> list[dict[str, Any]]:
    """List the GPUs: ``id`` (the driver's own: a UUID, else the place on the PCI bus), ``name``, ``kind`` (``cuda``,
    ``rocm``, or ``vulkan`` for those that only this drives), ``unified`` (whether its memory is the machine's own),
    ``compute_capability`` (NVIDIA's, such as ``8.6``, or None), ``nodes`` (see ``nodes.read_nodes``), ``total_bytes``,
    ``held_bytes`` and ``usable_bytes``.

    What the processes ``pids`` (Drover's own) hold counts as usable, as it does for the machine's memory. Of a unified
    one ``usable_bytes`` is what its driver would give; ``tally`` bounds it by what the machine can lend. ``run`` is for
    ``read_nvidia``.
    """
    return read_nvidia(tree, pids, run) + read_drm(tree, pids)


def gpu_problem(tree: Tree, gpus: Collection[dict[str, Any]]) -> str | None:
    """Why a GPU that must be there is not among ``gpus`` (as ``read_gpus`` lists them), and what to do, or None."""
    return nvidia_problem(tree, gpus)
