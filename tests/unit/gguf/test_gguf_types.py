# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gguf
import pytest
from module_utils.errors import DroverError
from module_utils.gguf import types

# The package says 40 bytes, from when the block held two 32-bit floats; ggml_type_size says 36. It is never stored.
Q8_1 = types.TensorType(9, "Q8_1", 32, 36)


def test_every_tensor_type_of_the_gguf_package_is_known():
    expected = {
        kind.value: types.TensorType(kind.value, kind.name, *gguf.GGML_QUANT_SIZES[kind])
        for kind in gguf.GGMLQuantizationType
    }
    expected[9] = Q8_1
    assert {number: types.TENSOR_TYPES.get(number) for number in expected} == expected


def test_types_that_llama_cpp_has_and_the_gguf_package_has_not():
    """Seen with ggml_type_name, ggml_blck_size and ggml_type_size of llama.cpp 0.7.0 (build 11669)."""
    assert types.TENSOR_TYPES[42] == types.TensorType(42, "Q2_0", 64, 18)
    assert types.FILE_TYPES[41] == "Q2_0"


def test_value_types_are_those_of_the_gguf_package():
    expected = {kind.value: kind.name.lower() for kind in gguf.GGUFValueType}
    assert expected == types.VALUE_TYPE_NAMES


def test_scalar_formats_are_those_of_the_gguf_package():
    expected = {kind.value: code for kind, code in gguf.GGUFWriter._simple_value_packing.items()}
    assert {number: code for number, (_, code) in types.SCALAR_TYPES.items()} == expected


def test_every_file_type_of_the_gguf_package_is_known():
    expected = {
        kind.value: kind.name.replace("MOSTLY_", "").replace("ALL_", "")
        for kind in gguf.LlamaFileType
        if kind is not gguf.LlamaFileType.GUESSED
    }
    assert {number: types.FILE_TYPES.get(number) for number in expected} == expected


@pytest.mark.parametrize(
    ("number", "name"), [(0, "F32"), (15, "Q4_K_M"), (15 + 1024, "Q4_K_M"), (4, None), (999, None), (-1, None)]
)
def test_file_type_name(number, name):
    assert types.file_type_name(number) == name


@pytest.mark.parametrize(
    ("type_id", "shape", "expected"),
    [
        (0, (1,), 4),
        (1, (4096, 128256), 4096 * 128256 * 2),
        (12, (4096, 14336), 33030144),  # ffn_up of an 8B model in Q4_K
        (14, (4096, 1024), 3440640),
        (39, (2880, 2880, 32), 2880 * 2880 * 32 // 32 * 17),
        (0, (2, 3, 5, 7), 840),
    ],
)
def test_tensor_bytes(type_id, shape, expected):
    assert types.tensor_bytes(type_id, shape) == expected


@pytest.mark.parametrize(
    ("type_id", "shape", "message"),
    [
        (43, (256,), "type 43 is not known"),
        (2**32 - 1, (256,), "type 4294967295 is not known"),
        (31, (256,), "Q4_0_4_4"),
        (12, (255,), "rows of 255 elements do not fit type Q4_K: expected a multiple of 256"),
        (0, (), "holds no elements"),
        (0, (4, 0), "holds no elements"),
        (0, (2**32, 2**32), "overflows"),
        (0, (2**61,), "overflows"),  # the elements can be counted, their bytes cannot
        (0, (2**63, 2), "overflows"),
    ],
)
def test_tensor_bytes_refuses(type_id, shape, message):
    with pytest.raises(DroverError, match=message):
        types.tensor_bytes(type_id, shape)
