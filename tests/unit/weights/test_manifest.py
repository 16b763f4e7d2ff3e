# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import copy
import json
import os
import select
import signal
import time
from pathlib import Path

import pytest
from module_utils.errors import DroverError
from module_utils.footprint.model import MemoryModel, Settings
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header
from module_utils.weights import hashing, manifest
from unit.documents import parent_of
from unit.weights.models import VOCABULARY, WIDTH, fnv, read_tensors, sha256, write_model

# What to write, and the layer of each tensor of no block.
OUTPUT = {"output.weight": 3, "output_norm.weight": 3}
MODELS = {
    "plain": ({}, OUTPUT),
    "tied": ({"without": ["output.weight"]}, {"token_embd.weight": 3, "output_norm.weight": 3}),
    "every device": ({"loose": {"rope_freqs.weight": (16,)}}, {**OUTPUT, "rope_freqs.weight": None}),
    "with the first block": ({"loose": {"token_embd_norm.weight": (WIDTH,)}}, {**OUTPUT, "token_embd_norm.weight": 0}),
    "input": ({"loose": {"position_embd.weight": (VOCABULARY, WIDTH)}}, OUTPUT),
    "split": ({"split_max_tensors": 4}, OUTPUT),
}


@pytest.mark.parametrize("kind", MODELS)
def test_as_the_package_reads_it(tmp_path, kind):
    options, loose = MODELS[kind]
    path = write_model(tmp_path, **options)
    made = manifest.make_manifest(path, processes=2)
    files = sorted(tmp_path.glob("*.gguf"))
    held = read_tensors(files)
    expected = {
        name: {
            "name": name,
            "layer": loose[name] if name in loose else int(name.split(".")[1]),
            "shard": shard,
            "offset": offset,
            "bytes": len(data),
            "hash": fnv(data),
            "sha256": sha256(data),
        }
        for name, (shard, offset, data) in held.items()
        if name in loose or name.startswith("blk.")
    }
    assert {tensor["name"]: tensor for tensor in made["tensors"]} == expected
    assert [each["name"] for each in made["files"]] == [file.name for file in files]
    assert [each["file_bytes"] for each in made["files"]] == [file.stat().st_size for file in files]
    assert manifest.read_manifest(json.loads(json.dumps(made))) == made


@pytest.mark.parametrize("kind", MODELS)
def test_layers_weigh_what_the_memory_model_says(tmp_path, kind):
    path = write_model(tmp_path, **MODELS[kind][0])
    model = MemoryModel(model_profile(read_header(path)), Settings())
    weights = [0] * 4
    everywhere = 0
    for tensor in manifest.make_manifest(path, processes=1)["tensors"]:
        if tensor["layer"] is None:
            everywhere += tensor["bytes"]
        else:
            weights[tensor["layer"]] += tensor["bytes"]
    assert weights == model.layer_weight_bytes
    assert model.device_weight_bytes(0, 2) == sum(weights[:2]) + everywhere


def test_kept_beside_the_model(tmp_path):
    path = write_model(tmp_path)
    assert manifest.find_manifest(path) is None
    told = []
    made = manifest.keep_manifest(path, tell=lambda done, total: told.append((done, total)))
    total = sum(tensor["bytes"] for tensor in made["tensors"])
    assert told[-1] == (total, total)
    assert sorted(os.listdir(tmp_path)) == ["m.gguf", "m.gguf.tensors.json"]
    assert manifest.find_manifest(path) == made
    assert manifest.keep_manifest(path, tell=lambda *_numbers: pytest.fail("it was hashed again")) == made


def write_again(path, seed):
    os.unlink(path)
    write_model(Path(path).parent, seed=seed)


def damage(path):
    with open(path + manifest.MANIFEST, "r+") as file:
        file.truncate(100)


def retouch(path):
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [retouch, damage, lambda path: write_again(path, 7)])
def test_counts_only_for_its_files(tmp_path, change):
    path = write_model(tmp_path)
    manifest.keep_manifest(path)
    change(path)
    assert manifest.find_manifest(path) is None
    again = manifest.keep_manifest(path)
    assert manifest.find_manifest(path) == again
    assert {each["hash"] for each in again["tensors"]} == {
        fnv(data) for name, (_shard, _offset, data) in read_tensors([path]).items() if name != "token_embd.weight"
    }


def test_a_shard_that_went_away(tmp_path):
    path = write_model(tmp_path, split_max_tensors=4)
    manifest.keep_manifest(path)
    max(tmp_path.glob("*.gguf")).unlink()
    assert manifest.find_manifest(path) is None
    with pytest.raises(DroverError, match="shard"):
        manifest.keep_manifest(path)


def test_model_that_changes_meanwhile(tmp_path):
    path = write_model(tmp_path)
    with pytest.raises(DroverError, match="was written to while it was hashed"):
        manifest.keep_manifest(path, tell=lambda *_numbers: retouch(path))
    assert os.listdir(tmp_path) == ["m.gguf"]


def test_folder_that_cannot_be_written_to(tmp_path):
    path = write_model(tmp_path)
    (tmp_path / "m.gguf.tensors.json").mkdir()
    with pytest.raises(DroverError, match=r"m\.gguf\.tensors\.json cannot be written"):
        manifest.keep_manifest(path)
    assert sorted(os.listdir(tmp_path)) == ["m.gguf", "m.gguf.tensors.json"]


def test_process_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "read_piece", lambda _piece: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DroverError, match="ended from outside"):
        manifest.make_manifest(write_model(tmp_path))


def test_who_hashes_ends_with_who_asked_for_it(tmp_path, monkeypatch):
    """Whoever is killed cannot say so to the processes that it has started."""
    path = write_model(tmp_path)
    ends, says = os.pipe()
    monkeypatch.setattr(hashing, "read_piece", lambda _piece: os.write(says, b"x") and time.sleep(600))
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            manifest.make_manifest(path, processes=2)
        os._exit(1)
    os.close(says)
    assert os.read(ends, 1)  # one of them is at it
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # There is nothing more to read when nobody is left who could write.
    left = True
    while left:
        assert select.select([ends], [], [], 60)[0], "they go on"
        left = bool(os.read(ends, 64))
    os.close(ends)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (("missing", 0, 5), "cannot be read"),
        (("short", 0, 6), "ends before byte 6"),
        (("short", 9, 1), "ends before byte 10"),
    ],
)
def test_pieces_that_are_not_there(tmp_path, piece, words):
    (tmp_path / "short").write_bytes(b"12345")
    with pytest.raises(DroverError, match=words):
        hashing.sums_of([hashing.Piece(str(tmp_path / piece[0]), *piece[1:])])


def test_no_pieces():
    assert hashing.sums_of([]) == []


SOUND = {
    "schema": 1,
    "block_count": 2,
    "files": [{"name": "m.gguf", "file_bytes": 1000, "modified": 5}],
    "tensors": [
        {"name": "a", "layer": 2, "shard": 0, "offset": 900, "bytes": 100, "hash": "0" * 16, "sha256": "0" * 64},
        {"name": "b", "layer": None, "shard": 0, "offset": 0, "bytes": 1, "hash": "1" * 16, "sha256": "1" * 64},
    ],
}


def test_a_sound_one():
    assert manifest.read_manifest(SOUND) is SOUND


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["schema"], 2, "schema 2 where schema 1"),
        (["block_count"], 0, "block_count is 0"),
        (["files"], {}, "files {}"),
        (["files", 0], "m.gguf", "a dictionary"),
        (["files", 0, "name"], "../m.gguf", "without folders"),
        (["files", 0, "name"], "..", "without folders"),
        (["files", 0, "name"], "", "not empty"),
        (["files", 0, "file_bytes"], -1, "file_bytes of files"),
        (["files", 0, "file_bytes"], 999, "ends at byte 1000 of a file with 999 bytes"),
        (["files", 0, "modified"], 1.5, "modified of files"),
        (["tensors", 0], None, "a dictionary"),
        (["tensors", 0, "name"], 5, "The name of tensors"),
        (["tensors", 0, "layer"], 3, "from 0 to 2"),
        (["tensors", 0, "shard"], 1, "from 0 to 0"),
        (["tensors", 0, "offset"], True, "offset of tensors"),
        (["tensors", 0, "bytes"], 0, "from 1 up"),
        (["tensors", 0, "hash"], "../../etc/shadow", "16 hexadecimal digits"),
        (["tensors", 0, "sha256"], "0" * 63, "64 hexadecimal digits"),
        (["tensors", 0, "sha256"], "A" * 64, "64 hexadecimal digits"),
    ],
)
def test_what_is_wrong_in_one_sentence(path, value, words):
    found = copy.deepcopy(SOUND)
    parent_of(found, path)[path[-1]] = value
    with pytest.raises(DroverError) as caught:
        manifest.read_manifest(found)
    assert words in str(caught.value)
    assert str(caught.value).endswith("make it anew with drover manifest.")


@pytest.mark.parametrize("field", ["layer", "shard", "offset", "bytes", "hash", "sha256", "name"])
def test_missing_fields_of_a_tensor(field):
    found = copy.deepcopy(SOUND)
    del found["tensors"][1][field]
    with pytest.raises(DroverError, match=field):
        manifest.read_manifest(found)
