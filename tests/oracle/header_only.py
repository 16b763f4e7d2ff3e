# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF files that hold a header and, beyond it, nothing but a hole of the right size.

llama.cpp computes its memory from the header alone, so such a file stands for a model of hundreds of GiB.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, GGUFWriter


class Tensor(NamedTuple):
    """A tensor of a model: its shape is in GGML's order, the fastest dimension first."""

    name: str
    shape: tuple
    type: GGMLQuantizationType

    @property
    def n_bytes(self):
        block_elements, block_bytes = GGML_QUANT_SIZES[self.type]
        return math.prod(self.shape) // block_elements * block_bytes


class Model(NamedTuple):
    """A model of the corpus: ``metadata`` holds the ``{architecture}.*`` values without that prefix."""

    name: str
    architecture: str
    metadata: dict
    tensors: list
    vocab_size: int


def write(model, path):
    """Write ``model`` as a sparse file of its full size; return the bytes of its header."""
    writer = GGUFWriter(None, model.architecture)
    writer.add_string("general.name", model.name)
    # No token list: llama.cpp takes the size of the vocabulary from the header then.
    writer.add_string("tokenizer.ggml.model", "no_vocab")
    writer.add_vocab_size(model.vocab_size)
    for key, value in model.metadata.items():
        writer.add_key_value(f"{model.architecture}.{key}", value, _value_type(value))
    for tensor in model.tensors:
        writer.add_tensor_info(
            tensor.name, tensor.shape[::-1], numpy.dtype(numpy.float32), tensor.n_bytes, raw_dtype=tensor.type
        )
    writer.write_header_to_file(Path(path))
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header_bytes = _pad(Path(path).stat().st_size, writer.data_alignment)
    data_bytes = sum(_pad(tensor.n_bytes, writer.data_alignment) for tensor in model.tensors)
    with open(path, "r+b") as file:
        file.truncate(header_bytes + data_bytes)
    return header_bytes


def _pad(value, alignment):
    return (value + alignment - 1) // alignment * alignment


def _value_type(value):
    if isinstance(value, bool):
        return GGUFValueType.BOOL
    if isinstance(value, float):
        return GGUFValueType.FLOAT32
    if isinstance(value, str):
        return GGUFValueType.STRING
    return GGUFValueType.ARRAY if isinstance(value, list) else GGUFValueType.UINT32
