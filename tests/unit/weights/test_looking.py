# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a tensor cache: what is as it was noted is not read, and what is not whole goes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading

import pytest
from module_utils.weights import checking, folder, hashing, looking, noted
from module_utils.weights.noted import NOTES, notes_on
from unit.weights.models import fnv
from unit.weights.pieces import cached, content, tick, weights_of

SHARDS, TENSORS = content([3000, 700, 1500, 2000])
FILES = {fnv(data): data for _shard, _offset, data in TENSORS}
WANTED = {tensor["hash"]: tensor for tensor in weights_of(SHARDS, TENSORS)["held"]}
NAMES = list(FILES)
FIRST = NAMES[0]
BOOT = "first"


@pytest.fixture(autouse=True)
def hashed(monkeypatch):
    """Whether there is anything to compute a tensor's name with: there is not, unless a test says so."""
    slow = {"slow": True}
    monkeypatch.setattr(hashing, "is_slow", lambda: slow["slow"])
    return lambda: slow.update(slow=False)


@pytest.fixture
def cache(tmp_path):
    """A cache that was looked at while it was empty, in this boot, and that then had all of FILES."""
    look(tmp_path)
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def known(cache):
    """A cache with all of FILES, which the disk has and which are known to be whole."""
    assert look(cache, waited=False).problem == ""
    tick(cache)
    return cache


def look(directory, wanted=WANTED, boot=BOOT, ended=True, waited=True, full=False, **more):
    return looking.look_over(str(directory), wanted, boot, ended, waited, full, **more)


def fill(directory):
    for name, data in FILES.items():
        (directory / name).write_bytes(data)
        tick(directory)


def flip(path):
    """One byte of it, as a bad disk does."""
    with open(path, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))


def with_its_times(change):
    def changed(path):
        before = path.stat()
        change(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return changed


def copied(path):
    shutil.copy2(path, path.with_name("copy"))
    os.replace(path.with_name("copy"), path)


def counts(found):
    return found.noted, found.new, found.read


def gone(found):
    return sorted(found.damaged), sorted(found.untold)


def test_what_is_as_it_was_noted_is_not_read(known, monkeypatch):
    monkeypatch.setattr(checking, "sum_of", lambda path: pytest.fail(f"{path} was read"))
    for name in NAMES:
        (known / name).read_bytes()
    told = []
    for boot in (BOOT, "second", "third", ""):
        found = look(known, boot=boot, tell=told.append)
        assert (counts(found), gone(found), found.stuck, found.problem) == ((4, 0, 0), ([], []), [], "")
    assert told == []
    assert cached(known) == FILES


@pytest.mark.parametrize("boot", [BOOT, "second", ""])
@pytest.mark.parametrize(
    "damage",
    [
        flip,
        with_its_times(flip),
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, 2999),
        with_its_times(lambda path: os.truncate(path, 4000)),
        lambda path: (path.unlink(), path.write_bytes(bytes(3000))),
    ],
)
def test_what_is_damaged_goes(known, boot, damage):
    damage(known / FIRST)
    found = look(known, boot=boot)
    assert (found.noted, gone(found)) == (3, ([FIRST], []))
    assert cached(known) == {name: FILES[name] for name in NAMES[1:]}
    assert counts(look(known, boot=boot)) == (3, 0, 0)


@pytest.mark.parametrize("change", [copied, os.utime, lambda path: path.chmod(0o640), with_its_times(copied)])
def test_what_was_changed_and_is_whole_is_read_once(known, change):
    change(known / FIRST)
    told = []
    assert counts(look(known, tell=told.append)) == (3, 0, 1)
    assert told == [3000]
    assert counts(look(known, boot="second")) == (4, 0, 0)
    assert cached(known) == FILES


def test_without_notes_all_is_read(tmp_path):
    fill(tmp_path)
    flip(tmp_path / FIRST)
    found = look(tmp_path)
    assert (counts(found), gone(found)) == ((0, 0, 4), ([FIRST], []))
    assert counts(look(tmp_path, boot="second")) == (3, 0, 0)


NOTHING = [
    "",
    "{",
    "null",
    "[]",
    "[" * 100_000,
    '{"schema": 2, "boot": "first", "settled": {}, "fresh": {}}',
    '{"schema": 1, "boot": "first", "settled": {}}',
    '{"schema": 1, "boot": 1, "settled": {}, "fresh": {}}',
    '{"schema": 1, "boot": "first", "settled": [], "fresh": {}}',
    '{"schema": 1, "boot": "first", "settled": {"x": [1, 2, 3]}, "fresh": {}}',
    '{"schema": 1, "boot": "first", "settled": {}, "fresh": {"0123456789abcdef": [1, 2]}}',
    '{"schema": 1, "boot": "first", "settled": {}, "fresh": {"0123456789abcdef": [1, 2, true]}}',
    '{"schema": 1, "boot": "first", "settled": {}, "fresh": {"0123456789abcdef": [1, 2, 3.5]}}',
    '{"schema": 1, "boot": "first", "settled": {}, "fresh": {"0123456789abcdef": {}}}',
]


@pytest.mark.parametrize("text", NOTHING)
def test_notes_that_are_damaged_say_nothing(known, text):
    (known / NOTES).write_text(text)
    assert notes_on(str(known)) == noted.Notes()
    flip(known / FIRST)
    found = look(known)
    assert (counts(found), gone(found)) == ((0, 0, 4), ([FIRST], []))
    assert counts(look(known)) == (3, 0, 0)


def test_notes_that_are_no_text(known):
    (known / NOTES).write_bytes(b"\xff\xfe\x00")
    assert notes_on(str(known)) == noted.Notes()
    (known / NOTES).unlink()
    (known / NOTES).mkdir()
    assert notes_on(str(known)) == noted.Notes()
    assert "directory" in look(known).problem


# --- What has come since ----------------------------------------------------------------------------------------------


def test_what_came_in_this_boot_is_not_read(cache, monkeypatch):
    """But for its size, by which it is known not to be torn."""
    monkeypatch.setattr(checking, "sum_of", lambda path: pytest.fail(f"{path} was read"))
    os.truncate(cache / FIRST, 2000)
    found = look(cache)
    assert (counts(found), gone(found)) == ((0, 3, 0), ([FIRST], []))
    assert counts(look(cache)) == (3, 0, 0)


def test_what_came_before_the_power_was_cut_is_read(cache):
    flip(cache / FIRST)
    found = look(cache, boot="second")
    assert (counts(found), gone(found)) == ((0, 0, 4), ([FIRST], []))
    assert counts(look(cache, boot="third")) == (3, 0, 0)


def test_what_the_disk_may_not_have_yet_is_noted_for_this_boot(cache):
    """A worker that starts does not wait for the disk."""
    look(cache)
    assert set(notes_on(str(cache)).fresh) == set(NAMES)
    assert counts(look(cache)) == (4, 0, 0)
    assert counts(look(cache, boot="second")) == (0, 0, 4)


def test_after_an_orderly_end_nothing_is_read(cache):
    look(cache)
    assert counts(look(cache, waited=False)) == (4, 0, 0)
    assert notes_on(str(cache)).fresh == {}
    assert counts(look(cache, boot="second")) == (4, 0, 0)


def test_what_the_disk_does_not_take_goes(cache, monkeypatch):
    """What it later gives back may be anything."""

    def broken(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    real = noted.is_settled
    monkeypatch.setattr(looking, "is_settled", lambda directory, name: name != FIRST and real(directory, name))
    assert gone(look(cache, waited=False)) == ([], [FIRST])
    assert set(cached(cache)) == set(notes_on(str(cache)).settled) == set(NAMES[1:])
    monkeypatch.setattr(os, "fsync", broken)
    assert not real(str(cache), NAMES[1])


def test_where_no_boot_is_told_what_has_come_is_read(tmp_path):
    look(tmp_path, boot="")
    fill(tmp_path)
    assert counts(look(tmp_path, boot="")) == (0, 0, 4)
    assert counts(look(tmp_path, boot="")) == (4, 0, 0)


@pytest.mark.parametrize("fast", [False, True])
def test_the_last_one_of_those_that_nobody_plans_with_may_be_torn(cache, hashed, fast):
    if fast:
        hashed()
    last = NAMES[-1]
    os.truncate(cache / last, 900)
    found = look(cache, wanted={})
    assert (counts(found), gone(found)) == ((0, 3, int(fast)), ([last], []) if fast else ([], [last]))
    assert counts(look(cache, wanted={})) == (3, 0, 0)


def test_a_server_that_runs_has_torn_none(cache):
    assert counts(look(cache, wanted={}, ended=False)) == (0, 4, 0)
    assert cached(cache) == FILES


@pytest.mark.parametrize("empty", [False, True])
def test_where_the_disk_was_full_all_that_nobody_plans_with_may_be_torn(cache, hashed, empty):
    hashed()
    if empty:
        (cache / ("0" * 16)).write_bytes(b"")
    os.truncate(cache / NAMES[1], 9)
    found = look(cache, wanted={FIRST: WANTED[FIRST]}, ended=False, full=not empty)
    assert counts(found) == (0, 1, 3)
    assert gone(found) == (sorted([NAMES[1], *(["0" * 16] if empty else [])]), [])


def test_what_is_being_written_is_left_alone(cache):
    with open(cache / FIRST, "ab"):
        assert counts(look(cache, wanted={})) == (0, 2, 0)
    assert NAMES[-1] not in cached(cache) and FIRST in cached(cache)
    assert FIRST not in notes_on(str(cache)).fresh
    assert counts(look(cache)) == (2, 1, 0)


# --- What nobody plans with -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [None, flip])
def test_by_their_names_where_that_is_fast(known, hashed, damage):
    hashed()
    for name in NAMES[:2]:
        os.utime(known / name)
    if damage:
        damage(known / FIRST)
    found = look(known, wanted={})
    assert (counts(found), gone(found)) == ((2, 0, 2), ([FIRST] if damage else [], []))


def test_what_nothing_can_tell_goes(known):
    os.utime(known / FIRST)
    found = look(known, wanted={})
    assert (counts(found), gone(found)) == ((3, 0, 0), ([], [FIRST]))
    assert FIRST not in cached(known)


@pytest.mark.parametrize("where", ["is_slow", "sums_of"])
def test_a_helper_that_cannot_be_used(known, monkeypatch, hashed, where):
    def no_room(*_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    hashed()
    monkeypatch.setattr(hashing, where, no_room)
    os.utime(known / FIRST)
    assert gone(look(known, wanted={})) == ([], [FIRST])


def test_what_changes_while_it_is_read_cannot_be_told(known, monkeypatch):
    real = checking.sum_of

    def changing(path):
        found = real(path)
        flip(path)
        return found

    monkeypatch.setattr(checking, "sum_of", changing)
    os.utime(known / FIRST)
    tick(known)
    assert gone(look(known)) == ([], [FIRST])


# --- What cannot be done ----------------------------------------------------------------------------------------------


def test_what_cannot_be_deleted_is_told_again_and_again(known, monkeypatch):
    flip(known / FIRST)
    real = os.unlink

    def read_only(path, **_more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "unlink", read_only)
    for _start in range(2):
        found = look(known)
        assert (found.stuck, found.damaged, found.problem) == ([FIRST], [FIRST], "")
    monkeypatch.setattr(os, "unlink", real)
    assert look(known).stuck == []
    assert FIRST not in cached(known)


def test_where_nothing_can_be_noted(known, monkeypatch):
    def full(**_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    flip(known / FIRST)
    monkeypatch.setattr(noted.tempfile, "mkstemp", full)
    found = look(known)
    assert (gone(found), found.stuck, found.problem) == (([FIRST], []), [], "No space left on device")
    assert FIRST not in cached(known)


def test_notes_that_are_not_finished_leave_those_before(known, monkeypatch):
    before = (known / NOTES).read_text()

    def cut(*_given):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "replace", cut)
    os.utime(known / FIRST)
    assert look(known).problem
    assert (known / NOTES).read_text() == before
    assert [name for name in os.listdir(known) if name.startswith(NOTES)] == [NOTES]


def test_several_who_note_at_once(known):
    threads = [threading.Thread(target=noted.note_whole, args=(str(known), [name])) for name in NAMES * 5]
    for name in NAMES:
        os.utime(known / name)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = json.loads((known / NOTES).read_text())
    assert set(found) == {"schema", "boot", "settled", "fresh"} and found["boot"] == BOOT
    assert [name for name in os.listdir(known) if name.startswith(NOTES)] == [NOTES]
    # What one has overwritten is found out again.
    assert gone(look(known)) == ([], [])
    assert counts(look(known)) == (4, 0, 0)


# --- Others -----------------------------------------------------------------------------------------------------------


def test_what_is_no_tensor_is_left_alone(known):
    for name in (f"{FIRST}.part", "readme", FIRST.upper() + "X"):
        (known / name).write_text("mine")
    (known / ("a" * 16)).mkdir()
    assert counts(look(known)) == (4, 0, 0)
    assert {f"{FIRST}.part", "readme", FIRST.upper() + "X", "a" * 16} < set(os.listdir(known))


def test_a_link_is_no_tensor_of_this_cache(known, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.write_bytes(FILES[FIRST])
    (known / FIRST).unlink()
    (known / FIRST).symlink_to(elsewhere)
    (known / ("b" * 16)).symlink_to(elsewhere)
    assert gone(look(known)) == (sorted([FIRST, "b" * 16]), [])
    assert elsewhere.read_bytes() == FILES[FIRST]


def test_pruning_forgets_what_goes_and_keeps_the_notes(known, clusters):
    os.utime(known / NOTES, (0, 0))
    os.utime(known / FIRST, (0, 0))
    folder.prune_cache(str(known), 30)
    assert FIRST not in cached(known)
    look(known)
    notes = notes_on(str(known))
    assert set(notes.settled) == set(NAMES[1:])


def test_large_files_and_early_clocks(tmp_path):
    """Numbers beyond 32 bits, and before 1970."""
    notes = noted.Notes(BOOT, {FIRST: noted.State(5 << 40, -(1 << 62), (1 << 62) + 1)})
    noted.write_notes(str(tmp_path), notes)
    assert notes_on(str(tmp_path)) == notes
