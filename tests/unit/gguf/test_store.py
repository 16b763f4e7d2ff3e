# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of models: what is missing, what may go, and nothing large is read to find out."""

from __future__ import annotations

import hashlib
import json
import os
from types import SimpleNamespace

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import store

SUM_A, SUM_B = "a" * 64, "b" * 64
FILES = [
    {"name": "a.gguf", "file_bytes": 10, "modified": 1000},
    {"name": "b.gguf", "file_bytes": 20, "modified": 2000},
]
WEB = [{**file, "modified": None} for file in FILES]
NOTE_A = "size 10 modified 1000\n"
NOTE_B = "size 20 modified 2000\n"


def folder(tmp_path, **contents):
    """A folder with these files; a size stands for a file of that many bytes."""
    for name, content in contents.items():
        content = content if isinstance(content, str) else "x" * content
        (tmp_path / name.replace("_", ".")).write_text(content)
    return str(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    assert store.survey(str(tmp_path / "none"), FILES) == {
        "paths": [{"path": f"{tmp_path}/none/a.gguf", "bytes": 10}, {"path": f"{tmp_path}/none/b.gguf", "bytes": 20}],
        "missing": ["a.gguf", "b.gguf"],
        "present_bytes": 0,
        "sources": {"a.gguf": NOTE_A[:-1], "b.gguf": NOTE_B[:-1]},
        "expected_sha256": {},
        "problem": None,
    }


@pytest.mark.parametrize(
    ("contents", "missing", "present_bytes"),
    [
        ({"a_gguf": 10, "a_gguf_source": NOTE_A, "b_gguf": 20, "b_gguf_source": NOTE_B}, [], 30),
        ({"a_gguf": 10, "a_gguf_source": NOTE_A}, ["b.gguf"], 10),
        # Without its note a file is not trusted, but it takes its room already.
        ({"a_gguf": 10, "b_gguf": 20, "b_gguf_source": NOTE_B}, ["a.gguf"], 30),
        ({"a_gguf_source": NOTE_A, "b_gguf": 20, "b_gguf_source": NOTE_B}, ["a.gguf"], 20),
        ({"a_gguf": 9, "a_gguf_source": NOTE_A, "b_gguf": 20, "b_gguf_source": NOTE_B}, ["a.gguf"], 20),
        ({"a_gguf": 10, "a_gguf_source": NOTE_A[:-1], "b_gguf": 20, "b_gguf_source": NOTE_B}, ["a.gguf"], 30),
        ({"a_gguf": 10, "a_gguf_source": NOTE_B, "b_gguf": 20, "b_gguf_source": NOTE_B}, ["a.gguf"], 30),
        ({"a_gguf": 10, "a_gguf_source": "size 10 modified 999\n", "b_gguf": 20}, ["a.gguf", "b.gguf"], 30),
        ({"a_gguf": 10, "a_gguf_source": f"sha256 {SUM_A}\n", "b_gguf": 20}, ["a.gguf", "b.gguf"], 30),
    ],
)
def test_a_file_is_known_by_its_note_and_its_size(tmp_path, contents, missing, present_bytes):
    found = store.survey(folder(tmp_path, **contents), FILES)
    assert (found["missing"], found["present_bytes"]) == (missing, present_bytes)


@pytest.mark.parametrize("files", [FILES, WEB], ids=["files", "web"])
def test_a_file_is_known_by_its_sha256(tmp_path, files):
    contents = {"a_gguf": 10, "a_gguf_source": f"sha256 {SUM_A}\n", "b_gguf": 20, "b_gguf_source": NOTE_B}
    found = store.survey(folder(tmp_path, **contents), files, [SUM_A.upper(), SUM_B])
    assert found["missing"] == ["b.gguf"]
    assert found["sources"] == {"a.gguf": f"sha256 {SUM_A}", "b.gguf": f"sha256 {SUM_B}"}
    assert found["expected_sha256"] == {"b.gguf": SUM_B}


def test_a_file_that_is_longer_than_its_header_says(tmp_path):
    """A server need not tell the length, and nobody must download such a file at every run."""
    contents = {"a_gguf": 11, "a_gguf_source": f"sha256 {SUM_A}\n"}
    assert store.survey(folder(tmp_path, **contents), WEB[:1], [SUM_A])["missing"] == []


def test_a_model_is_not_read(tmp_path, monkeypatch):
    directory = folder(tmp_path, a_gguf=10, a_gguf_source=NOTE_A)
    (tmp_path / "a.gguf").chmod(0)
    opened = []
    monkeypatch.setattr(
        "builtins.open", lambda path, *_, _open=open, **more: opened.append(path) or _open(path, **more)
    )
    assert store.survey(directory, FILES[:1])["missing"] == []
    assert opened == [os.path.join(directory, "a.gguf.source")]


def test_a_note_that_is_no_note(tmp_path):
    directory = folder(tmp_path, a_gguf=10)
    (tmp_path / "a.gguf.source").write_bytes(b"\xff" * 10000)
    assert store.survey(directory, FILES[:1])["missing"] == ["a.gguf"]
    (tmp_path / "a.gguf.source").unlink()
    (tmp_path / "a.gguf.source").mkdir()
    assert store.survey(directory, FILES[:1])["missing"] == ["a.gguf"]


@pytest.mark.parametrize(
    ("files", "sha256", "words"),
    [
        (FILES, [SUM_A], "1 sha256 for 2 files of the model: give one for each"),
        (FILES[:1], [SUM_A, SUM_B], "2 sha256 for 1 files"),
        (FILES[:1], ["sha256:" + SUM_A], "expected 64 hexadecimal digits"),
        (FILES[:1], ["a" * 63], "expected 64 hexadecimal digits"),
        (FILES[:1], [""], "expected 64 hexadecimal digits"),
        (FILES[:1], [int("1" * 64)], "expected 64 hexadecimal digits"),
        (WEB[:1], [], "a.gguf is to be downloaded without a sha256"),
    ],
)
def test_what_cannot_be_compared(tmp_path, files, sha256, words):
    with pytest.raises(DroverError, match=words):
        store.survey(str(tmp_path), files, sha256)


@pytest.mark.parametrize(
    ("free", "contents", "problem"),
    [
        (31 << 20, {}, False),
        (30 << 20, {}, True),
        # What is there in full is written over, file by file.
        (21 << 20, {"a_gguf": 10 << 20}, False),
        (20 << 20, {"a_gguf": 10 << 20}, True),
        (21 << 20, {"a_gguf": 9 << 20}, True),
        # So is what has come of it.
        (21 << 20, {"a_gguf_0123456789abcdef_part": 10 << 20}, False),
        (20 << 20, {"a_gguf_0123456789abcdef_part": 10 << 20}, True),
        (20 << 20, {"a_gguf": 10 << 20, "a_gguf_0123456789abcdef_part": 5 << 20}, True),
        (0, {"a_gguf": 10 << 20, "a_gguf_source": "a\n", "b_gguf": 20 << 20, "b_gguf_source": "b\n"}, True),
    ],
)
def test_a_disk_that_is_too_small(tmp_path, monkeypatch, free, contents, problem):
    measured = []

    def statvfs(path):
        measured.append(path)
        return SimpleNamespace(f_bavail=free >> 10, f_frsize=1 << 10)

    monkeypatch.setattr(os, "statvfs", statvfs)
    files = [{**file, "file_bytes": file["file_bytes"] << 20} for file in FILES]
    told = store.survey(os.path.join(folder(tmp_path, **contents), "."), files)["problem"]
    assert bool(told) is problem
    assert measured == [str(tmp_path)]
    if told:
        assert "free, and a.gguf needs" in told and "free some space, or keep models on a larger disk" in told


def test_a_full_disk_is_no_matter_when_nothing_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=0, f_frsize=1))
    assert store.survey(folder(tmp_path, a_gguf=10, a_gguf_source=NOTE_A), FILES[:1])["problem"] is None


def test_the_room_of_a_folder_that_is_not_there_is_that_of_its_parent(tmp_path):
    assert store.survey(str(tmp_path / "x" / "y"), FILES)["problem"] is None


def test_a_sum_that_is_right(tmp_path):
    directory = folder(tmp_path, a_gguf=3_000_000)
    store.check_sums(directory, {"a.gguf": hashlib.sha256(b"x" * 3_000_000).hexdigest().upper()})
    store.check_sums(directory, {})


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (
            {"a.gguf": SUM_A},
            f"a.gguf has the sha256 {hashlib.sha256(b'x').hexdigest()} where {SUM_A} was expected: fetch",
        ),
        ({"b.gguf": SUM_A}, "b.gguf cannot be read: No such file"),
        ({"a.gguf": "abc"}, "expected 64 hexadecimal digits"),
    ],
)
def test_a_sum_that_is_wrong(tmp_path, expected, words):
    with pytest.raises(DroverError, match=words):
        store.check_sums(folder(tmp_path, a_gguf=1), expected)


# --- removing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models").mkdir()
    return folder(
        tmp_path / "models", a_gguf=1, a_gguf_source=NOTE_A, b_gguf=1, b_gguf_source=NOTE_B, own_gguf=1, x_source="x"
    )


def clusters(tmp_path, **paths):
    """The folder of clusters, with the files that each one's deployment names."""
    for name, files in paths.items():
        (tmp_path / "etc" / name).mkdir(parents=True)
        deployment = {"cluster": name, "files": [{"path": path, "bytes": 1} for path in files]}
        (tmp_path / "etc" / name / "deployment.json").write_text(json.dumps(deployment))
    return str(tmp_path / "etc")


def names(paths):
    return [os.path.basename(path) for path in paths]


def test_only_what_drover_placed_is_removed(tmp_path, models):
    gone, kept = store.removable(models, "main", clusters(tmp_path))
    assert gone == [f"{models}/{name}" for name in ("a.gguf", "a.gguf.source", "b.gguf", "b.gguf.source")]
    assert kept == []


def test_the_manifest_of_a_model_goes_with_it(tmp_path, models):
    for name in ("a.gguf.tensors.json", "foreign.gguf.tensors.json"):
        with open(f"{models}/{name}", "w"):
            pass
    gone, _kept = store.removable(models, "main", clusters(tmp_path))
    assert names(gone) == ["a.gguf", "a.gguf.source", "a.gguf.tensors.json", "b.gguf", "b.gguf.source"]


def test_what_has_come_of_a_model_goes_with_the_others(tmp_path, models):
    for name in ("c.gguf.0123456789abcdef.part", "c.gguf.part", "c.0123456789abcdef.part"):
        with open(f"{models}/{name}", "w"):
            pass
    gone, _kept = store.removable(models, "main", clusters(tmp_path))
    assert names(gone) == ["c.gguf.0123456789abcdef.part", "a.gguf", "a.gguf.source", "b.gguf", "b.gguf.source"]


def test_a_model_of_another_cluster_is_kept(tmp_path, models):
    etc = clusters(tmp_path, main=[f"{models}/a.gguf", f"{models}/b.gguf"], night=[f"{models}/a.gguf"])
    gone, kept = store.removable(models, "main", etc)
    assert names(gone) == ["b.gguf", "b.gguf.source"]
    assert kept == [{"path": f"{models}/a.gguf", "cluster": "night"}]
    gone, kept = store.removable(models, "night", etc)
    assert gone == [] and [each["cluster"] for each in kept] == ["main", "main"]


def test_a_model_is_recognised_by_another_path(tmp_path, models):
    (tmp_path / "link").symlink_to(models)
    gone, kept = store.removable(models, "main", clusters(tmp_path, night=[f"{tmp_path}/link/../link/a.gguf"]))
    assert names(gone) == ["b.gguf", "b.gguf.source"] and len(kept) == 1


def test_a_cluster_without_a_deployment_here_needs_nothing(tmp_path, models):
    etc = clusters(tmp_path, night=[])
    (tmp_path / "etc" / "day").mkdir()
    (tmp_path / "etc" / "notes.txt").write_text("x")
    assert len(store.removable(models, "main", etc)[0]) == 4


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 1}', '{"files": [1]}', '{"files": [{"path": null}]}'])
def test_nothing_is_removed_when_a_deployment_cannot_be_read(tmp_path, models, content):
    etc = clusters(tmp_path, night=[])
    (tmp_path / "etc" / "night" / "deployment.json").write_text(content)
    with pytest.raises(DroverError, match=r"night/deployment.json cannot be read .* none was removed"):
        store.removable(models, "main", etc)
    assert len(store.removable(models, "night", etc)[0]) == 4


def test_a_name_that_is_no_cluster(tmp_path, models):
    with pytest.raises(DroverError, match=r"'\.\./x'"):
        store.removable(models, "../x", clusters(tmp_path))


def test_no_folder_of_models(tmp_path):
    assert store.removable(str(tmp_path / "none"), "main", str(tmp_path / "etc")) == ([], [])
