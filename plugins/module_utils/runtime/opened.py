# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is open for us in the firewalls of a host's owner, and noted down to be closed again."""

from __future__ import annotations

import contextlib
import json
import os

from ..checks import from_json
from ..errors import DroverError
from .foreign_firewalls import FOREIGN, Opening, Rule
from .tools import Run, run_tool


def keep_open(path: str, wanted: list[Opening], run: Run = run_tool, pretend: bool = False) -> bool:
    """Have exactly ``wanted`` open in the owner's firewalls, of what is ours by the notes in the file ``path``.

    Tells whether a rule was added or removed, or, when it only pretends, would be. Raises DroverError when a firewall
    does not take a rule, or the notes cannot be written.
    """
    noted = _noted(path)
    needed: list[Rule] = []
    missing: list[Rule] = []
    asleep: list[Rule] = []
    for foreign in FOREIGN:
        if foreign.active(run):
            rules = foreign.rules(wanted, run)
            needed += rules
            missing += foreign.missing(rules, run)
        else:
            # One that only rests (or starts later than we do) finds its rules again when it wakes.
            own = [rule for rule in noted if rule["firewall"] == foreign.name]
            asleep += [rule for rule in own if any(foreign.serves(rule, opening) for opening in wanted)]
    tools = {foreign.name: foreign for foreign in FOREIGN}
    ours = [rule for rule in needed if rule in missing or _is_among(rule, noted)] + asleep
    stale = [rule for rule in noted if not _is_among(rule, ours)]
    if pretend:
        return bool(missing or stale)
    # Noted before it is done: what was begun is taken back even if this run is cut off.
    _note(path, ours + stale)
    for rule in missing:
        tools[rule["firewall"]].add(rule, run)
    for rule in stale:
        tools[rule["firewall"]].remove(rule, run)
    _note(path, ours)
    return bool(missing or stale)


def _is_among(rule: Rule, rules: list[Rule]) -> bool:
    """Whether one of ``rules`` is the same to the firewall, which looks at no comment."""

    def bare(rule: Rule) -> Rule:
        return {name: value for name, value in rule.items() if name != "comment"}

    return bare(rule) in map(bare, rules)


def _noted(path: str) -> list[Rule]:
    """The rules that are ours. A file that is none, or was cut off, knows of none."""
    known = {foreign.name for foreign in FOREIGN}
    try:
        with open(path, encoding="utf-8") as file:
            rules = from_json(file.read())["rules"]
        return [rule for rule in rules if rule["firewall"] in known]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _note(path: str, rules: list[Rule]) -> None:
    if not rules:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "rules": rules}, file, sort_keys=True, indent=2)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise DroverError(
            f"{path}, which remembers what to close again, cannot be written ({error.strerror}): run as root."
        ) from error
