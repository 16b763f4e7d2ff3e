# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of K3s that the scenarios install, printed as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.k3s import releases  # noqa: E402


def found() -> dict:
    """What ``releases.ensure`` returns, and the mirror as an address."""
    made = releases.ensure("k3s", lambda line: print(line, file=sys.stderr))
    return {**made, "address": Path(made["mirror"]).as_uri()}


if __name__ == "__main__":
    print(json.dumps(found()))
