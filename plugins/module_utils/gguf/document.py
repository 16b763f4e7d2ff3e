# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict reader of the document ``gguf``."""

from __future__ import annotations

from typing import Any

from ..errors import DroverError

FIELDS = (
    "name",
    "quantization",
    "architecture",
    "file_bytes",
    "weight_bytes",
    "parameter_count",
    "block_count",
    "context_length",
    "embedding_length",
    "vocab_size",
    "expert_count",
    "expert_used_count",
    "embedding_bytes",
    "output_bytes",
    "blocks",
    "hyperparameters",
)


def read_gguf(value: object) -> dict[str, Any]:
    """Return the model in ``value``. Raises DroverError, one sentence, for what is none."""
    missing = [key for key in FIELDS if not isinstance(value, dict) or key not in value]
    if missing or not isinstance(value, dict):
        raise DroverError(f"The model has no {', '.join(missing)}: give what gguf_info returned as gguf.")
    return value
