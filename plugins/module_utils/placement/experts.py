# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts of a mixture of experts on one machine whose GPU is too small for it: the GPU holds what every token uses,
attention, caches and the output, and the CPU the experts of the first blocks, of which a token reads a few.

Such a layout is one segment of all layers on one GPU with memory of its own. llama.cpp could do the same behind other
workers, with several GPUs, and where not even the attention of all blocks fits; that is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from .fleet import Device, Host
from .layers import Layers
from .layout import Judge, Layout, Segment


def expert_layouts(judge: Judge, leaders: Iterable[Host]) -> list[Layout]:
    """The layouts of each of ``leaders`` that keep experts on its CPU, for every GPU one or two: with as few of them as
    the GPU's memory asks for, and with as few as leave it the room to have them sent for prompts."""
    layers = judge.layers
    if not layers.experts[-1]:
        return []
    rooms = (0, layers.memory.streamed_bytes(layers.count - 1))
    found = [
        Layout(leader, 0, (Segment(gpu, 0, layers.count, kept),))
        for leader in leaders
        for gpu in leader.gpus
        if not gpu.unified
        for kept in sorted({_least(layers, gpu, room) for room in rooms} - {0})
    ]
    return [judge.streaming(layout) for layout in found if judge.fits(layout)]


def _least(layers: Layers, gpu: Device, room: int) -> int:
    """The fewest blocks whose experts the CPU must keep so that ``room`` bytes of the GPU are left; 0 if no number will
    do, or none need be kept, which is an ordinary layout."""

    def fits(kept: int) -> bool:
        return layers.shared_gpu_bytes(kept) + room <= gpu.capacity

    too_few, enough = 0, layers.count - 1
    if fits(too_few) or not fits(enough):
        return 0
    # The more experts the CPU keeps, the less the GPU holds.
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if fits(middle) else (middle, enough)
    return enough
