# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made once and kept in the cache for all labs: root file systems, programs, images of containers."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import names, state
from .errors import LabError
from .limits import Group


@dataclass(frozen=True)
class Workplace:
    """Where one thing is being made: a directory that becomes it, and how to run what makes it."""

    key: str
    directory: Path
    group: Group

    @property
    def log(self) -> Path:
        return self.directory / "build.log"

    def run(self, command: list, cwd: Path | None = None, **environment: str) -> None:
        """Run a command, with what it says in the log; LabError with its first complaint when it fails."""
        with self.log.open("ab") as output:
            result = subprocess.run(
                self.group.command(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, "TMPDIR": str(self.directory), "LC_ALL": "C.UTF-8", **environment},
                start_new_session=True,
            )
        if result.returncode != 0:
            complaints = re.findall(r"^(?:E|go): .*", self.log.read_text(errors="replace"), re.MULTILINE)
            complaint = (complaints or ["see the log"])[0]
            raise LabError(f"{command[0]} could not make {self.key}: {complaint} (log: {self.log}).")


def ensure(
    lab: str,
    folder: str,
    key: str,
    make: Callable[[Workplace], None],
    say: Callable[[str], None],
    what: str,
    still_good: Callable[[Path], bool] = lambda _: True,
) -> Path:
    """The directory of that key in a folder of the cache; made, for this lab, when it is missing or no longer good."""
    final = state.cache() / folder / key
    with state.hold(state.cache() / "locks" / key, lambda: say(f"waiting for another lab to make {key}")):
        if final.exists() and still_good(final):
            return final
        say(f"making {what} {key} (kept for the next time)")
        started = time.monotonic()
        place = Workplace(key, final.with_name(f"{key}.partial-{lab}"), Group(f"{_workshop(lab)}/{key}"))
        state.remove_tree(place.directory)
        place.directory.mkdir(parents=True)
        place.group.create()
        try:
            make(place)
        finally:
            place.group.remove()
        state.remove_tree(final)
        place.directory.rename(final)
        say(f"made {key} in {time.monotonic() - started:.0f} s")
    return final


def remove_partial(lab: str) -> None:
    """Take away what was being made for this lab when it was cut off."""
    Group(_workshop(lab)).remove()
    for partial in state.cache().glob(f"*/*.partial-{lab}"):
        state.remove_tree(partial)


def remove_unused(folder: str, used: set, age: float) -> list:
    """Delete from a folder of the cache what is not used and older than so many seconds; returns the keys."""
    whole = [path for path in (state.cache() / folder).glob("*") if ".partial-" not in path.name]
    unused = [path for path in whole if age_of(path) >= age and path.name not in used]
    for path in unused:
        state.remove_tree(path)
    return [path.name for path in unused]


def age_of(made: Path) -> float:
    """Seconds since it was made."""
    return time.time() - made.stat().st_mtime


def _workshop(lab: str) -> str:
    """The control group that all that is made for a lab has its own in: several things are made at once."""
    return names.group(lab, ".image")
