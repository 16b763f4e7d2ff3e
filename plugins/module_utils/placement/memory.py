# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes llama.cpp takes on each device and on the leader, known before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from .kv_cache import BlockMemory, each_block
from .settings import Settings

__all__ = ["HostBytes", "MemoryModel", "Settings"]

FLOAT = 4


@dataclass(frozen=True)
class HostBytes:
    """Bytes on the leader's own CPU, beside any device it has."""

    weight_bytes: int
    kv_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weight_bytes + self.kv_bytes + self.compute_bytes


class MemoryModel:
    """The bytes of every layer of a ``gguf`` (see ``gguf.profile``) under ``settings``.

    ``layer_weight_bytes`` and ``layer_kv_bytes`` have ``block_count + 1`` entries; the last is the output layer.
    ``reasons`` says, a line each, where the numbers are estimates.
    """

    def __init__(self, gguf: dict, settings: Settings):
        self._gguf = gguf
        self._settings = settings
        self._memory = BlockMemory(gguf, settings)
        blocks = gguf["blocks"]
        trunk = self._memory.trunk_blocks
        self.layer_weight_bytes = [block["weight_bytes"] if block["index"] < trunk else 0 for block in blocks]
        self.layer_weight_bytes[0] += gguf["first_block_bytes"]
        self.layer_weight_bytes.append(gguf["output_bytes"])
        self.layer_kv_bytes = [*self._memory.block_bytes, 0]
        self.reasons = []
        self._block_compute = [self._block_compute_bytes(index) for index in range(len(blocks))]

    def device_compute_bytes(self, first_layer: int, layer_count: int) -> int:
        """Bytes of the compute buffer of a device that holds layers ``first_layer`` up to, not including,
        ``first_layer + layer_count``; layer ``block_count`` is the output layer."""
        block_count = self._gguf["block_count"]
        last = first_layer + layer_count
        held = self._block_compute[first_layer:min(last, block_count)]
        peak = max(held, default=0)
        if last > block_count:
            peak = max(peak, self._output_compute_bytes())
        return peak

    def host_bytes(self, leader_blocks: int) -> HostBytes:
        """Bytes on the leader's CPU when it keeps the first ``leader_blocks`` blocks (all of ``block_count + 1``
        layers: no device at all)."""
        compute = self.device_compute_bytes(0, leader_blocks) if leader_blocks else 0
        return HostBytes(
            weight_bytes=self._gguf["embedding_bytes"] + sum(self.layer_weight_bytes[:leader_blocks]),
            kv_bytes=sum(self.layer_kv_bytes[:leader_blocks]),
            compute_bytes=max(compute, self._input_bytes()),
        )

    def _activation_bytes(self):
        return FLOAT * self._gguf["embedding_length"] * self._settings.micro_batch

    def _input_bytes(self):
        return 2 * self._activation_bytes() + 4 * self._settings.slot_context * self._settings.micro_batch

    def _block_compute_bytes(self, index):
        tokens = self._settings.micro_batch
        heads = each_block(self._gguf["head_count"], self._gguf["block_count"])[index]
        attention = FLOAT * tokens * heads * (self._gguf["key_length"] + self._gguf["value_length"]) * 2
        attention += 4 * self._memory.cells[index] * tokens
        if self._settings.flash_attention == "off":
            attention += 2 * FLOAT * heads * self._memory.cells[index] * tokens
        feed_forward = 3 * FLOAT * self._memory.feed_forward_length[index] * tokens
        if self._gguf["expert_count"]:
            width = self._gguf["hyperparameters"].get(
                "expert_feed_forward_length", self._memory.feed_forward_length[index]
            )
            used = each_block(self._gguf["expert_used_count"], self._gguf["block_count"])[index]
            feed_forward += FLOAT * used * tokens * (2 * width + 2 * self._gguf["embedding_length"])
        return 2 * self._activation_bytes() + max(attention, feed_forward)

    def _output_compute_bytes(self):
        return 2 * self._activation_bytes() + FLOAT * self._gguf["vocab_size"] * self._settings.micro_batch
