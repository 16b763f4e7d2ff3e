# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process takes of a GPU's memory beside the model: the driver's context, and the libraries' workspaces.

llama.cpp counts neither, so a card that is filled to the brim loads the model and dies at the first request.
"""

from __future__ import annotations

MIB = 1024 * 1024

# Kind of device -> bytes that a process holds as soon as it has the device.
# cuda: 518 MiB on an H100 (driver 580, CUDA 13), an idle RPC server's as well as a leader's; cards with fewer
# multiprocessors take less. rocm: not measured, so as much as cuda. vulkan and metal: not measured.
CONTEXT = {"cuda": 518 * MIB, "rocm": 518 * MIB, "vulkan": 192 * MIB, "metal": 64 * MIB}
# Kind of device -> bytes that are added with the first request.
# cuda: cuBLAS and pools of temporary tensors took it to about 700 MiB on that H100; it died with 695 MiB left and ran
# with 895. vulkan: a staging buffer and pre-allocated temporary tensors. The others as these.
WORKSPACES = {"cuda": 192 * MIB, "rocm": 192 * MIB, "vulkan": 128 * MIB, "metal": 128 * MIB}
# Of a Vulkan device that a processor plays: code is made for every kind of operation, in the process's own memory. It
# was 446 MiB with Mesa's llvmpipe and llama.cpp 0.7.0 once prompts of some hundred tokens were computed.
PLAYED = 512 * MIB
# What a context can be: another program that came or went between two looks at a card is taken for none.
LEAST_CONTEXT, MOST_CONTEXT = 64 * MIB, 1024 * MIB


def overhead(kind: str, free_before: int | None = None, free_within: int | None = None, played: bool = False) -> int:
    """Bytes that a process takes on a device of ``kind`` (``cpu``: none) beside what a plan counts; ``played`` by a
    processor, in the machine's memory.

    The context is measured where it can be: ``free_before`` is what the driver says is free, ``free_within`` what a
    process that has the device is told. Else, and for the workspaces, the tables count.
    """
    if played:
        return PLAYED
    context = CONTEXT.get(kind, 0)
    if context and free_before is not None and free_within is not None:
        measured = free_before - free_within
        context = measured if LEAST_CONTEXT <= measured <= MOST_CONTEXT else context
    return context + WORKSPACES.get(kind, 0)
