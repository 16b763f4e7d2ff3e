#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold every source file to its licence header."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MARK = "SPDX-License-Identifier: GPL-3.0-or-later"
# Prose, data without comments, the licence itself, and files so short that they hold no work of ours.
FREE_OF_HEADERS = {".md", ".json", ".gguf", ".j2", ".txt", ".toml", ".cfg", ".svg", ".html", ".png", ".xml", ".sum"}
FREE_NAMES = {"LICENSE", ".gitignore", "galaxy.yml", "runtime.yml", "changelog.yaml", "config.yaml"}


def main() -> int:
    """Print the tracked files that lack the header and return 1 when there is one."""
    names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")
    bare = []
    for name in filter(None, names):
        path = Path(name)
        if path.is_symlink() or not path.is_file() or path.suffix in FREE_OF_HEADERS or path.name in FREE_NAMES:
            continue
        if "recorded" in name or name.startswith("changelogs/"):  # what programs printed, kept to the letter
            continue
        text = path.read_text(encoding="utf-8", errors="replace")[:1000]
        if text.strip() and MARK not in text:
            bare.append(name)
    for name in bare:
        print(f"{name} has no licence header ({MARK})")
    return 1 if bare else 0


if __name__ == "__main__":
    sys.exit(main())
