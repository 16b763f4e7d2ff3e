# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of llama-server and of llama.cpp's RPC server: nothing else in Drover makes one.

``flags`` are the long flags that the build at hand has, as its ``--help`` names them, and ``build`` is its number; a
flag that it lacks is translated or refused (see ``flags``). Without them the newest build known is written for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .extra_arguments import extra_arguments
from .flags import written

Pairs = list[tuple[str, "str | None"]]
# The RPC server's: it keeps tensors on disk.
CACHE = "--cache"


def plan_arguments(
    plan: dict[str, Any],
    flags: Collection[str] | None = None,
    build: int | None = None,
    local: Mapping[str, str] | None = None,
) -> list[str]:
    """What llama-server must be told so that every layer lands where ``plan`` says, and nothing is left to it.

    ``local``: what it calls the GPUs of the leader (see ``visible``), id -> name; without it, by their ids.
    """
    policy = plan["policy"]
    pairs: Pairs = [
        ("--ctx-size", str(policy["context_size"])),
        ("--parallel", str(policy["parallel"])),
        # Each slot has its own part of the cache, which is what the memory model counts.
        ("--no-kv-unified", None),
        ("--cache-type-k", policy["cache_type_k"]),
        ("--cache-type-v", policy["cache_type_v"]),
        ("--batch-size", str(policy["batch_size"])),
        ("--ubatch-size", str(policy["ubatch_size"])),
        ("--flash-attn", policy["flash_attention"]),
        # The plan decides, llama.cpp does not.
        ("--fit", "off"),
        # The prompt cache takes memory that is in no plan, and has aborted with RPC (upstream issue 26529).
        ("--cache-ram", "0"),
        # Nor are checkpoints of sliding-window and recurrent caches, by default up to 32 a slot in the leader's memory.
        ("--ctx-checkpoints", "0"),
        *_placement(plan, local or {}),
        *_kept_by_cpu(plan, flags),
    ]
    return _written(pairs, flags, build)


def leader_arguments(
    plan: dict[str, Any],
    model: dict[str, Any],
    address: str,
    port: int,
    threads: int,
    api_key_file: str,
    extra: list[str],
    flags: Collection[str] | None = None,
    build: int | None = None,
    local: Mapping[str, str] | None = None,
    watched: bool = False,
) -> list[str]:
    """All arguments of llama-server. ``model`` has ``path`` and ``alias``; ``local`` is for ``plan_arguments``; with
    ``watched`` it tells who has the key whether it is idle; the user's ``extra`` ones come last."""
    pairs: Pairs = [
        ("--model", model["path"]),
        ("--alias", model["alias"]),
        ("--host", address),
        ("--port", str(port)),
        ("--threads", str(threads)),
        # A file, since a process list shows arguments to everyone on the host.
        ("--api-key-file", api_key_file),
        # Slots would show every client what the others ask.
        ("--no-slots", None),
        *([("--metrics", None)] if watched else []),
        # By default it lets the web pages of anybody ask; no page is at a name that cannot be (RFC 2606).
        ("--cors-origins", "https://none.invalid"),
    ]
    return [
        *_written(pairs, flags, build),
        *plan_arguments(plan, flags, build, local),
        *extra_arguments(extra, flags, build),
    ]


def worker_arguments(
    address: str,
    port: int,
    threads: int,
    cache: bool,
    flags: Collection[str] | None = None,
    build: int | None = None,
    devices: Sequence[str] = (),
) -> list[str]:
    """All arguments of the RPC server; ``cache`` keeps tensors on disk. Its own default is half of the threads.

    ``devices`` are the names of those that it lends; empty for a host that has nothing but a CPU.
    """
    pairs: Pairs = [("--host", address), ("--port", str(port)), ("--threads", str(threads))]
    if devices:
        pairs.append(("--device", ",".join(devices)))
    if cache:
        pairs.append((CACHE, None))
    return _written(pairs, flags, build, "RPC server")


def without_cache(arguments: Sequence[str]) -> list[str]:
    """The ``arguments`` of an RPC server that is to use no tensor cache."""
    return [argument for argument in arguments if argument != CACHE]


def _placement(plan: dict[str, Any], local: Mapping[str, str]) -> Pairs:
    """Layers by device, in llama.cpp's order: those of each RPC server in the order of ``--rpc``, then local GPUs.

    Devices are named where llama.cpp's own list of them would be another: one that is not named takes no buffers, and
    llama.cpp would pass over a leader's integrated GPU.
    """
    if not plan["devices"]:
        # A local GPU that holds no layer would still be used, and take memory, for long prompts.
        return [("--device", "none"), ("--n-gpu-layers", "0")]
    # In the plan they come in the order of the chain, which is llama.cpp's.
    names = [
        device["device"] if device["endpoint"] else local.get(device["id"], device["id"]) for device in plan["devices"]
    ]
    split = [device["block_count"] + bool(device["holds_output"]) for device in plan["devices"]]
    pairs: Pairs = []
    if plan["endpoints"]:
        pairs.append(("--rpc", ",".join(f"{each['address']}:{each['port']}" for each in plan["endpoints"])))
    if names != [f"RPC{number}" for number in range(sum(len(each["devices"]) for each in plan["endpoints"]))]:
        pairs.append(("--device", ",".join(names)))
    return [*pairs, ("--tensor-split", ",".join(map(str, split))), ("--n-gpu-layers", str(sum(split)))]


def _kept_by_cpu(plan: dict[str, Any], flags: Collection[str] | None) -> Pairs:
    """What a leader with a GPU of its own must be told of the weights that its CPU keeps."""
    own = [device for device in plan["devices"] if not device["endpoint"]]
    apart = sum(device.get("experts_on_cpu", 0) for device in own)
    pairs: Pairs = []
    if apart and (flags is None or "--n-cpu-moe" in flags):
        pairs.append(("--n-cpu-moe", str(apart)))
    elif apart:
        blocks = "|".join(map(str, range(apart)))
        pairs.append(("--override-tensor", rf"blk\.({blocks})\.ffn_(up|down|gate|gate_up)_exps=CPU"))
    if own and (apart or plan["leader_blocks"]) and not any(device.get("streams") for device in own):
        # For long prompts it would send them to the GPU, which has no room for that.
        pairs.append(("--no-op-offload", None))
    return pairs


def _written(
    pairs: Pairs, flags: Collection[str] | None, build: int | None, program: str = "llama-server"
) -> list[str]:
    return [word for flag, value in pairs for word in written(flag, value, flags, build, program)]
