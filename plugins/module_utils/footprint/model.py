# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes llama.cpp takes on each device and on the leader, known before anything is loaded.

The numbers are those of ``llama-server`` started with these arguments; without them it takes other amounts:

- ``--ctx-size``, ``--parallel``, ``--batch-size``, ``--ubatch-size``, ``--cache-type-k``, ``--cache-type-v`` and
  ``--flash-attn`` as in ``Settings``;
- ``--no-kv-unified``: every slot has its own part of the cache (the default only when ``--parallel`` is given);
- ``--fit off``, and ``--n-gpu-layers`` and ``--tensor-split`` with exact counts, so that the layers land as planned;
- ``--cache-ram 0`` and ``--ctx-checkpoints 0``: prompts and states that the server would keep in the leader's memory
  (by default 8 GiB of prompts, and 32 copies a slot of all sliding-window caches and recurrent states);
- not ``--swa-full``, not ``--embeddings``, no draft model, no multimodal projector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..gguf.profile import CACHE_THRESHOLD_BYTES
from .compute_buffers import ComputeBuffers
from .kv_cache import BlockMemory
from .settings import Settings

__all__ = ["VERIFIED_ARCHITECTURES", "HostBytes", "MemoryModel", "Settings"]

# Held against llama.cpp's own numbers, see docs/design/memory-model.md.
VERIFIED_ARCHITECTURES = frozenset(
    (
        "cohere2",
        "deepseek2",
        "ernie4_5-moe",
        "exaone4",
        "falcon-h1",
        "gemma2",
        "gemma3",
        "gemma4",
        "glm4moe",
        "gpt-oss",
        "granite",
        "granitehybrid",
        "lfm2",
        "lfm2moe",
        "llama",
        "llama4",
        "minimax-m2",
        "mistral3",
        "nemotron_h",
        "nemotron_h_moe",
        "olmo2",
        "phi3",
        "qwen2",
        "qwen3",
        "qwen35",
        "qwen35moe",
        "qwen3moe",
        "qwen3next",
        "qwen3vl",
        "seed_oss",
        "smollm3",
    )
)
# These load tied embeddings twice even where both copies lie in one place.
LOADS_OUTPUT_FIRST = frozenset(("gemma4",))
# What is added where an architecture is not among them.
CONTEXT_MARGIN = 0.10
COMPUTE_MARGIN = 0.25


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

    ``layer_weight_bytes``, ``layer_expert_bytes`` (the part of these that are experts) and ``layer_kv_bytes`` have
    ``block_count + 1`` entries; the last is the output layer. ``reasons`` says, a line each, where the numbers are
    estimates. ``shares_caches``: some blocks read the caches of others.
    """

    def __init__(self, gguf: dict[str, Any], settings: Settings) -> None:
        self._gguf = gguf
        self._memory = BlockMemory(gguf, settings)
        self._compute = ComputeBuffers(gguf, settings, self._memory)
        trunk = self._memory.trunk_blocks
        self.layer_weight_bytes: list[int] = [
            block["weight_bytes"] if block["index"] < trunk else 0 for block in gguf["blocks"]
        ]
        self.layer_weight_bytes[0] += gguf["first_block_bytes"]
        self.layer_weight_bytes.append(gguf["output_bytes"])
        self.layer_expert_bytes: list[int] = [
            block.get("expert_bytes", 0) if block["index"] < trunk else 0 for block in gguf["blocks"]
        ]
        self.layer_expert_bytes.append(0)
        self._largest_tensors: list[int] = [block["largest_tensor_bytes"] for block in gguf["blocks"]]
        self._largest_tensors.append(gguf["largest_output_tensor_bytes"])
        # Of the output layer the largest tensor alone is known; others are never that large.
        output = gguf["largest_output_tensor_bytes"]
        self._cacheable_bytes: list[int] = [
            block["cacheable_bytes"] if block["index"] < trunk else 0 for block in gguf["blocks"]
        ]
        self._cacheable_bytes.append(output if output > CACHE_THRESHOLD_BYTES else 0)
        self._is_verified = gguf["architecture"] in VERIFIED_ARCHITECTURES
        self.layer_kv_bytes = [self._with_margin(size, CONTEXT_MARGIN) for size in (*self._memory.block_bytes, 0)]
        self.reasons = (
            []
            if self._is_verified
            else [
                f"The memory model was never held against architecture {gguf['architecture']}: {CONTEXT_MARGIN:.0%} "
                f"is added to its context memory and {COMPUTE_MARGIN:.0%} to its compute buffers."
            ]
        )
        cached = self._memory.cached_blocks
        self.shares_caches = cached < trunk
        if self.shares_caches:
            self.reasons.append(
                f"Blocks {cached} to {trunk - 1} read the caches of blocks {cached - 2} and {cached - 1}: on another "
                "device llama.cpp copies those caches over the network for every token, so keep them together."
            )

    def device_weight_bytes(self, first_layer: int, layer_count: int) -> int:
        """Bytes of the weights of layers ``first_layer`` up to, not including, ``first_layer + layer_count``."""
        held = sum(self.layer_weight_bytes[first_layer : first_layer + layer_count])
        return held + (self._gguf["every_device_bytes"] if first_layer < self._gguf["block_count"] else 0)

    def device_cacheable_bytes(self, first_layer: int, layer_count: int) -> int:
        """Bytes of those weights that an RPC server keeps in its tensor cache."""
        return sum(self._cacheable_bytes[first_layer : first_layer + layer_count])

    def device_loading_bytes(self, first_layer: int, layer_count: int) -> int:
        """Bytes that a worker needs beside the weights of these layers while it loads them.

        Its RPC server receives a tensor whole before it puts it into its place (``rpc_server::set_tensor`` in
        upstream's ggml-rpc.cpp; measured as the process's high-water mark). Caches and buffers come later.
        """
        return max(self._largest_tensors[first_layer : first_layer + layer_count], default=0)

    def device_compute_bytes(self, first_layer: int, layer_count: int, leader_layers: int) -> int:
        """Bytes of the compute buffer of a device that holds the layers ``device_weight_bytes`` speaks of.

        ``leader_layers`` is how many layers the leader's CPU keeps. It decides how the device is fed, in one of three
        ways: by other devices only (0), right after the leader's layers (``first_layer``), or by a device that comes
        after those (any other number).
        """
        pipelined = leader_layers == 0 and layer_count <= self._gguf["block_count"]
        compute = self._compute.device_bytes(first_layer, layer_count, pipelined, leader_layers == first_layer)
        return self._with_margin(compute, COMPUTE_MARGIN)

    def streamed_bytes(self, blocks: int) -> int:
        """Bytes that a GPU of the leader needs beside its own layers so that llama.cpp can send it, for a prompt, what
        the leader's CPU keeps of the first ``blocks`` blocks: one tensor at a time, and the cache that goes with it.

        An upper bound, held against what llama.cpp says with and without --no-op-offload.
        """
        held = slice(0, blocks)
        return max(self._largest_tensors[held], default=0) + max(self.layer_kv_bytes[held], default=0)

    def host_bytes(self, leader_layers: int, device_count: int = 2, expert_blocks: int = 0) -> HostBytes:
        """Bytes on the leader's CPU when it keeps the first ``leader_layers`` layers (all ``block_count + 1`` of
        them: it is alone); only for none of them does it matter whether there are several devices. It also keeps the
        experts of ``expert_blocks`` blocks after those, whose other tensors are on its GPU.

        The weights are mapped from the file, so they count as page cache; on some CPUs llama.cpp repacks blocks that
        it keeps, and then they are held for good instead.
        """
        pipelined = leader_layers == 0 and device_count > 1 and not expert_blocks
        compute = self._compute.host_bytes(leader_layers, pipelined, expert_blocks)
        experts = sum(self.layer_expert_bytes[leader_layers : leader_layers + expert_blocks])
        return HostBytes(
            weight_bytes=self._gguf["embedding_bytes"] + self._kept_weight_bytes(leader_layers) + experts,
            kv_bytes=sum(self.layer_kv_bytes[:leader_layers]),
            compute_bytes=self._with_margin(compute, COMPUTE_MARGIN),
        )

    def _kept_weight_bytes(self, leader_layers: int) -> int:
        if not leader_layers:
            return 0
        kept = self.device_weight_bytes(0, leader_layers)
        if (
            leader_layers > self._gguf["block_count"]
            and self._gguf["tied_embeddings"]
            and (self._gguf["architecture"] not in LOADS_OUTPUT_FIRST)
        ):
            # Alone, the leader needs no second copy of the embedding for the output layer.
            kept -= min(self._gguf["embedding_bytes"], self._gguf["output_bytes"])
        return kept

    def _with_margin(self, size: int, share: float) -> int:
        return size if self._is_verified else size + int(size * share)
