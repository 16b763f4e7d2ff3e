# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of the compute buffer of each device and of the leader's CPU.

llama.cpp reserves it for the largest graph, a full micro-batch (``sched_reserve`` in src/llama-context.cpp). A device
holds copies of the graph's inputs and, one after another, the tensors of its blocks; so its peak is that of the
worst of its kinds of block, and not of their sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Optional

from .block_graph import BlockGraph
from .graph_memory import Tensor
from .kv_cache import BlockMemory
from .layer_graph import FLOAT
from .settings import QUANTISED_CACHE_TYPES, Settings

# With several devices and nothing on the leader's CPU, the scheduler keeps this many copies of every input so that
# devices can work on different micro-batches (GGML_SCHED_MAX_COPIES in ggml/src/ggml-backend.cpp).
PIPELINE_COPIES = 4

# Seen with Granite 4 H and Qwen 3.5: so many rows of the model's width more, where recurrent blocks read states ahead.
ROWS_IN_THE_WAY = 5

# A block, for all that look like it; None where there is none.
Look = Optional[int]
Masks = dict[bool, list[Tensor]]


class ComputeBuffers:
    """Answers are kept: there are few kinds of blocks, so a planner that asks for every range computes few graphs."""

    def __init__(self, gguf: dict[str, Any], settings: Settings, memory: BlockMemory) -> None:
        self._gguf = gguf
        self._settings = settings
        self._memory = memory
        self._answers: dict[Any, Any] = {}
        self._embedding_bytes = FLOAT * settings.micro_batch * memory.block_embedding_length  # of each block
        # Blocks that look the same compute the same. Each is known by the first block of its look.
        looks = [
            (block["kind"], memory.cells[index], memory.is_sliding[index]) for index, block in enumerate(gguf["blocks"])
        ]
        first_of = {look: index for index, look in reversed(list(enumerate(looks)))}
        self._look = [first_of[look] for look in looks[: memory.trunk_blocks]]
        self._look += self._look[-1:] * (len(looks) - memory.trunk_blocks)  # nothing of these is computed
        # How many blocks of each look there are before every block: which looks a range has is then a subtraction.
        self._seen = {
            look: [0, *accumulate(int(other == look) for other in self._look)] for look in sorted(set(self._look))
        }

    def device_bytes(self, first_layer: int, layer_count: int, pipelined: bool, after_leader: bool) -> int:
        """Bytes on a device that holds layers ``first_layer`` up to ``first_layer + layer_count``, exclusive;
        ``after_leader``: the layer before the first is on the leader's CPU."""
        if layer_count <= 0:
            return 0
        block_count = self._gguf["block_count"]
        last_layer = first_layer + layer_count
        before = self._look[first_layer - 1] if first_layer else None
        end = max(-1, min(1, last_layer - block_count))
        key = (self._looks(first_layer, last_layer), before, end, pipelined, after_leader)
        if key not in self._answers:
            peaks = [self._device_peak(look, *key[1:]) for look in key[0]]
            self._answers[key] = tuple(map(max, zip(*peaks)))
        blocks, whole = self._answers[key]
        copies = PIPELINE_COPIES if pipelined else 1
        fetched = self._fetched_bytes(first_layer, min(last_layer, block_count), copies)
        # A single copy is free again when the output layer is computed.
        return whole + fetched if copies > 1 else max(whole, blocks + fetched)

    def _fetched_bytes(self, first: int, last: int, copies: int) -> int:
        """What blocks ``first`` to ``last``, exclusive, get from elsewhere beside the residual: their rows of the
        embedding for each block, and the caches that they share with blocks of other devices."""
        rows = self._embedding_bytes
        if first == 0:
            return rows * self._gguf["block_count"] * (copies + 1)
        if not rows and self._memory.cached_blocks == self._gguf["block_count"]:
            return 0
        sources = (self._memory.shared_source(index) for index in range(first, last))
        shared = sum(self._memory.block_bytes[source] for source in sources if source is not None and source < first)
        return copies * (rows * (last - first) + shared)

    def host_bytes(self, leader_layers: int, pipelined: bool, expert_blocks: int = 0) -> int:
        """Bytes on the leader's CPU when it keeps the first ``leader_layers`` layers, and the experts of so many blocks
        after them."""
        key = (self._looks(0, leader_layers), leader_layers > self._gguf["block_count"], pipelined)
        if key not in self._answers:
            self._answers[key] = max(max(self._host_peak(look, *key[1:])) for look in key[0])
        if expert_blocks:
            apart = ("apart", self._looks(leader_layers, leader_layers + expert_blocks))
            if apart not in self._answers:
                self._answers[apart] = max(map(self._apart_peak, apart[1]))
            return max(self._answers[key], self._answers[apart]) + self._embedding_bytes * self._gguf["block_count"]
        return self._answers[key] + self._embedding_bytes * self._gguf["block_count"]

    def _looks(self, first_layer: int, last_layer: int) -> tuple[Look, ...]:
        """The looks of the blocks in a range of layers; (None,) where it has no block."""
        first, last = (min(layer, self._gguf["block_count"]) for layer in (first_layer, last_layer))
        return tuple(look for look, seen in self._seen.items() if seen[last] > seen[first]) or (None,)

    def _graph(self, pipelined: bool) -> BlockGraph:
        return BlockGraph(self._gguf, self._settings, self._memory, PIPELINE_COPIES if pipelined else 1)

    def _device_peak(self, look: Look, before: Look, end: int, pipelined: bool, after_leader: bool) -> tuple[int, ...]:
        """``end``: 1 with the output layer, 0 up to it, -1 when other devices follow."""
        graph = self._graph(pipelined)
        row = graph.bytes_of(graph.width)
        norm = None
        if before is None:
            inputs = graph.received(row, graph.image_bytes, row)
            masks = self._masks(graph)
            residual = graph.mix_images(*inputs)
        elif after_leader:
            residual = graph.enter_after_leader(before)
            masks = self._masks(graph)
        else:
            # A device sends on the residual and, where the next block reads that, its norm.
            if graph.norms_before:
                [norm] = graph.received(row)
            masks = self._masks(graph)
            [residual] = graph.received(row)
        graph.use(*graph.received(*graph.exchanged(before is None, end == 1)))
        return self._peak(graph, look, residual, norm, masks, has_output=end == 1)

    def _host_peak(self, look: Look, has_output: bool, pipelined: bool) -> tuple[int, ...]:
        graph = self._graph(pipelined)
        row = graph.bytes_of(graph.width)
        # There is room for tokens that come embedded, too.
        tokens = [graph.input(graph.image_bytes, kept=True) for _copy in range(graph.copies)]
        masks = self._masks(graph)
        [image] = graph.received(graph.image_bytes)
        embedded, mixed = graph.node(row), graph.node(row)
        if look is not None:
            residual = graph.mix_images(embedded, image, mixed)
            return self._peak(graph, look, residual, None, masks, has_output)
        graph.use(*tokens, image, embedded, mixed, *_all_of(masks))
        return (graph.peak_bytes(),)

    def _apart_peak(self, look: Look) -> int:
        graph = self._graph(False)
        row = graph.bytes_of(graph.width)
        # Masks are inputs, which are there from the start, also those that the GPU alone uses.
        masks = self._masks(graph)
        tokens, [image] = graph.input(graph.image_bytes, kept=True), graph.received(graph.image_bytes)
        graph.use(tokens, image, graph.node(row), graph.node(row))
        if look is not None:
            crowded = graph.leaves_no_hole(look) or graph.is_delta_net(look)
            in_the_way = graph.node(ROWS_IN_THE_WAY * row if crowded else 0)
            graph.add_experts_apart(look)
            graph.use(in_the_way)
        graph.use(*_all_of(masks))
        return graph.peak_bytes()

    def _masks(self, graph: BlockGraph) -> Masks:
        """The attention masks of the graph, one for all full and one for all sliding blocks, with their companions:
        ``{is_sliding: [tensors, the mask itself last]}``."""
        element = FLOAT if self._settings.flash_attention == "off" else FLOAT // 2
        masks: Masks = {}
        for look in self._seen:
            sliding = self._memory.is_sliding[look]
            if self._memory.cells[look] and sliding not in masks:
                mask = element * self._memory.cells[look] * self._settings.micro_batch
                masks[sliding] = graph.received(*self._companions(look), mask)
        return masks

    def _companions(self, look: int) -> Iterator[int]:
        """Sizes of what comes with a mask: rotations for a quantised cache, and where the rows go in the cache."""
        if self._settings.cache_type_k in QUANTISED_CACHE_TYPES:
            length = self._memory.key_length[look]
            yield FLOAT * (length & -length) ** 2  # the largest power of two in it, squared
        if self._settings.flash_attention == "off" and not self._memory.is_compressed:
            # V is stored transposed then, so every value has a place of its own.
            yield 8 * self._memory.widest_value_row * self._settings.micro_batch

    def _peak(
        self, graph: BlockGraph, look: Look, residual: Tensor, norm: Tensor | None, masks: Masks, has_output: bool
    ) -> tuple[int, ...]:
        """The peaks of four blocks that look like block ``look``: without the output layer after them, and with it."""
        if look is not None:
            own = masks.get(self._memory.is_sliding[look], [])[-1:]
            residual = graph.add_block(look, residual, own, norm)
            for _block in range(2):
                residual = graph.add_block(look, residual, own)
            residual = graph.add_block(look, residual, _all_of(masks), is_last=has_output)
        else:
            graph.use(*_all_of(masks))
        blocks = graph.peak_bytes()
        if not has_output:
            return blocks, blocks
        crowded = look is not None and norm is not None and graph.copies == 1 and graph.leaves_no_hole(look)
        graph.use(graph.add_output(residual))
        logits = graph.bytes_of(self._gguf["vocab_size"])
        return blocks, max(graph.peak_bytes(), blocks + logits if crowded else 0)


def _all_of(masks: Masks) -> list[Tensor]:
    return [tensor for tensors in masks.values() for tensor in tensors]
