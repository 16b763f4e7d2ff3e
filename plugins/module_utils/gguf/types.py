# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of the GGUF format: tensor types, metadata value types, file types.

Held against the `gguf` package and against ggml's own library (ggml_type_name, ggml_blck_size, ggml_type_size).
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..errors import DroverError

INT64_MAX = 2**63 - 1


class TensorType(NamedTuple):
    """How ggml stores numbers: blocks of `block_size` elements, `type_size` bytes each."""

    id: int
    name: str
    block_size: int
    type_size: int


# enum ggml_type in ggml.h; sizes are those of the block structs in ggml-common.h.
TENSOR_TYPES = {
    row[0]: TensorType(*row)
    for row in (
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 18),
        (3, "Q4_1", 32, 20),
        (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24),
        (8, "Q8_0", 32, 34),
        (9, "Q8_1", 32, 36),
        (10, "Q2_K", 256, 84),
        (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144),
        (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210),
        (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17),
        (40, "NVFP4", 64, 36),
        (41, "Q1_0", 128, 18),
        (42, "Q2_0", 64, 18),
    )
}

# Ids that ggml gave up; the name tells which file to fetch instead.
REMOVED_TENSOR_TYPES = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}

# enum gguf_type in gguf.h: id -> (name, struct format without byte order). Strings and arrays carry their own length.
SCALAR_TYPES = {
    0: ("uint8", "B"),
    1: ("int8", "b"),
    2: ("uint16", "H"),
    3: ("int16", "h"),
    4: ("uint32", "I"),
    5: ("int32", "i"),
    6: ("float32", "f"),
    7: ("bool", "?"),
    10: ("uint64", "Q"),
    11: ("int64", "q"),
    12: ("float64", "d"),
}
STRING = 8
ARRAY = 9
VALUE_TYPE_NAMES = {
    **{number: name for number, (name, _code) in SCALAR_TYPES.items()},
    STRING: "string",
    ARRAY: "array",
}

# enum llama_ftype in llama.h, without the LLAMA_FTYPE_MOSTLY_ prefix.
FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
GUESSED_FILE_TYPE = 1024  # a bit that llama.cpp sets when it had to guess


def file_type_name(file_type: int) -> str | None:
    """Name of a `general.file_type` number, for example `Q4_K_M`; None when it is not known."""
    return FILE_TYPES.get(file_type & ~GUESSED_FILE_TYPE)


def tensor_bytes(type_id: int, shape: tuple[int, ...]) -> int:
    """Bytes of a contiguous tensor of `shape` (elements, fastest dimension first), as ggml_nbytes counts them.

    Raises DroverError for a type that ggml does not have, for a shape that is empty, and for rows that do not
    fill whole blocks.
    """
    if type_id not in TENSOR_TYPES:
        if type_id in REMOVED_TENSOR_TYPES:
            raise DroverError(
                f"tensor type {REMOVED_TENSOR_TYPES[type_id]} ({type_id}) has been removed from llama.cpp: "
                "fetch the model in another quantisation"
            )
        raise DroverError(f"tensor type {type_id} is not known: expected one of ggml's types 0 to {max(TENSOR_TYPES)}")
    kind = TENSOR_TYPES[type_id]
    if not shape or min(shape) < 1:
        raise DroverError(f"shape {list(shape)} holds no elements: expected every dimension to be 1 or more")
    if shape[0] % kind.block_size:
        raise DroverError(
            f"rows of {shape[0]} elements do not fit type {kind.name}: expected a multiple of {kind.block_size}"
        )
    n_bytes = prod(shape) // kind.block_size * kind.type_size
    if max(n_bytes, prod(shape)) > INT64_MAX:
        raise DroverError(f"shape {list(shape)} overflows: expected at most {INT64_MAX} elements and bytes")
    return n_bytes
