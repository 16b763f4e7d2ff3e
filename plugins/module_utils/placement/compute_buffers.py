# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of the compute buffer of each device and of the leader's CPU.

llama.cpp reserves it for the largest graph, a full micro-batch (``sched_reserve`` in src/llama-context.cpp). A device
holds copies of the graph's inputs and, one after another, the tensors of its blocks; so its peak is that of the
worst of its kinds of block, and not of their sum.
"""

from __future__ import annotations

from .block_graph import FLOAT, BlockGraph
from .graph_memory import Graph

# With several devices and nothing on the leader's CPU, the scheduler keeps this many copies of every input so that
# devices can work on different micro-batches (GGML_SCHED_MAX_COPIES in ggml/src/ggml-backend.cpp).
PIPELINE_COPIES = 4


class ComputeBuffers:
    """Answers are kept: there are few kinds of blocks, so a planner that asks for every range computes few graphs."""

    def __init__(self, gguf, settings, memory):
        self._gguf = gguf
        self._settings = settings
        self._memory = memory
        self._blocks = BlockGraph(gguf, settings, memory)
        self._answers = {}
        # Blocks with the same matrices still differ by their cache.
        looks = [(block["kind"], memory.cells[block["index"]]) for block in gguf["blocks"]]
        self._look = [looks.index(look) for look in looks]

    def device_bytes(self, first_layer, layer_count, pipelined):
        """Bytes on a device that holds layers ``first_layer`` up to ``first_layer + layer_count``, exclusive."""
        if layer_count <= 0:
            return 0
        block_count = self._gguf["block_count"]
        last = first_layer + layer_count
        looks = frozenset(self._look[first_layer:min(last, block_count)])
        key = (looks, first_layer == 0, last > block_count, pipelined)
        if key not in self._answers:
            self._answers[key] = self._device_graphs(*key)
        return self._answers[key]

    def host_bytes(self, leader_blocks, pipelined):
        """Bytes on the leader's CPU when it keeps the first ``leader_blocks`` layers."""
        block_count = self._gguf["block_count"]
        looks = frozenset(self._look[:min(leader_blocks, block_count)])
        key = ("host", looks, leader_blocks > block_count, pipelined)
        if key not in self._answers:
            self._answers[key] = self._host_graphs(looks, leader_blocks > block_count, pipelined)
        return self._answers[key]

    def _device_graphs(self, looks, is_first, has_output, pipelined):
        copies = PIPELINE_COPIES if pipelined else 1
        row = self._blocks.bytes_of(self._blocks.width)
        # A first device gets the embedded tokens, the embeddings that images may bring, and both mixed; a later one
        # the residual and its norm.
        entry = 3 if is_first else 2
        peaks = []
        for look in looks or (None,):
            graph = Graph()
            received = [graph.input(row, kept=pipelined) for _copy in range(copies * entry)]
            masks = self._masks(graph, copies, pipelined)
            residual = received[0]
            if is_first:
                graph.use(graph.node(row, received[1]), received[2])
            else:
                graph.use(received[1])
            peaks.append(self._run(graph, look, residual, masks, has_output))
        return max(peaks)

    def _host_graphs(self, looks, has_output, pipelined):
        copies = PIPELINE_COPIES if pipelined else 1
        row = self._blocks.bytes_of(self._blocks.width)
        peaks = []
        for look in looks or (None,):
            graph = Graph()
            for _copy in range(copies):
                given = graph.input(row, kept=True)
            masks = self._masks(graph, copies, kept=True)
            mixed = [graph.input(row, kept=pipelined) for _copy in range(copies)]
            embedded = graph.node(row)
            embedded_too = graph.node(row)
            if look is None:
                graph.use(given, embedded, embedded_too, *mixed)
                peaks.append(graph.peak_bytes())
            else:
                graph.use(graph.node(row, mixed[0]), embedded_too)
                peaks.append(self._run(graph, look, embedded, masks, has_output))
        return max(peaks)

    def _masks(self, graph, copies, kept):
        """The attention masks that the whole graph uses, by the number of cells; and other inputs of a token."""
        size = 2 if self._settings.flash_attention != "off" else FLOAT
        masks = {}
        for cells in sorted({cells for cells in self._memory.cells if cells}):
            for _copy in range(copies):
                masks[cells] = graph.input(size * cells * self._blocks.tokens, kept)
            if self._settings.flash_attention == "off":
                # V is written transposed, with an index for every value.
                for _copy in range(copies):
                    graph.input(8 * self._memory.widest_value_row * self._blocks.tokens, kept)
        return masks

    def _run(self, graph, look, residual, masks, has_output):
        """The peak of two blocks that look like block ``look``, and of the output layer after them."""
        if look is not None:
            mask = masks.get(self._memory.cells[look], residual)
            residual = self._blocks.add(graph, look, residual, mask)
            residual = self._blocks.add(graph, look, residual, mask, is_last=has_output)
        if has_output:
            row = self._blocks.bytes_of(self._blocks.width)
            normed = graph.node(row, residual, in_place=True)
            graph.node(self._blocks.bytes_of(self._gguf["vocab_size"]), normed)
        else:
            graph.use(residual)
        return graph.peak_bytes()
