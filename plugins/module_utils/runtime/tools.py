# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a tool of the system and hear what it says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Optional

SECONDS = 60
# A unit's PATH may lack the folders of root's tools.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# (command, standard input) -> (exit code, or None when there is no such tool; what it said, on one line).
Run = Callable[[list[str], Optional[str]], tuple[Optional[int], str]]


def run_tool(command: list[str], text: str | None = None) -> tuple[int | None, str]:
    """Run ``command`` with ``text`` as its standard input: its exit code (None: no such tool) and what it printed."""
    try:
        result = subprocess.run(
            command,
            input=(text or "").encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "PATH": PATH, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return None, ""
    except subprocess.TimeoutExpired:
        return -1, f"no end within {SECONDS} seconds"
    except OSError as error:
        return -1, error.strerror or str(error)
    return result.returncode, result.stdout.decode("utf-8", "replace").strip()
