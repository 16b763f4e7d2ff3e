# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged, hostile and foreign files: one sentence each, never another exception, never much memory or time."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import struct

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import cursor, metadata, reader
from unit.gguf import raw_gguf as raw

HUGE = 2**63
HUGE_LENGTH = struct.pack("<Q", HUGE)


def refuse(path, data, *parts):
    path.write_bytes(data)
    assert_refused(path, *parts)


def assert_refused(path, *parts):
    """Reading the file must fail with one sentence that begins with its path and holds all `parts`."""
    with pytest.raises(DroverError) as failure:
        reader.read_header(str(path))
    message = str(failure.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


FOREIGN = {
    "empty": (b"", "empty"),
    "html": (b"<!DOCTYPE html>\n<html lang=en>", "web page"),
    "html in capitals": (b"\n <HTML><head>", "web page"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "git lfs pull"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "XML"),
    "json": (b'{"error": "Repository not found"}', "JSON"),
    "safetensors": (struct.pack("<Q", 123456) + b'{"__metadata__":{"format":"pt"}', "safetensors"),
    "zip": (b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl", "PyTorch"),
    "pickle": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
    "gzip": (b"\x1f\x8b\x08\x00", "unpack it first"),
    "old ggml": (b"tjgg\x03\x00\x00\x00", "before GGUF"),
    "zeros": (bytes(100), "unfinished download"),
    "text": (b"hello, world", "beginning with b'hello, w'"),
    "one byte": (b"x", "beginning with b'x'"),
}


@pytest.mark.parametrize(("data", "hint"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_gguf(tmp_path, data, hint):
    refuse(tmp_path / "model.gguf", data, "is not a GGUF file", hint)


HEADERS = {
    "version 1": (raw.model(version=1), "GGUF version 1", "expected 2 or 3"),
    "version 4": (raw.model(version=4), "GGUF version 4", "expected 2 or 3"),
    "version 0": (raw.model(version=0), "GGUF version 0"),
    "version 1, big endian": (raw.model(version=1, order=">"), "GGUF version 1"),
    "tensors": (raw.model(tensor_count=HUGE), f"claims {HUGE} tensors"),
    "keys": (raw.model(key_count=HUGE), f"claims {HUGE} metadata keys"),
    "more keys than there are": (raw.model([raw.ARCHITECTURE], key_count=2), "needs at least"),
    "more tensors than there are": (raw.model(tensor_count=1), "needs at least"),
    "key length": (raw.model([HUGE_LENGTH]), f"needs at least {24 + 8 + HUGE} bytes"),
    "key within the file": (raw.model([raw.uint32("k" * 65_536, 1)]), "key of 65536 bytes, expected 1 to 65535"),
    "empty key": (raw.model([raw.uint32("", 1)]), "metadata key of 0 bytes"),
    "key not UTF-8": (raw.model([raw.uint32(b"\xff\xfe", 1)]), "not UTF-8"),
    "key that clears the screen": (raw.model([raw.uint32("k\x1b[2J", 1)]), r"'k\x1b[2J' cannot be printed"),
    "key twice": (raw.model([raw.uint32("k", 1), raw.uint32("k", 2)]), "the metadata key 'k' twice"),
    "value type": (raw.model([raw.pair("k", 13, b"\0" * 8)]), "'k' has type 13, expected 0 to 12"),
    "item type": (raw.model([raw.pair("k", raw.ARRAY, raw.array(99, 1, b"\0" * 8))]), "'k' has items of type 99"),
    "string length": (raw.model([raw.pair("k", raw.STRING, HUGE_LENGTH)]), "needs at least"),
    "string one byte over": (raw.model([raw.pair("k", raw.STRING, struct.pack("<Q", 5) + b"four")]), "needs at least"),
    "array of bytes": (raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.UINT8, HUGE))]), "needs at least"),
    "array of numbers": (raw.model([raw.pair("k", raw.ARRAY, raw.array(12, 2**64 - 1))]), "needs at least"),
    "array of strings": (raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.STRING, HUGE))]), "needs at least"),
    "array of arrays": (raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.ARRAY, HUGE))]), "arrays"),
    "array with a lying string": (
        raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.STRING, 5000, raw.text("x") * 4999 + HUGE_LENGTH))]),
        "needs at least",
    ),
    "array with a negative string": (
        raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.STRING, 5000, struct.pack("<q", -8) * 5000))]),
        "needs at least",
    ),
    "nested too deep": (
        raw.model([raw.pair("k", raw.ARRAY, raw.array(raw.ARRAY, 1) * 1000 + raw.array(raw.UINT8, 0))]),
        "nests more than 8 deep",
    ),
    "alignment 0": (raw.model([raw.uint32("general.alignment", 0)]), "general.alignment is 0"),
    "alignment 24": (raw.model([raw.uint32("general.alignment", 24)]), "general.alignment is 24"),
    "alignment in words": (
        raw.model([raw.pair("general.alignment", raw.STRING, raw.text("32"))]),
        "general.alignment is '32', expected a power of two",
    ),
    "no dimensions": (raw.model(tensors=[raw.tensor("a", ())]), "tensor 'a' has 0 dimensions, expected 1 to 4"),
    "5 dimensions": (raw.model(tensors=[raw.tensor("a", (1,) * 5)]), "tensor 'a' has 5 dimensions"),
    "4 billion dimensions": (raw.model(tensors=[raw.tensor("a", (1,), dimensions=2**32 - 1)]), "4294967295 dimensions"),
    "dimension 0": (raw.model(tensors=[raw.tensor("a", (4, 0))]), "'a'", "holds no elements"),
    "elements overflow": (raw.model(tensors=[raw.tensor("a", (2**32, 2**32))]), "'a'", "overflows"),
    "dimension overflows": (raw.model(tensors=[raw.tensor("a", (2**64 - 1,))]), "'a'", "overflows"),
    "tensor type": (raw.model(tensors=[raw.tensor("a", (256,), type_id=77)]), "tensor type 77 is not known"),
    "removed type": (raw.model(tensors=[raw.tensor("a", (256,), type_id=31)]), "Q4_0_4_4", "another quantisation"),
    "odd row": (raw.model(tensors=[raw.tensor("a", (100,), type_id=12)]), "multiple of 256"),
    "tensor twice": (
        raw.model(tensors=[raw.tensor("a", (8,)), raw.tensor("a", (8,), offset=32)], data_bytes=64),
        "the tensor 'a' twice",
    ),
    "tensor name too long": (raw.model(tensors=[raw.tensor("a" * 64, (8,))]), "tensor name of 64 bytes"),
    "tensor name not UTF-8": (raw.model(tensors=[raw.tensor(b"\xff", (8,))]), "not UTF-8"),
    "tensor name of two lines": (raw.model(tensors=[raw.tensor("a\nb", (8,))]), r"'a\nb' cannot be printed"),
    "tensor name turned round": (raw.model(tensors=[raw.tensor("a\u202eb", (8,))]), "cannot be printed"),
    "overlapping": (
        raw.model(tensors=[raw.tensor("a", (16,)), raw.tensor("b", (8,), offset=32)], data_bytes=96),
        "tensor 'b' begins at byte 32 of the tensor data, expected 64",
    ),
    "unaligned": (
        raw.model(tensors=[raw.tensor("a", (1,)), raw.tensor("b", (8,), offset=4)], data_bytes=64),
        "tensor 'b' begins at byte 4 of the tensor data, expected 32",
    ),
    "far away": (raw.model(tensors=[raw.tensor("a", (8,), offset=2**64 - 32)], data_bytes=32), "begins at byte"),
    "no data": (raw.model(tensors=[raw.tensor("a", (8,))]), "tensors need 96 bytes", "the file has 57"),
    "data one byte short": (
        raw.model(tensors=[raw.tensor("a", (8,))], data_bytes=31),
        "tensors need 96 bytes",
        "the file has 95",
    ),
}


@pytest.mark.parametrize("case", HEADERS.values(), ids=HEADERS)
def test_damaged_headers(tmp_path, case):
    data, *parts = case
    refuse(tmp_path / "model.gguf", data, *parts)


@pytest.mark.parametrize(
    "pairs",
    [
        [raw.pair("k", raw.ARRAY, raw.array(raw.STRING, 2**33))],
        [raw.pair("k", raw.ARRAY, raw.array(raw.UINT8, 2**33))],
        [raw.pair("k", raw.ARRAY, raw.array(raw.ARRAY, 2**33))],
        [raw.pair("k", raw.STRING, struct.pack("<Q", 2**33))],
        [struct.pack("<Q", 2**33)],
    ],
    ids=["strings", "numbers", "arrays", "string", "key"],
)
def test_counts_that_fit_into_a_sparse_file_are_still_refused(tmp_path, pairs):
    """A file of 1 TiB costs nothing to make, so its size must not be what memory and time are measured by."""
    path = tmp_path / "model.gguf"
    path.write_bytes(raw.model(pairs))
    os.truncate(path, 2**40)
    with pytest.raises(DroverError, match=r"is damaged"):
        reader.read_header(str(path))


def test_what_is_kept_of_the_metadata_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "KEPT_BYTES", 1000)
    pairs = [raw.pair(f"k{index}", raw.STRING, raw.text("x" * 400)) for index in range(4)]
    pairs.append(raw.pair("array", raw.ARRAY, raw.array(raw.UINT8, 100, bytes(100))))
    path = tmp_path / "model.gguf"
    path.write_bytes(raw.model(pairs))
    kept = reader.read_header(str(path)).metadata
    assert [kept[key] for key in ("k0", "k1")] == ["x" * 400] * 2
    assert [kept[key] for key in ("k2", "k3")] == [reader.SkippedArray("byte", 400)] * 2
    assert kept["array"] == reader.SkippedArray("uint8", 100)


def sound_model(order="<"):
    """A small sound file with something of everything."""
    words = raw.array(raw.STRING, 3, b"".join(raw.text(word, order) for word in ("a", "", "ccc")), order)
    nested = raw.array(raw.ARRAY, 1, raw.array(raw.UINT8, 2, b"\x01\x02", order), order)
    pairs = [
        raw.pair("general.architecture", raw.STRING, raw.text("llama", order), order),
        raw.uint32("llama.block_count", 1, order),
        raw.pair("words", raw.ARRAY, words, order),
        raw.pair("nested", raw.ARRAY, nested, order),
        raw.pair("numbers", raw.ARRAY, raw.array(raw.FLOAT32, 3, bytes(12), order), order),
    ]
    tensors = [
        raw.tensor("token_embd.weight", (16, 4), order=order),
        raw.tensor("blk.0.ffn_up.weight", (32, 2), type_id=8, offset=256, order=order),
    ]
    return raw.model(pairs, tensors, order=order, data_bytes=256 + 68)


@pytest.mark.parametrize("order", "<>")
def test_every_truncation_is_refused(tmp_path, order):
    path = tmp_path / "model.gguf"
    data = sound_model(order)
    path.write_bytes(data)
    header = reader.read_header(str(path))
    assert header.data_offsets[0] + 256 + 68 == len(data)
    for size in range(len(data) - 1, -1, -1):
        os.truncate(path, size)
        assert_refused(path, f"{size}" if size else "empty")


@contextlib.contextmanager
def address_space(extra_bytes):
    """Let the process grow by `extra_bytes` at most: whatever wants more ends in a MemoryError."""
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + extra_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("sparse", [False, True], ids=["as it is", "in a sparse file of 1 TiB"])
@pytest.mark.parametrize("order", "<>")
def test_flipped_bytes_give_a_sentence_or_a_sound_header(tmp_path, monkeypatch, order, sparse):
    # A limit that a test can walk to in no time; what is tested is that nothing gets past it.
    monkeypatch.setattr(cursor, "HEADER_LIMIT", 2**20)
    path = tmp_path / "model.gguf"
    sound = sound_model(order)
    dice = random.Random(20260101)
    outcomes = {"refused": 0, "read": 0}
    path.write_bytes(sound)
    if sparse:
        os.truncate(path, 2**40)
    with address_space(128 * 1024 * 1024), path.open("r+b", buffering=0) as file:
        for _ in range(2000):
            data = bytearray(sound)
            for _ in range(dice.choice((1, 1, 1, 2, 8))):
                data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            os.pwrite(file.fileno(), data, 0)
            try:
                header = reader.read_header(str(path))
            except DroverError as error:
                assert "\n" not in str(error)
                outcomes["refused"] += 1
            else:
                ends = [header.data_offsets[0] + tensor.offset + tensor.n_bytes for tensor in header.tensors]
                assert max(ends, default=0) <= path.stat().st_size
                outcomes["read"] += 1
    assert min(outcomes.values()) > 200


def test_missing_file(tmp_path):
    with pytest.raises(DroverError, match=r"nothing\.gguf does not exist"):
        reader.read_header(str(tmp_path / "nothing.gguf"))


def test_directory(tmp_path):
    with pytest.raises(DroverError, match="is a directory"):
        reader.read_header(str(tmp_path))


def test_named_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DroverError, match="is not a regular file"):
        reader.read_header(str(tmp_path / "pipe"))


def test_file_as_a_directory(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DroverError, match="cannot be opened"):
        reader.read_header(str(tmp_path / "file" / "model.gguf"))


def test_a_path_that_no_file_can_have():
    with pytest.raises(DroverError, match="cannot be opened"):
        reader.read_header("model\0.gguf")


def test_no_permission(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(sound_model())
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(DroverError, match="permission denied for user id"):
            reader.read_header(str(path))
    finally:
        os.seteuid(user)


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(sound_model())
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, position: pread(descriptor, 10, position))
    with pytest.raises(DroverError, match="shrank while it was read"):
        reader.read_header(str(path))
