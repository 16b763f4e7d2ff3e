# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a tensor cache are known to be whole: notes beside them, of the user whom the cache belongs to.

A note is of a file as it was when it was known: its size, and when its content and its inode were last written, in
nanoseconds, as the file system tells them. They are only held against each other, so it does not matter what a clock
said then, nor how finely the file system counts. Reading a file changes none of them; whatever writes it, or puts
another in its place (a copy with all its times, too), changes one.

A note stays true whoever else writes notes meanwhile: one that is lost costs a look at the file, and nothing else. So
writers need no lock. Notes that are missing or damaged say nothing.

The document: ``schema`` (1); ``boot``, that in which a look was last taken at all files: whatever has come since has
come in that one; ``settled`` and ``fresh``, of each file its name, and the three numbers. Of those that are ``fresh``
the disk may not have all yet, so they are good for the same boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..checks import Fields, document, from_json
from ..errors import DroverError
from ..gguf.store import settle
from .fnv import is_cache_name

NOTES = ".whole.json"
SCHEMA = 1
_WHAT = "The notes on the tensor cache"
_REMEDY = "delete them, and what is there is read anew"
_FIELDS: Fields = {"boot": str, "settled": dict, "fresh": dict}


class State(NamedTuple):
    """A file as it was: ``size`` in bytes, and ``written`` and ``changed`` (its inode), nanoseconds since 1970."""

    size: int
    written: int
    changed: int


@dataclass(frozen=True)
class Notes:
    """See above."""

    boot: str = ""
    settled: Mapping[str, State] = field(default_factory=dict)
    fresh: Mapping[str, State] = field(default_factory=dict)

    def has(self, name: str, state: State, boot: str) -> bool:
        """Whether the file called ``name`` is known to be whole as it is, in this ``boot`` (empty: who knows)."""
        return self.settled.get(name) == state or (self.is_of(boot) and self.fresh.get(name) == state)

    def knew(self, name: str) -> bool:
        """Whether a file called ``name`` was known to be whole once."""
        return name in self.settled or name in self.fresh

    def is_of(self, boot: str) -> bool:
        """Whether they are of this ``boot``."""
        return bool(boot) and self.boot == boot


def notes_on(directory: str) -> Notes:
    """The notes on the cache ``directory``; none where there are none, or they are damaged."""
    try:
        with open(os.path.join(directory, NOTES), encoding="utf-8") as file:
            return read_notes(from_json(file.read()))
    except (OSError, ValueError, DroverError):
        return Notes()


def read_notes(value: object) -> Notes:
    """``value`` as the document. Raises DroverError, one sentence, for what is none."""
    found = document(value, _WHAT, SCHEMA, _FIELDS, _REMEDY)
    return Notes(found["boot"], _states(found["settled"]), _states(found["fresh"]))


def write_notes(directory: str, notes: Notes) -> None:
    """Have the disk know ``notes``, and nothing else than them or those before. Raises OSError."""
    content = {"schema": SCHEMA, "boot": notes.boot, "settled": notes.settled, "fresh": notes.fresh}
    # Containers that share the folder may have the same process id.
    descriptor, path = tempfile.mkstemp(dir=directory, prefix=f"{NOTES}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, sort_keys=True)
            file.flush()
            # Root may have been asked, and whose the cache is is to read it.
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        os.replace(path, os.path.join(directory, NOTES))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    settle(directory)


def note_whole(directory: str, names: Iterable[str]) -> None:
    """Note that the files of these ``names`` are whole as they are now, and forget those that have gone or are not as
    they were noted. Where that cannot be written down it is found out again by the next look."""
    with contextlib.suppress(OSError):
        notes, now = notes_on(directory), tensor_states(directory)
        settled = {name: now[name] for name in names if name in now and is_settled(directory, name)}
        kept = Notes(notes.boot, {**_as_they_are(notes.settled, now), **settled}, _as_they_are(notes.fresh, now))
        if kept != notes:
            write_notes(directory, kept)


def unnoted(directory: str) -> dict[str, State]:
    """The tensors that are not known to be whole, or that the disk may not have yet. Raises OSError for a folder that
    cannot be read."""
    settled = notes_on(directory).settled
    return {name: state for name, state in tensor_states(directory).items() if settled.get(name) != state}


def tensor_states(directory: str) -> dict[str, State]:
    """Those of the files that an RPC server would take for tensors. Raises OSError for a folder that cannot be read."""
    found = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_cache_name(entry.name) and not entry.is_dir(follow_symlinks=False):
                state = state_of(entry.path)
                if state:
                    found[entry.name] = state
    return found


def state_of(path: str) -> State | None:
    """The state of the file at ``path``; None where there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    # What is no plain file, such as a link, has no content of its own that could be known.
    size = found.st_size if stat.S_ISREG(found.st_mode) else -1
    return State(size, found.st_mtime_ns, found.st_ctime_ns)


def is_settled(directory: str, name: str) -> bool:
    """Have the disk take all of the file called ``name``, and tell whether it did."""
    try:
        descriptor = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        os.fsync(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _as_they_are(noted: Mapping[str, State], now: Mapping[str, State]) -> dict[str, State]:
    return {name: state for name, state in noted.items() if now.get(name) == state}


def _states(found: dict[str, Any]) -> dict[str, State]:
    """Raises DroverError for what is no note."""
    states = {}
    for name, numbers in found.items():
        fits = isinstance(numbers, list) and len(numbers) == len(State._fields)
        if not (is_cache_name(name) and fits and all(type(number) is int for number in numbers)):
            raise DroverError(
                f"{_WHAT} have {name!r}: {numbers!r}, expected a tensor's name and three whole numbers: {_REMEDY}."
            )
        states[name] = State(*numbers)
    return states
