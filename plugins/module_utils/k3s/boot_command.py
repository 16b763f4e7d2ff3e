# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line of a Raspberry Pi, whose firmware switches the memory controller off."""

from __future__ import annotations

from ..errors import DroverError

# Where it is: Raspberry Pi OS since Debian 12; Ubuntu since 25.10; Raspberry Pi OS before.
PATHS = ("/boot/firmware/current/cmdline.txt", "/boot/firmware/cmdline.txt", "/boot/cmdline.txt")

_WANTED = "cgroup_enable=memory"
_AGAINST = "cgroup_disable="


def with_memory_controller(text: str, path: str) -> str:
    """The same command line with the memory controller on: one line, all else of it in its order.

    The kernel takes the words in their order, and the firmware puts ``cgroup_disable=memory`` before those of the file;
    one in the file itself goes. Raises DroverError when the file holds more than one line, of which the firmware
    would read the first only.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        raise DroverError(
            f"{path} has {len(lines)} lines where the firmware reads one: join them into one and run again."
        )
    words = []
    for word in lines[0].split():
        if word.startswith(_AGAINST):
            others = [name for name in word[len(_AGAINST) :].split(",") if name != "memory"]
            if not others:
                continue
            word = _AGAINST + ",".join(others)
        words.append(word)
    if _WANTED not in words:
        words.append(_WANTED)
    return " ".join(words) + "\n"
