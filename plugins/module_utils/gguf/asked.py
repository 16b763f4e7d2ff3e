# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model is asked for in a way that it can be had, and whether it is one to serve: in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .address import telling_text


def source_faults(sources: Mapping[str, str], sha256: list[str]) -> list[str]:
    """A sentence for each thing that is wrong with how a model is asked for.

    ``sources``: by the name of a variable of the role (``gguf_model_path``, ``gguf_model_url``, ``gguf_model_repo``,
    ``gguf_model_leader_path``) what it names, or an empty text. ``sha256``: the checksums of its files.
    """
    given = [name for name, source in sources.items() if source]
    if len(given) != 1:
        told = f"More than one model is set ({', '.join(given)})" if given else "No model is set"
        return [
            f"{told}; set exactly one of gguf_model_path (a file on this controller), gguf_model_repo (a repository on "
            "the Hugging Face Hub), gguf_model_url (with gguf_model_sha256) or gguf_model_leader_path (a file that is "
            "already on the leader)."
        ]
    (name,) = given
    if name == "gguf_model_url" and not sha256:
        return [
            f"gguf_model_url is set to {telling_text(sources[name])} without gguf_model_sha256, so a damaged or "
            "replaced download would go unseen; set gguf_model_sha256 to the sha256 that the model's page shows."
        ]
    if name == "gguf_model_leader_path" and not sources[name].startswith("/"):
        return [
            f"gguf_model_leader_path is set to {sources[name]}, which leaves open where on the leader that is; give "
            "the full path, beginning with a slash."
        ]
    return []


def header_faults(header: Mapping[str, Any], sources: Mapping[str, str], sha256: list[str], reader: str) -> list[str]:
    """A sentence for each reason not to serve what was read.

    ``header``: what gguf_info returned, ``gguf`` or ``msg``, on the controller or, for a file of the leader's, on the
    host ``reader``. ``sources`` and ``sha256`` are those of ``source_faults``, which has found nothing.
    """
    ((name, source),) = ((name, source) for name, source in sources.items() if source)
    place = {"gguf_model_path": "this controller", "gguf_model_leader_path": reader}.get(name)
    whence = f"(this is {name}, looked for on {place})" if place else f"(this is {name})"
    gguf = header.get("gguf")
    if gguf is None:
        reason = str(header.get("msg") or "The header could not be read").rstrip(".")
        return [f"{reason} {whence}. Nothing was changed."]
    if gguf["unservable"]:
        reasons = " ".join(gguf["unservable"])
        return [f"{telling_text(source)} {whence} cannot be served. {reasons} Nothing was changed."]
    if len(sha256) not in (0, len(gguf["shards"])):
        return [
            f"gguf_model_sha256 has {len(sha256)} entries, but the model has {len(gguf['shards'])} shards; give one "
            "sha256 for each, in their order."
        ]
    return []
