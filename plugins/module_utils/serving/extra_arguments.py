# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own arguments for llama-server: passed on when Drover can stand by its promises with them."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..errors import DroverError
from .flags import written

NAME = "llama_server_extra_arguments"

_MODEL = "set gguf_model_path, gguf_model_url or gguf_model_leader_path instead"
_PLACED = "take it out, or set placement_split to say which host holds how many layers"
_MEMORY = "take it out, since it takes memory that is in no plan"
_SECOND = "take it out, since the plan counts one model and no second one beside it"
_KEY = "set llama_server_api_key instead"
_HOLE = "take it out, since it lets clients act on this host"
_ENDS = "take it out, since the server would print something and end"
_PROOF = "take it out, since Drover asks the server for a chat completion over plain HTTP"

# Each stands for a model of its own, some with a second one, and for a port and sizes.
_PRESETS = (
    *("--embd-bge-small-en-default", "--embd-e5-small-en-default", "--embd-gte-small-default", "--embd-gemma-default"),
    *("--fim-qwen-1.5b-default", "--fim-qwen-3b-default", "--fim-qwen-7b-default", "--fim-qwen-30b-default"),
    *("--fim-qwen-7b-spec", "--fim-qwen-14b-spec", "--gpt-oss-20b-default", "--gpt-oss-120b-default"),
    *("--vision-gemma-4b-default", "--vision-gemma-12b-default", "--tts-oute-default"),
)

# Flag -> what to do instead. Either Drover decides it, or it opens a hole, or the server would not serve.
REFUSED = {
    "--model": _MODEL,
    "--model-url": _MODEL,
    "--docker-repo": _MODEL,
    "--hf-repo": _MODEL,
    "--hf-file": _MODEL,
    "--hf-token": _MODEL,
    "--models-dir": _MODEL,
    "--models-preset": _MODEL,
    "--models-max": _MODEL,
    "--models-autoload": _MODEL,
    "--model-draft": _SECOND,
    "--spec-draft-model": _SECOND,
    "--hf-repo-draft": _SECOND,
    "--spec-draft-hf": _SECOND,
    "--mmproj": _SECOND,
    "--mmproj-url": _SECOND,
    "--model-vocoder": _SECOND,
    "--hf-repo-v": _SECOND,
    **dict.fromkeys(_PRESETS, _MODEL),
    "--alias": "set llama_server_alias instead",
    "--host": "set llama_server_address instead",
    "--port": "set llama_server_port instead",
    "--threads": "set llama_server_threads instead",
    "--ctx-size": "set llama_server_context_size instead",
    "--parallel": "set llama_server_parallel instead",
    "--cache-type-k": "set llama_server_cache_type_k instead",
    "--cache-type-v": "set llama_server_cache_type_v instead",
    "--batch-size": "set llama_server_batch_size instead",
    "--ubatch-size": "set llama_server_ubatch_size instead",
    "--flash-attn": "set llama_server_flash_attention instead",
    "--rpc": "put workers into the inventory instead",
    "--device": _PLACED,
    "--tensor-split": _PLACED,
    "--split-mode": _PLACED,
    "--main-gpu": _PLACED,
    "--n-gpu-layers": _PLACED,
    "--gpu-layers": _PLACED,
    "--override-tensor": _PLACED,
    "--cpu-moe": _PLACED,
    "--n-cpu-moe": _PLACED,
    "--n-cpu-ffn": _PLACED,
    "--no-kv-offload": _PLACED,
    "--op-offload": _PLACED,
    "--no-op-offload": _PLACED,
    "--moe-cache-mib": _MEMORY,
    "--fit": _PLACED,
    "--fit-target": _PLACED,
    "--fit-ctx": _PLACED,
    "--kv-unified": _MEMORY,
    "--no-kv-unified": "take it out, since Drover gives it already",
    "--kv-unified-per-slot": _MEMORY,
    "--swa-full": _MEMORY,
    "--cache-ram": _MEMORY,
    "--ctx-checkpoints": _MEMORY,
    "--swa-checkpoints": _MEMORY,
    "--lookup-cache-static": _MEMORY,
    "--lookup-cache-dynamic": _MEMORY,
    "--api-key": _KEY,
    "--api-key-file": _KEY,
    "--no-api-key": _KEY,
    "--cors-origins": "set gateway_cors_origins on a gateway instead",
    "--slots": "take it out, since it shows every client what the others ask",
    "--no-slots": "take it out, since Drover gives it already",
    "--tools": _HOLE,
    "--tools-runtime": _HOLE,
    "--agent": _HOLE,
    "--mcp-servers-config": _HOLE,
    "--mcp-servers-json": _HOLE,
    "--ui-mcp-proxy": _HOLE,
    "--webui-mcp-proxy": _HOLE,
    "--help": _ENDS,
    "--usage": _ENDS,
    "--version": _ENDS,
    "--license": _ENDS,
    "--list-devices": _ENDS,
    "--cache-list": _ENDS,
    "--completion-bash": _ENDS,
    "--api-prefix": _PROOF,
    "--ssl-key-file": _PROOF,
    "--ssl-cert-file": _PROOF,
    "--embedding": _PROOF,
    "--embeddings": _PROOF,
    "--rerank": _PROOF,
    "--reranking": _PROOF,
}
# --spec-type takes a list. These draft by a second model, or by blocks of the first that are else not loaded; the
# others look up what was said before, which takes hardly any memory.
_DRAFTS = re.compile(r"(^|,)draft-")
_NUMBER = re.compile(r"-[0-9.]")


def extra_arguments(extra: list[str], flags: Collection[str] | None, build: int | None = None) -> list[str]:
    """The user's ``extra`` arguments as the build with the long ``flags`` takes them.

    Raises DroverError for one that Drover decides, that opens a hole, that the build does not know, or that is short
    (``-ngl``): the build lists its long flags only, so nothing else can be checked.
    """
    arguments: list[str] = []
    for flag, values in _grouped(extra):
        if flag in REFUSED:
            raise DroverError(f"{NAME} has {flag}: {REFUSED[flag]}.")
        first = values[0] if values else None
        if flag == "--spec-type" and first and _DRAFTS.search(first):
            raise DroverError(f"{NAME} has {flag} {first}: {_SECOND}; ngram-mod and its like need none.")
        try:
            arguments += written(flag, first, flags, build)
        except DroverError as error:
            raise DroverError(f"{NAME} has {flag}: {str(error)[:1].lower()}{str(error)[1:]}") from None
        arguments += values[1:]
    return arguments


def _grouped(extra: list[str]) -> list[tuple[str, list[str]]]:
    """Each flag with the values that follow it."""
    groups: list[tuple[str, list[str]]] = []
    for argument in extra:
        if argument.startswith("-") and not _NUMBER.match(argument):
            groups.append((_flag(argument), []))
        elif groups:
            groups[-1][1].append(argument)
        else:
            raise DroverError(f"{NAME} begins with {argument!r} but must begin with a flag such as --metrics.")
    return groups


def _flag(argument: str) -> str:
    if not argument.startswith("--"):
        raise DroverError(f"{NAME} has the short flag {argument}: write its long form, which Drover can check.")
    if "=" in argument or any(space in argument for space in " \t\n"):
        raise DroverError(f"{NAME} has {argument!r}: write the flag and its value as two entries of the list.")
    # llama.cpp takes --api_key for --api-key.
    return argument.replace("_", "-")
