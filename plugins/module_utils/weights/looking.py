# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a tensor cache before an RPC server uses it: what is not whole goes, since llama.cpp would compute with it.

An RPC server writes a file once, and never again. So of each file it is asked:

- Is it as it was noted? Then it is whole, and not read: a start stays quick.
- Has it come since, in this boot? Then an RPC server wrote it. It is whole when it has the size of the tensor that it
  is planned as. Of one that no cluster plans with nobody knows the size: of those the last one may have been torn by
  the end of its server, and each of them where the disk had no more room.
- Else it has changed, or come before the power was cut: it is read.

What is found damaged goes, and so does what nothing here can tell: that costs one transfer, and never a wrong answer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from .checking import check_files
from .noted import Notes, State, is_settled, notes_on, tensor_states, write_notes
from .pieces import Tensor


class Look(NamedTuple):
    """What a look has found: how many files are as ``noted``, ``new`` and were ``read``; the names of those that went
    because they were ``damaged``, and ``untold`` ones; those that ought to go and cannot (``stuck``); and why it could
    not be noted, or nothing."""

    noted: int
    new: int
    read: int
    damaged: list[str]
    untold: list[str]
    stuck: list[str]
    problem: str


def look_over(
    directory: str,
    wanted: Mapping[str, Tensor],
    boot: str,
    ended: bool,
    waited: bool,
    full: bool,
    tell: Callable[[int], None] | None = None,
) -> Look:
    """Take a look at the cache ``directory``, delete what is not whole, and note the rest.

    ``wanted``: the tensors that clusters on this host plan with, by name; ``boot``: see ``hosts.process.boot``;
    ``ended``: whether the RPC server that wrote here has ended, in whatever way; ``waited``: whether somebody waits for
    the next one, and is not to wait for the disk; ``full``: whether that is. ``tell`` is called with the bytes that are
    now to be read, if there are any. Raises OSError for a folder that cannot be read.
    """
    notes, now = notes_on(directory), tensor_states(directory)
    known = {name: state for name, state in now.items() if notes.has(name, state, boot)}
    others = {name: state for name, state in now.items() if name not in known}
    for name in _being_written(directory, others):
        del others[name]
    came = {name: state for name, state in others.items() if notes.is_of(boot) and not notes.knew(name)}
    torn = _perhaps_torn(came, wanted, ended, full)
    new = {name: state for name, state in came.items() if name not in torn}
    checked = check_files(directory, {name: state for name, state in others.items() if name not in new}, wanted, tell)
    read = {name: others[name] for name in checked.whole}
    fresh = {**{name: known[name] for name in notes.fresh if name in known}, **new, **read}
    settled = {name: known[name] for name in notes.settled if name in known}
    # With what has just come the disk may still be busy. What it fails to take it gives back otherwise, or not at all.
    taken = {name: fresh.pop(name) for name in list(read if waited else fresh)}
    lost = [name for name in taken if not is_settled(directory, name)]
    settled.update({name: state for name, state in taken.items() if name not in lost})
    stuck = [name for name in (*checked.damaged, *checked.untold, *lost) if not _removed(directory, name)]
    return Look(
        noted=len(known),
        new=len(new),
        read=checked.read,
        damaged=checked.damaged,
        untold=[*checked.untold, *lost],
        stuck=stuck,
        # A file that ought to have gone must not be taken for one that has come since.
        problem="" if stuck else _noted(directory, notes, Notes(boot, settled, fresh)),
    )


def _perhaps_torn(came: Mapping[str, State], wanted: Mapping[str, Tensor], ended: bool, full: bool) -> Collection[str]:
    """Those of the files that ``came`` in this boot that an RPC server may not have written to their end."""
    torn = {name for name, state in came.items() if name in wanted and state.size != wanted[name]["bytes"]}
    unplanned = [name for name in came if name not in wanted]
    # Where there is no room the server writes what it can, and then files with nothing in them.
    if full or any(state.size <= 0 for state in came.values()):
        return torn | set(unplanned)
    if ended and unplanned:
        torn.add(max(unplanned, key=lambda name: (came[name].written, name)))
    return torn


def _being_written(directory: str, names: Collection[str]) -> list[str]:
    """Those that some process has open for writing, such as the RPC server of another cluster: whoever wants to know
    when a file is opened for that (a lease, fcntl(2)) is told that it is already."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return []
    # By which the kernel tells that it is opened: nothing that has to be heard.
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        return [name for name in names if _is_leased_to_writers(os.path.join(directory, name))]
    finally:
        signal.signal(signal.SIGIO, before)


def _is_leased_to_writers(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)  # and the lease with it
    return False


def _removed(directory: str, name: str) -> bool:
    try:
        os.unlink(os.path.join(directory, name))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _noted(directory: str, before: Notes, after: Notes) -> str:
    """Note what is known, and tell why that cannot be; nothing where it could."""
    try:
        if after != before:
            write_notes(directory, after)
    except OSError as error:
        return error.strerror or str(error)
    return ""
