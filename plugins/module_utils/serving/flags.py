# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llama.cpp's flags as a build has them. Upstream renames and adds them; an unknown one ends the program at its start.

What is said here of builds was read in upstream's common/arg.cpp of 2024-11, 2025-05, 2025-08 (builds around 4100, 5400
and 6200) and of 0.5.0 (2026).
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import DroverError

# Since then --flash-attn takes a value (upstream #15434); --cache-ram (#16391) came a few weeks later, and tells where
# the build's number is unknown.
FLASH_ATTENTION_VALUE_BUILD = 6325
FLASH_ATTENTION_VALUE_SIGN = "--cache-ram"

# A flag with its value (None: it takes none, "*": any), and the same in builds that do not have it.
_SAME: dict[tuple[str, str | None], list[tuple[str, str | None]]] = {
    ("--ctx-checkpoints", "*"): [("--swa-checkpoints", "*")],
    ("--no-mmap", None): [("--load-mode", "none")],
    ("--mmap", None): [("--load-mode", "mmap")],
    # --mlock alone left the memory map on, as the new mode does.
    ("--mlock", None): [("--load-mode", "mmap+mlock")],
    ("--direct-io", None): [("--load-mode", "dio")],
    ("--load-mode", "none"): [("--no-mmap", None)],
    ("--load-mode", "mmap+mlock"): [("--mlock", None)],
    ("--load-mode", "dio"): [("--direct-io", None)],
    # Without the flag, builds that have no load mode map the model.
    ("--load-mode", "mmap"): [("--mmap", None)],
    ("--no-webui", None): [("--no-ui", None)],
    ("--no-ui", None): [("--no-webui", None)],
}
# What may be left away where the flag does not exist, since the build then does the same:
_NEEDLESS = {
    # before it, nothing ever changed what was given
    ("--fit", "off"),
    # before it, there was no prompt cache outside the slots
    ("--cache-ram", "0"),
    # before it and its older name, there were no checkpoints
    ("--ctx-checkpoints", "0"),
    # before it, slots had parts of their own unless --kv-unified was given; and before that, one cache of the same size
    # for all
    ("--no-kv-unified", None),
    # before load modes, the model was always mapped unless --no-mmap was given
    ("--load-mode", "mmap"),
    ("--load-mode", "auto"),
    ("--mmap", None),
    # before it, nothing could be done about it
    ("--no-op-offload", None),
    # before it, web pages could not be kept out; a gateway keeps them out
    ("--cors-origins", "https://none.invalid"),
}


def written(
    flag: str, value: str | None, flags: Collection[str] | None, build: int | None = None, program: str = "llama-server"
) -> list[str]:
    """``flag`` with its ``value`` (None: it takes none) as a build takes it that has the long ``flags``.

    ``flags`` None stands for the newest build known here. Raises DroverError for a flag that the build can neither take
    nor do without.
    """
    if flags is None:
        return _pair(flag, value)
    if flag == "--flash-attn" and flag in flags and not _flash_attention_takes_value(flags, build):
        # On only when asked for: what is automatic now was off then.
        return [flag] if value == "on" else []
    if flag in flags:
        return _pair(flag, value)
    for other, meaning in _SAME.get((flag, value)) or _SAME.get((flag, "*"), []):
        if other in flags:
            return _pair(other, value if meaning == "*" else meaning)
    if (flag, value) in _NEEDLESS:
        return []
    told = f"build {build}" if build else "build unknown"
    raise DroverError(
        f"This {program} ({told}) has no flag {flag}: install another build of llama.cpp on all hosts, or take back "
        "the setting that it comes from."
    )


def _pair(flag: str, value: str | None) -> list[str]:
    return [flag] if value is None else [flag, value]


def _flash_attention_takes_value(flags: Collection[str], build: int | None) -> bool:
    if build:  # a program that was not built from a repository says 0
        return build >= FLASH_ATTENTION_VALUE_BUILD
    return FLASH_ATTENTION_VALUE_SIGN in flags
