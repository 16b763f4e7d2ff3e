# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads, ends, power cuts and damage in any order: whenever an RPC server starts, all that it finds is whole."""

from __future__ import annotations

import os
import random

import pytest
from module_utils.weights import hashing
from module_utils.weights.looking import look_over
from module_utils.weights.noted import Notes, notes_on, tensor_states, write_notes
from tier import LONG
from unit.weights.models import fnv
from unit.weights.pieces import cached, content, tick, weights_of

SHARDS, TENSORS = content([400, 300, 200, 500, 100, 600])
FILES = {fnv(data): data for _shard, _offset, data in TENSORS}
# Two of them no cluster plans with.
WANTED = {tensor["hash"]: tensor for tensor in weights_of(SHARDS, TENSORS[:4])["held"]}
SEQUENCES, EVENTS = (300, 30) if LONG else (25, 20)


class Host:
    """A worker's host, whose kernel may not have written yet what was not synced."""

    def __init__(self, folder, dice, fast):
        self.folder, self.dice, self.fast = str(folder), dice, fast
        self.path, self.boot, self.reads = folder, 0, 0
        self.start()

    def look(self, ended, waited):
        found = look_over(self.folder, WANTED, f"boot {self.boot}", ended, waited, full=False)
        assert (found.stuck, found.problem) == ([], "")
        assert self.fast or found.untold == [] or set(found.untold).isdisjoint(WANTED)
        return found

    def start(self):
        """It begins to use the cache."""
        self.reads = self.look(ended=True, waited=True).read
        there = cached(self.path)
        assert there == {name: FILES[name] for name in there}

    def load(self):
        """The leader sends what is missing, and the server keeps it."""
        for name in FILES.keys() - cached(self.path).keys():
            (self.path / name).write_bytes(FILES[name])
        tick(self.path)

    def end_in_a_load(self):
        missing = sorted(FILES.keys() - cached(self.path).keys())
        self.dice.shuffle(missing)
        for name in missing[:2]:
            (self.path / name).write_bytes(FILES[name])
            tick(self.path)
        if missing[2:]:
            (self.path / missing[2]).write_bytes(FILES[missing[2]][: self.dice.randrange(1, 100)])
        self.start()

    def note(self):
        self.look(ended=False, waited=False)
        tick(self.path)

    def reboot(self):
        self.note()
        self.boot += 1
        self.start()
        assert self.reads == 0

    def cut(self):
        """What nobody synced is lost, but for its size."""
        notes, before = notes_on(self.folder), tensor_states(self.folder)
        for name in before:
            if notes.settled.get(name) != before[name] and self.dice.random() < 0.5:
                (self.path / name).write_bytes(bytes(before[name].size))
        # The disk has the times that the file had then, which nobody can set.
        now = tensor_states(self.folder)
        fresh = {name: now[name] for name in before if notes.fresh.get(name) == before[name]}
        write_notes(self.folder, Notes(notes.boot, notes.settled, fresh))
        self.boot += 1
        self.start()

    def damage(self):
        self.note()
        there = sorted(cached(self.path))
        if there:
            path, data = self.path / self.dice.choice(there), bytearray(FILES[self.dice.choice(there)])
            before = path.stat()
            data[0] ^= 1
            path.write_bytes(self.dice.choice([data, path.read_bytes()[:-1], bytes(before.st_size)]))
            if self.dice.random() < 0.5:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.boot += self.dice.randrange(2)
        self.start()

    def delete(self):
        for name in sorted(cached(self.path))[:2]:
            os.unlink(self.path / name)

    def touch(self):
        for name in sorted(cached(self.path))[:2]:
            os.utime(self.path / name)
        self.start()


@pytest.mark.parametrize("fast", [False, True])
def test_whatever_happens_a_server_starts_with_what_is_whole(tmp_path, monkeypatch, fast):
    seed = int(os.environ.get("DROVER_SEED", random.randrange(1 << 30)))
    print(f"DROVER_SEED={seed}")
    monkeypatch.setattr(hashing, "is_slow", lambda: not fast)
    monkeypatch.setattr(
        hashing, "sums_of", lambda pieces: [type("S", (), {"hash": fnv(read(piece))}) for piece in pieces]
    )
    dice = random.Random(seed)
    events = [Host.load, Host.load, Host.end_in_a_load, Host.note, Host.reboot, Host.cut, Host.damage]
    events += [Host.delete, Host.touch]
    for number in range(SEQUENCES):
        folder = tmp_path / str(number)
        folder.mkdir()
        host = Host(folder, dice, fast)
        for _event in range(EVENTS):
            dice.choice(events)(host)


def read(piece):
    with open(piece.path, "rb") as file:
        return file.read()
