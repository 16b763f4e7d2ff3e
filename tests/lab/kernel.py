# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the machine's kernel that all its hosts share, and that are as before when the last lab is gone."""

from __future__ import annotations

from pathlib import Path

from . import state

# Each at least so high: to route for the hosts, and since what watches files on all hosts counts for one user.
_WANTED = {"net/ipv4/ip_forward": 1, "fs/inotify/max_user_instances": 8192}
_SETTINGS = Path("/proc/sys")


def prepare() -> None:
    """Set what is too low. Call with the machine's lock held."""
    for name, least in _WANTED.items():
        setting, before = _SETTINGS / name, _before(name)
        if int(setting.read_text()) < least:
            if not before.exists():
                state.write(before, setting.read_text())
            setting.write_text(str(least))


def restore() -> None:
    """Undo what prepare changed."""
    for name in _WANTED:
        if _before(name).exists():
            (_SETTINGS / name).write_text(_before(name).read_text())
            _before(name).unlink()


def _before(name: str) -> Path:
    return state.MACHINE / Path(name).name
