# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_random_model.py: files of the asked shape, full or header-only, that a forward pass can run."""

from __future__ import annotations

import gguf
import numpy
import pytest
from assets import make_random_model, numpy_llama

SMALL = ["--blocks", "3", "--embedding", "128", "--feed-forward", "96", "--heads-kv", "1"]


def make(path, *arguments):
    make_random_model.write(path, make_random_model.parse([str(path), *SMALL, *arguments]))
    return path


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q4_0"])
def test_header_only_is_the_same_file_without_its_weights(tmp_path, kind):
    full = make(tmp_path / "full.gguf", "--type", kind)
    sparse = make(tmp_path / "sparse.gguf", "--type", kind, "--header-only")
    assert sparse.stat().st_size == full.stat().st_size
    start = gguf.GGUFReader(full).data_offset
    assert sparse.read_bytes()[:start] == full.read_bytes()[:start]
    assert not any(sparse.read_bytes()[start:])


def test_header_only_takes_no_disk_for_the_weights(tmp_path):
    path = tmp_path / "large.gguf"
    make_random_model.write(path, make_random_model.parse([str(path), "--header-only"]))
    assert path.stat().st_size > 700_000_000
    assert path.stat().st_blocks * 512 < 1_000_000


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_a_forward_pass_runs(tmp_path, kind):
    model = numpy_llama.load(make(tmp_path / "model.gguf", "--type", kind))
    assert model.metadata["llama.block_count"] == 3
    assert model.metadata["llama.attention.head_count"] == 2
    logits = model.logits([model.prompt([{"role": "user", "content": "Hello"}])])
    assert numpy.isfinite(logits).all()
    assert logits.std() > 0.1


def test_the_seed_decides_and_every_block_differs(tmp_path):
    first = make(tmp_path / "first.gguf", "--seed", "5")
    assert make(tmp_path / "again.gguf", "--seed", "5").read_bytes() == first.read_bytes()
    assert make(tmp_path / "other.gguf", "--seed", "6").read_bytes() != first.read_bytes()
    weights = numpy_llama.load(first).weights
    assert not numpy.array_equal(weights["blk.0.ffn_up.weight"], weights["blk.1.ffn_up.weight"])


def test_it_carries_the_demo_models_tokenizer(tmp_path):
    demo = gguf.GGUFReader(make_random_model.DEMO_MODEL).fields
    random = gguf.GGUFReader(make(tmp_path / "model.gguf")).fields
    keys = [key for key in demo if key.startswith("tokenizer.")]
    assert "tokenizer.chat_template" in keys
    assert {key: random[key].contents() for key in keys} == {key: demo[key].contents() for key in keys}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--embedding", "100"], "--embedding 100 is not a multiple of 64"),
        (["--feed-forward", "33"], "--feed-forward 33 is not a multiple of 32"),
        (["--embedding", "320", "--heads-kv", "3"], "--heads-kv 3 does not divide the 5 heads"),
        (["--blocks", "0"], "every size must be at least 1"),
    ],
)
def test_an_impossible_shape_is_refused(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        make_random_model.parse([str(tmp_path / "model.gguf"), *arguments])
    assert message in capsys.readouterr().err
