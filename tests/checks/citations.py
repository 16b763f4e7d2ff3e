#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold what users read to files that users have.

The collection's tarball leaves out tests and the tools for them, and where it is installed nobody stands in its folder:
a playbook is called by its name there, ``drover.llama.site``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
READ_BY_USERS = (
    "roles/*/meta/*.yml",
    "roles/*/defaults/*.yml",
    "plugins/modules/*.py",
    "plugins/doc_fragments/*.py",
    "plugins/filter/*.yml",
    "plugins/test/*.yml",
)


def left_out(root: Path) -> list[str]:
    """The folders and files at the top of a checkout that the tarball does not have."""
    ignored = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    return [name for name in ignored if (root / name).exists()]


def faults(root: Path) -> list[str]:
    """One sentence for each line that names a file which only a checkout has."""
    names = "|".join(re.escape(name) for name in [*left_out(root), "playbooks"])
    cited = re.compile(rf"(?<![\w./-])(?:{names})(?:/[\w./*-]*\w|(?=[\s`'\",;:)]|\.\s|\.?$))")
    found = []
    for path in sorted(file for pattern in READ_BY_USERS for file in root.glob(pattern)):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            # A plain word such as "tests" cites nothing; a path does, or the name of a file.
            for name in cited.findall(line):
                if re.search(r"[/.A-Z]", name):
                    instead = f"; call it drover.llama.{Path(name).stem}" if name.startswith("playbooks/") else ""
                    found.append(f"{path.relative_to(root)}:{number}: {name} is not where users look{instead}")
    return found


def main() -> int:
    """Print every such citation and return 1 when there is one."""
    found = faults(ROOT)
    print("\n".join(found) or "what users read names no file that they do not have")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
