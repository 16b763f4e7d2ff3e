# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether llama-server can serve a model to people who chat, told from its header, before gigabytes are copied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import DroverError
from ..text import counted
from .architectures import ARCHITECTURES, BLOCK_TENSORS, LOOSE_TENSORS, PROJECTOR_TENSORS, PURPOSES

POOLING_TYPE_RANK = 4  # upstream: LLAMA_POOLING_TYPE_RANK in include/llama.h; 0 is none, the others make embeddings

# GGUF files that hold no language model: by general.type, else by general.architecture.
_OTHER_TYPES = {
    "adapter": "a LoRA adapter, which changes a model and is none: give the GGUF of the model itself",
    "imatrix": "an importance matrix, which only quantising a model needs: give the GGUF of the model itself",
    "mmproj": "the vision or audio part of a model (mmproj): give the GGUF of the language model that it belongs to",
}
_OTHER_ARCHITECTURES = {
    "clip": _OTHER_TYPES["mmproj"],
    "controlvector": "a control vector, which changes a model and is none: give the GGUF of the model itself",
    "wavtokenizer-dec": "the part of a speech model that makes sound: give the GGUF of a model that generates text",
}

_BLOCK_NAME = re.compile(r"(?:enc\.|dec\.)?blk\.\d+\.(.*)")
_TOLD_NAMES = 3


def refuse_other_files(metadata: dict[str, Any], tensor_count: int) -> None:
    """Raise ``DroverError`` for a GGUF file that is sound but holds no model: there are no blocks to place."""
    for key, others in (("general.type", _OTHER_TYPES), ("general.architecture", _OTHER_ARCHITECTURES)):
        value = metadata.get(key)
        if isinstance(value, str) and value in others:
            raise DroverError(f"The GGUF is {others[value]}.")
    if not tensor_count and "tokenizer.ggml.model" in metadata:
        raise DroverError("The GGUF holds only a vocabulary and no tensors: give the GGUF of the whole model.")


def unservable(architecture: str, metadata: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return why llama-server cannot chat with the model whose tensors are ``names``: sentences with the remedy.

    llama.cpp's loaders count: a tensor that the architecture's loader did not ask for ends the load with "wrong number
    of tensors". Ollama keeps a model's vision and audio tensors in the model's own file, llama.cpp in one beside it.
    What the loader of an architecture that is not in the table asks for nobody here knows, so no tensor speaks against
    such a model, and ``warnings`` names it.
    """
    found = []
    known = architecture in ARCHITECTURES
    foreign = _foreign(names)
    if foreign and known:
        found.append(
            f"{_among(foreign, names)}, as Ollama keeps them, and llama.cpp loads no {architecture} with such tensors "
            "inside: take a file that was converted for llama.cpp, for example from the Hugging Face Hub, where those "
            "parts are in an mmproj file of their own."
        )
    purpose = _purpose(architecture, metadata, map(_root, names if known else ()))
    if purpose:
        found.append(f"The model {purpose}, so it cannot chat: choose a model that generates text.")
    return found


def warnings(architecture: str, metadata: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return what may come as a surprise when the model is served, one sentence each."""
    found = []
    if architecture not in ARCHITECTURES:
        found.append(
            f"The architecture {architecture} is not among those that Drover knows llama.cpp to have: a newer build "
            "may know it, any other ends with 'unknown model architecture'."
        )
        foreign = _foreign(names)
        if foreign:
            found.append(
                f"{_among(foreign, names)}, as Ollama keeps them: llama.cpp loads none of the architectures that "
                "Drover knows with such tensors inside, and takes them from an mmproj file."
            )
    else:
        odd = [name for name in names if not _is_known(name)]
        if odd:
            found.append(
                f"No loader that Drover knows asks for {counted(len(odd), 'tensor')} of the model ({_listed(odd)}): "
                "unless the build of llama.cpp is as new as the model, it ends with 'wrong number of tensors'."
            )
    if not metadata.get("tokenizer.chat_template"):
        found.append(
            "The model brings no chat template, as base models that only continue a text: choose its instruct edition "
            "to chat."
        )
    return found


def _purpose(architecture: str, metadata: dict[str, Any], parts: Iterable[str]) -> str | None:
    """What the model is for, when that is not generating text."""
    if architecture in PURPOSES:
        return f"is of the architecture {architecture}, which {PURPOSES[architecture]}"
    pooling = metadata.get(f"{architecture}.pooling_type")
    if pooling == POOLING_TYPE_RANK or "cls" in parts:
        return "is a reranker or a classifier, which gives texts a score"
    if isinstance(pooling, int) and pooling > 0:
        return f"makes embeddings ({architecture}.pooling_type is {pooling})"
    if metadata.get(f"{architecture}.attention.causal") is False:
        return f"reads a text in both directions ({architecture}.attention.causal is false), as embedding models do"
    return None


def _foreign(names: Iterable[str]) -> list[str]:
    return [name for name in names if _root(name) in PROJECTOR_TENSORS]


def _among(foreign: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"Among the model's tensors are some for images or sound ({len(foreign)} of {len(names)}: {_listed(foreign)})"
    )


def _root(name: str) -> str:
    return name.partition(".")[0]


def _is_known(name: str) -> bool:
    match = _BLOCK_NAME.fullmatch(name)
    if match:
        return _root(match[1]) in BLOCK_TENSORS
    return _root(re.sub(r"^(?:enc|dec)\.", "", name)) in LOOSE_TENSORS | PROJECTOR_TENSORS


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_TOLD_NAMES]) + (" ..." if len(names) > _TOLD_NAMES else "")
