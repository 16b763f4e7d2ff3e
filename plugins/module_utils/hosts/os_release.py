# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux machine says of its distribution."""

from __future__ import annotations

import shlex

from .tree import Tree


def read_os_release(tree: Tree) -> dict[str, str]:
    """The fields of os-release(5) by name; empty where there is no such file."""
    fields = {}
    for line in (tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or "").splitlines():
        name, _separator, value = line.partition("=")
        try:
            fields[name.strip()] = " ".join(shlex.split(value))
        except ValueError:  # an open quote
            continue
    return fields
