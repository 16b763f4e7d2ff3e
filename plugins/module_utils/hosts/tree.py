# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the small files of /proc and /sys below a root, so that the trees of other machines can be read as well."""

from __future__ import annotations

import os


class Tree:
    """The files of one machine: those of this one below ``/``, or recorded ones below a folder."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, path: str) -> str:
        """Where ``path`` (absolute on the machine) really is."""
        return os.path.join(self.root, path.lstrip("/"))

    def text(self, path: str) -> str | None:
        """The stripped text of ``path``, or None when it is not there or may not be read."""
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as file:
                return file.read().strip("\0 \n\t")
        except OSError:
            return None

    def integer(self, path: str) -> int | None:
        """The whole number in ``path``, or None when there is none (cgroup v2 says ``max`` for no limit)."""
        try:
            return int(self.text(path) or "")
        except ValueError:
            return None

    def table(self, path: str) -> dict[str, int]:
        """The lines ``NAME VALUE`` or ``NAME: VALUE UNIT`` of ``path``: name -> value as an integer."""
        values = {}
        for line in (self.text(path) or "").splitlines():
            name, _separator, rest = line.replace(":", " ", 1).partition(" ")
            number = rest.split()
            if number and number[0].isdigit():
                values[name] = int(number[0])
        return values

    def names(self, path: str) -> list[str]:
        """The sorted names in the folder ``path``, none when it is not there."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def has(self, path: str) -> bool:
        """Tell whether there is a file or a folder ``path``, an empty one too."""
        return os.path.exists(self.path(path))


class Once(Tree):
    """The same files, each read at most once: one look that puts several answers together."""

    def __init__(self, root: str = "/") -> None:
        super().__init__(root)
        self._read: dict[str, str | None] = {}

    def text(self, path: str) -> str | None:
        if path not in self._read:
            self._read[path] = super().text(path)
        return self._read[path]
