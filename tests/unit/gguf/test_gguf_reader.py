# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader against the `gguf` package, on files that the package wrote."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from module_utils.gguf import reader
from module_utils.gguf.metadata import KEPT_ARRAY, KEPT_STRING_BYTES
from module_utils.gguf.reader import SkippedArray
from unit.gguf import raw_gguf as raw

SCALARS = {
    "uint8": [0, 255],
    "int8": [-128, 127],
    "uint16": [0, 65535],
    "int16": [-32768, 32767],
    "uint32": [0, 2**32 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "float32": [0.0, -1.5, 2.0**100],
    "bool": [True, False],
    "string": ["llama", "ünï\ncode \U0001f402"],
    "uint64": [0, 2**64 - 1],
    "int64": [-(2**63), 2**63 - 1],
    "float64": [0.1, -1e300],
}
BOTH_ORDERS = pytest.mark.parametrize("endianess", list(gguf.GGUFEndian), ids=lambda order: order.name.lower())


def write(path, metadata=(), tensors=(), **options):
    """Write a file with the package; `metadata`: (key, value, type[, item type]), `tensors`: (name, array)."""
    writer = gguf.GGUFWriter(path, "llama", **options)
    for entry in metadata:
        writer.add_key_value(*entry)
    for name, values in tensors:
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def write_bytes(path, data):
    path.write_bytes(data)
    return str(path)


def assert_same_tensors(header, path):
    """Name, shape, type, size and place of every tensor are what the package's own reader says."""
    expected = [
        (t.name, tuple(t.shape.tolist()), t.tensor_type.value, t.n_bytes, t.data_offset)
        for t in gguf.GGUFReader(path).tensors
    ]
    found = [(t.name, t.shape, t.type_id, t.n_bytes, header.data_offsets[t.shard] + t.offset) for t in header.tensors]
    assert found == expected


@BOTH_ORDERS
@pytest.mark.parametrize("kind", list(gguf.GGMLQuantizationType), ids=lambda kind: kind.name)
def test_every_tensor_type(tmp_path, monkeypatch, kind, endianess):
    # The package's size of this one type is out of date, see test_gguf_types.py.
    monkeypatch.setitem(gguf.GGML_QUANT_SIZES, gguf.GGMLQuantizationType.Q8_1, (32, 36))
    block_size, type_size = gguf.GGML_QUANT_SIZES[kind]
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=endianess)
    for name, rows in (("a", (3,)), ("b", (2, 5)), ("c", (1, 1, 1))):
        n_bytes = int(np.prod(rows)) * 2 * type_size
        writer.add_tensor_info(name, (*rows, 2 * block_size), np.dtype(np.float16), n_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, 64 * 1024)
    header = reader.read_header(str(path))
    assert [t.shape[0] for t in header.tensors] == [2 * block_size] * 3
    assert_same_tensors(header, path)


@BOTH_ORDERS
@pytest.mark.parametrize("kind", list(SCALARS))
def test_every_metadata_type(tmp_path, kind, endianess):
    value_type = gguf.GGUFValueType[kind.upper()]
    values = SCALARS[kind]
    metadata = [(f"x.{index}", value, value_type) for index, value in enumerate(values)]
    metadata.append(("x.array", values, gguf.GGUFValueType.ARRAY, value_type))
    header = reader.read_header(write(tmp_path / "model.gguf", metadata, endianess=endianess))
    assert header.byte_order == endianess.name.lower()
    assert header.metadata == {
        "general.architecture": "llama",
        **{f"x.{index}": value for index, value in enumerate(values)},
        "x.array": values,
    }
    assert [type(value) for value in header.metadata["x.array"]] == [type(value) for value in values]


def test_header_fields(tmp_path):
    tensors = [("a", np.zeros((3, 5), np.float32)), ("b", np.zeros(7, np.float16))]
    path = write(tmp_path / "model.gguf", tensors=tensors)
    header = reader.read_header(path)
    assert (header.version, header.byte_order, header.alignment) == (3, "little", 32)
    assert header.shards == ["model.gguf"]
    assert header.file_bytes == os.path.getsize(path)
    assert header.tensors == [
        reader.TensorInfo("a", (5, 3), 0, 0, 60, 0),
        reader.TensorInfo("b", (7,), 1, 64, 14, 0),
    ]
    assert_same_tensors(header, path)


@BOTH_ORDERS
def test_version_2(tmp_path, endianess):
    path = tmp_path / "model.gguf"
    write(path, [("x", 7, gguf.GGUFValueType.UINT64)], [("a", np.zeros(4, np.float32))], endianess=endianess)
    data = bytearray(path.read_bytes())
    data[4:8] = (2).to_bytes(4, endianess.name.lower())
    path.write_bytes(data)
    header = reader.read_header(str(path))
    assert header.version == 2
    assert header.metadata["x"] == 7
    assert_same_tensors(header, path)


@pytest.mark.parametrize("alignment", [1, 8, 64, 4096])
def test_alignment(tmp_path, alignment):
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(alignment)
    for name in "abc":
        writer.add_tensor(name, np.zeros(5, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = reader.read_header(str(path))
    assert header.alignment == alignment
    assert header.data_offsets[0] % alignment == 0
    assert_same_tensors(header, path)


def test_the_demo_model():
    path = str(Path(__file__).parents[2] / "assets" / "drover-demo.gguf")
    header = reader.read_header(path)
    assert header.metadata["general.architecture"] == "llama"
    assert_same_tensors(header, path)


def test_a_model_without_tensors(tmp_path):
    header = reader.read_header(write(tmp_path / "vocabulary.gguf"))
    assert header.tensors == []
    assert header.metadata == {"general.architecture": "llama"}


SCALAR_STRATEGIES = {
    "UINT8": st.integers(0, 2**8 - 1),
    "INT16": st.integers(-(2**15), 2**15 - 1),
    "UINT32": st.integers(0, 2**32 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FLOAT32": st.floats(width=32, allow_nan=False),
    "FLOAT64": st.floats(allow_nan=False),
    "BOOL": st.booleans(),
    "STRING": st.text(max_size=40),
}
ENTRIES = st.one_of(
    *(st.tuples(st.just(kind), values) for kind, values in SCALAR_STRATEGIES.items()),
    *(st.tuples(st.just(kind), st.lists(values, min_size=1)) for kind, values in SCALAR_STRATEGIES.items()),
)
# Keys that cannot be printed are refused: see test_gguf_hostile.
KEYS = st.text(min_size=1, max_size=30).filter(
    lambda key: key.isprintable() and not key.startswith(("general.", "split."))
)


@given(entries=st.dictionaries(KEYS, ENTRIES, max_size=12), endianess=st.sampled_from(gguf.GGUFEndian))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_random_metadata(tmp_path, entries, endianess):
    metadata = []
    for key, (kind, value) in entries.items():
        value_type = gguf.GGUFValueType[kind]
        is_array = isinstance(value, list)
        metadata.append((key, value, gguf.GGUFValueType.ARRAY, value_type) if is_array else (key, value, value_type))
    header = reader.read_header(write(tmp_path / "model.gguf", metadata, endianess=endianess))
    expected = {key: value for key, (_, value) in entries.items()}
    assert header.metadata == {"general.architecture": "llama", **expected}


@pytest.mark.parametrize(
    ("item_type", "items"),
    [
        (raw.UINT8, b"\x01"),
        (raw.FLOAT32, bytes(4)),
        (raw.STRING, raw.text("tok")),
        (raw.ARRAY, raw.array(raw.UINT8, 2, b"\x01\x02")),
    ],
    ids=["uint8", "float32", "string", "array"],
)
def test_long_arrays_are_skipped(tmp_path, item_type, items):
    def read(length):
        value = raw.array(item_type, length, items * length)
        pairs = [raw.pair("x", raw.ARRAY, value), raw.uint32("after", 5)]
        return reader.read_header(write_bytes(tmp_path / "model.gguf", raw.model(pairs))).metadata

    longest = read(KEPT_ARRAY)
    assert len(longest["x"]) == KEPT_ARRAY
    assert longest["after"] == 5
    names = {raw.UINT8: "uint8", raw.FLOAT32: "float32", raw.STRING: "string", raw.ARRAY: "array"}
    assert read(KEPT_ARRAY + 1) == {
        "x": SkippedArray(names[item_type], KEPT_ARRAY + 1),
        "after": 5,
    }


def test_nested_arrays(tmp_path):
    inner = raw.array(raw.UINT8, 2, b"\x01\x02") + raw.array(raw.STRING, 1, raw.text("x"))
    value = raw.array(raw.ARRAY, 2, raw.array(raw.ARRAY, 2, inner) + raw.array(raw.UINT8, 0))
    path = write_bytes(tmp_path / "model.gguf", raw.model([raw.pair("x", raw.ARRAY, value)]))
    assert reader.read_header(path).metadata == {"x": [[[1, 2], ["x"]], []]}


def test_a_long_string_is_skipped(tmp_path):
    length = KEPT_STRING_BYTES
    pairs = [
        raw.pair("kept", raw.STRING, raw.text("x" * length)),
        raw.pair("skipped", raw.STRING, raw.text("x" * (length + 1))),
        raw.uint32("after", 5),
    ]
    metadata = reader.read_header(write_bytes(tmp_path / "model.gguf", raw.model(pairs))).metadata
    assert metadata == {"kept": "x" * length, "skipped": SkippedArray("byte", length + 1), "after": 5}


def test_values_that_are_not_utf8_stay_printable(tmp_path):
    path = write_bytes(tmp_path / "model.gguf", raw.model([raw.pair("x", raw.STRING, raw.text(b"a\xffb"))]))
    assert reader.read_header(path).metadata == {"x": "a\N{REPLACEMENT CHARACTER}b"}


@pytest.mark.parametrize("lengths", [[0], [1, 0, 255, 256, 65536], [2**20 - 8], [2**20 + 1, 3], [5] * 200_000])
def test_strings_are_skipped_across_chunks(tmp_path, lengths):
    """The walk must come out right wherever the chunks of the source happen to end."""
    lengths = lengths + [1] * (KEPT_ARRAY + 1)
    strings = b"".join(raw.text(b"x" * length) for length in lengths)
    pairs = [raw.pair("x", raw.ARRAY, raw.array(raw.STRING, len(lengths), strings)), raw.uint32("after", 5)]
    metadata = reader.read_header(write_bytes(tmp_path / "model.gguf", raw.model(pairs))).metadata
    assert metadata == {"x": SkippedArray("string", len(lengths)), "after": 5}


def test_only_the_header_of_a_huge_file_is_read(tmp_path, monkeypatch):
    """A sparse file of full size, as planner tests use it: 64 GiB of weights that are not there."""
    path = tmp_path / "model.gguf"
    rows = 2**22
    path.write_bytes(raw.model(raw.vocabulary(150_000), [raw.tensor("a", (4096, rows))], data_bytes=32))
    header_bytes = path.stat().st_size
    os.truncate(path, header_bytes + 4096 * rows * 4)
    read_bytes = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: read_bytes.append(pread(*arguments)) or read_bytes[-1])
    header = reader.read_header(str(path))
    assert header.file_bytes == header_bytes + 2**36
    assert header.tensors[0].n_bytes == 2**36
    assert sum(map(len, read_bytes)) <= header_bytes + 1024 * 1024


def test_memory_does_not_grow_with_the_vocabulary(tmp_path):
    def peak(count):
        path = write_bytes(tmp_path / f"{count}.gguf", raw.model(raw.vocabulary(count, "a longer word than most")))
        tracemalloc.start()
        try:
            reader.read_header(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(300_000) < peak(150_000) + 64 * 1024 < 2 * 1024 * 1024
