# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in several files, as llama-gguf-split and the `gguf` package write them."""

from __future__ import annotations

import struct

import gguf
import numpy as np
import pytest
from module_utils.errors import DroverError
from module_utils.gguf import reader
from unit.gguf import raw_gguf as raw

UINT16, INT32 = 2, 5


def shard(number, count, names, total, extra=(), number_key=True):
    """Bytes of one shard with float tensors of 32 bytes."""
    pairs = [
        raw.pair("split.count", UINT16, struct.pack("<H", count)),
        raw.pair("split.tensors.count", INT32, struct.pack("<i", total)),
        *extra,
    ]
    if number_key:
        pairs.append(raw.pair("split.no", UINT16, struct.pack("<H", number)))
    tensors = [raw.tensor(name, (8,), offset=32 * index) for index, name in enumerate(names)]
    return raw.model(pairs, tensors, data_bytes=32 * len(names))


def write(directory, shards, name="m-{:05d}-of-{:05d}.gguf"):
    """Write the shards (None: leave out) and return the first one's path."""
    for number, data in enumerate(shards, start=1):
        if data is not None:
            (directory / name.format(number, len(shards))).write_bytes(data)
    return str(directory / name.format(1, len(shards)))


@pytest.mark.parametrize("options", [{}, {"small_first_shard": True}, {"endianess": gguf.GGUFEndian.BIG}])
def test_a_model_that_the_package_split(tmp_path, options):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=2, **options)
    writer.add_block_count(3)
    for name in ("a", "b", "c", "d", "e"):
        writer.add_tensor(name, np.zeros((2, 5), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    files = sorted(tmp_path.iterdir())
    header = reader.read_header(str(files[0]))
    assert header.shards == [path.name for path in files]
    assert header.file_bytes == sum(path.stat().st_size for path in files)
    assert header.metadata["llama.block_count"] == 3
    expected = [
        (t.name, number, t.data_offset) for number, path in enumerate(files) for t in gguf.GGUFReader(path).tensors
    ]
    assert [(t.name, t.shard, header.data_offsets[t.shard] + t.offset) for t in header.tensors] == expected
    assert len(expected) == 5


def test_a_model_split_into_one(tmp_path):
    path = write(tmp_path, [shard(0, 1, ["a"], 1)])
    assert reader.read_header(path).shards == ["m-00001-of-00001.gguf"]


def two(number=1, count=2, names=("b",), total=2, **options):
    return [shard(0, 2, ["a"], total, **options), shard(number, count, names, total)]


DAMAGED = {
    "shard missing": ([two()[0], None], "shard 2 of 2 of the model m-00001-of-00002.gguf", "does not exist"),
    "the first one twice": ([two()[0], two()[0]], "split.no 0, expected 1"),
    "shard of another split": (two(count=3), "split.count 3, expected 2"),
    "shard without numbers": ([two()[0], raw.model()], "split.no None, expected 1"),
    "too few tensors": (two(names=()), "announces 2 tensors", "hold 1"),
    "too many tensors": (two(names=("b", "c")), "announces 2 tensors", "hold 3"),
    "tensor in both": (two(names=("a",)), "the tensor 'a' in shard 1 and in shard 2"),
    "shard cut off": ([two()[0], two()[1][:-1]], "shard 2 of 2", "cut off"),
    "shard is not GGUF": ([two()[0], b"<html>"], "shard 2 of 2", "web page"),
    "shard of the other byte order": (
        [
            two()[0],
            raw.model(
                [
                    raw.pair("split.count", UINT16, struct.pack(">H", 2), ">"),
                    raw.pair("split.no", UINT16, struct.pack(">H", 1), ">"),
                ],
                order=">",
            ),
        ],
        "big-endian, expected little",
    ),
    "count differs from the name": ([shard(0, 3, ["a"], 2), None], "named as one of 2 shards but its split.count is 3"),
    "name without keys": ([raw.model(), None], "named as one of 2 shards but its split.count is 1"),
    "first without a number": (two(number_key=False), "split.no is None, expected 0"),
    "first says it is second": ([shard(1, 2, ["a"], 2), None], "split.no is 1, expected 0"),
    "count of thousands": ([shard(0, 65535, ["a"], 2), None], "split.count is 65535, expected at most 1024"),
    "count in words": (
        [raw.model([raw.pair("split.count", raw.STRING, raw.text("two"))]), None],
        "split.count is 'two', expected a whole number",
    ),
    "negative count": ([raw.model([raw.pair("split.count", INT32, struct.pack("<i", -2))]), None], "-2"),
    "negative total": (two(total=-1), "split.tensors.count is -1"),
    "true count": ([raw.model([raw.pair("split.count", 7, b"\x01")]), None], "split.count is True"),
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED)
def test_damaged_splits(tmp_path, case):
    shards, *parts = case
    with pytest.raises(DroverError) as failure:
        reader.read_header(write(tmp_path, shards))
    for part in parts:
        assert part in str(failure.value)


def test_another_shard_than_the_first(tmp_path):
    write(tmp_path, two())
    with pytest.raises(DroverError, match=r"is shard 2 of 2: give the first one, m-00001-of-00002\.gguf"):
        reader.read_header(str(tmp_path / "m-00002-of-00002.gguf"))


def test_renamed_shard(tmp_path):
    write(tmp_path, two(), name="model-{}-{}.gguf")
    with pytest.raises(DroverError, match="one of 2 shards but is not named so"):
        reader.read_header(str(tmp_path / "model-1-2.gguf"))


def test_a_total_that_is_missing(tmp_path):
    pairs = [raw.pair("split.count", UINT16, struct.pack("<H", 2)), raw.pair("split.no", UINT16, struct.pack("<H", 0))]
    with pytest.raises(DroverError, match="announces None tensors"):
        reader.read_header(write(tmp_path, [raw.model(pairs), shard(1, 2, [], 0)]))
