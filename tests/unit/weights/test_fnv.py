# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import random
import sys

import pytest
from module_utils.weights import fnv_compiled, hashing
from module_utils.weights.fnv import BASIS, cache_name, fnv1a, is_cache_name
from module_utils.weights.fnv_numpy import BLOCK, ROW, NumpyHash


def independent(data, state=0xCBF29CE484222325):
    """FNV-1a as its authors write it: no mask, but a number that a 64-bit register holds."""
    return functools.reduce(lambda number, byte: (number ^ byte) * (2**40 + 2**8 + 0xB3) % 2**64, data, state)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    program = fnv_compiled.compile_helper(str(tmp_path_factory.mktemp("helper")))
    assert program, "this machine has a C compiler, see tests/checks/setup"
    helper = fnv_compiled.CompiledHash(program)
    yield helper
    helper.close()


@pytest.fixture(params=["plain", "numpy", "compiled"])
def hasher(request, compiled):
    return {"plain": fnv1a, "numpy": NumpyHash(), "compiled": compiled}[request.param]


# From the test vectors that the authors of FNV publish (test_fnv.c, FNV-1a of 64 bits).
PUBLISHED = {
    b"": 0xCBF29CE484222325,
    b"a": 0xAF63DC4C8601EC8C,
    b"foobar": 0x85944171F73967E8,
    b"chongo was here!\n": 0x46810940EFF5F915,
}


@pytest.mark.parametrize("data", PUBLISHED)
def test_published_vectors(hasher, data):
    assert hasher(data, BASIS) == PUBLISHED[data]


SIZES = (1, ROW - 1, ROW, ROW + 1, 3 * ROW, 65536, 100_003)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [BASIS, 0, 2**64 - 1])
def test_same_as_byte_by_byte(hasher, size, state):
    data = random.Random(size).randbytes(size)
    assert hasher(data, state) == independent(data, state)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x80, 0xFF])
def test_extreme_bytes(hasher, byte):
    data = bytes([byte]) * (20 * ROW)
    assert hasher(data, BASIS) == independent(data)


@pytest.mark.parametrize("size", [BLOCK, BLOCK + 64 * ROW + 5])
def test_more_than_a_block(compiled, size):
    data = random.Random(size).randbytes(size)
    assert NumpyHash()(data) == compiled(data, BASIS)


def test_goes_on_from_a_state(hasher):
    data = random.Random(2).randbytes(5000)
    assert hasher(data[1234:], hasher(data[:1234], BASIS)) == independent(data)


def test_one_object_for_blocks_of_different_sizes():
    hasher, dice = NumpyHash(), random.Random(3)
    for size in (70_000, 512, 30_000):
        data = dice.randbytes(size)
        assert hasher(data) == independent(data)


@pytest.mark.parametrize(
    ("state", "name"), [(0, "0" * 16), (0xAF63DC4C8601EC8C, "af63dc4c8601ec8c"), (255, "00000000000000ff")]
)
def test_cache_name(state, name):
    assert cache_name(state) == name
    assert is_cache_name(name)


@pytest.mark.parametrize(
    "name", ["", "0" * 15, "0" * 17, "AF63DC4C8601EC8C", "af63dc4c8601ec8c.part", "af63dc4c8601ec8c\n", None, 5]
)
def test_other_names_are_none_of_the_cache(name):
    assert not is_cache_name(name)


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fnv_compiled.compile_helper(str(tmp_path)) is None


def test_compiler_that_fails(tmp_path, monkeypatch):
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert fnv_compiled.compile_helper(str(tmp_path)) is None


def test_helper_that_cannot_be_run(tmp_path):
    """As in a temporary folder whose file system forbids programs."""
    (tmp_path / "fnv").write_text("no program")
    assert isinstance(hashing.fastest(str(tmp_path / "fnv")), NumpyHash)


def test_helper_that_answers_wrongly(tmp_path):
    (tmp_path / "fnv").write_text("#!/bin/sh\nexec cat\n")
    (tmp_path / "fnv").chmod(0o755)
    assert isinstance(hashing.fastest(str(tmp_path / "fnv")), NumpyHash)


def test_helper_that_ends(tmp_path):
    (tmp_path / "fnv").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "fnv").chmod(0o755)
    assert isinstance(hashing.fastest(str(tmp_path / "fnv")), NumpyHash)


def test_neither_helper_nor_numpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert hashing.fastest(None) is fnv1a


@pytest.mark.parametrize(
    ("program", "slow"), [(None, True), ("no program", True), ("#!/bin/sh\nexec cat\n", True), ("compiled", False)]
)
def test_without_numpy_it_is_slow_unless_the_helper_runs(tmp_path, monkeypatch, program, slow):
    """A helper that was compiled into a file system that forbids programs is of no use."""
    path = tmp_path / "fnv"
    if program == "compiled":
        assert fnv_compiled.compile_helper(str(tmp_path)) == str(path)
    elif program:
        path.write_text(program)
        path.chmod(0o644 if program == "no program" else 0o755)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(hashing, "compile_helper", lambda _folder: program and str(path))
    assert hashing.is_slow() is slow
