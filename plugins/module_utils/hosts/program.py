# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program of the machine prints."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping


def printed(command: list[str], seconds: float, environment: Mapping[str, str] | None = None) -> str | None:
    """What ``command`` printed, in this ``environment`` (None for that of this process); None where it cannot be
    started, failed, or did not end within ``seconds``."""
    try:
        result = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None
