# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a systemd unit is doing, and what it wrote to the journal."""

from __future__ import annotations

import subprocess
from typing import Any

SECONDS = 10
PROPERTIES = ("ActiveState", "SubState", "Result", "NRestarts")


class Unit:
    """One unit of this machine's systemd."""

    def __init__(self, name: str) -> None:
        self.name = name

    def state(self) -> dict[str, Any]:
        """``ActiveState``, ``SubState``, ``Result`` (text) and ``NRestarts`` (a number); empty without systemd."""
        output = _output(["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", self.name])
        values: dict[str, Any] = dict(line.partition("=")[::2] for line in output.splitlines() if "=" in line)
        if "NRestarts" in values:
            values["NRestarts"] = int(values["NRestarts"] or 0)
        return values

    def log(self, lines: int = 60) -> str:
        """The last ``lines`` lines of the unit's journal as text, oldest first; empty when they cannot be read."""
        return _output(["journalctl", f"--unit={self.name}", f"--lines={lines}", "--output=cat", "--no-pager"])


def _output(command: list[str]) -> str:
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode("utf-8", "replace")
