# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is when it is not GGUF, told from its first bytes."""

from __future__ import annotations

import re

_SIGNATURES = (
    (rb"version https://git-lfs", "a Git LFS pointer instead of the file: run git lfs pull"),
    (rb"(?i)\s*(<!doctype html|<html)", "a web page: use the download link of the file itself"),
    (rb"\s*<\?xml", "an XML document, perhaps a storage service's error: check the link"),
    (rb"(?s).{4}\x00{4}\{", "a safetensors file: use the model's GGUF edition, or convert it with llama.cpp"),
    (rb"\s*\{", "a JSON document, perhaps an error message: check the link"),
    (rb"PK\x03\x04", "a zip archive or a PyTorch checkpoint: use the model's GGUF edition"),
    (rb"\x80[\x02-\x05]", "a Python pickle: use the model's GGUF edition"),
    (rb"\x1f\x8b|\x28\xb5\x2f\xfd|\xfd7zXZ|BZh", "a compressed file: unpack it first"),
    (rb"lmgg|fmgg|tjgg|algg", "a GGML model from before GGUF: fetch a newer edition of the model"),
    (rb"\x00{16}", "filled with zeros, as an unfinished download is: fetch it again"),
)


def describe(beginning: bytes) -> str:
    """What a file that begins with these bytes (32 are enough) looks like, with what to do."""
    if not beginning:
        return "empty: fetch it again"
    for pattern, description in _SIGNATURES:
        if re.match(pattern, beginning):
            return description
    return f"something else, beginning with {beginning[:8]!r}: check that it is the right file"
