# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command of the machine, and tell in one sentence when it fails."""

from __future__ import annotations

import subprocess

from .errors import LabError


def run(*arguments: str, check: bool = True, stdin: str | None = None, timeout: float | None = 60) -> str:
    """The command's standard output; LabError with the last line of its complaint when it fails."""
    command = [str(argument) for argument in arguments]
    try:
        result = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed: run `lab setup`, which installs what the lab needs.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` gave no answer within {timeout:g} s.") from None
    if check and result.returncode != 0:
        complaint = (result.stderr.strip() or result.stdout.strip() or "no message").splitlines()[-1]
        raise LabError(f"`{' '.join(command)}` failed ({result.returncode}): {complaint}")
    return result.stdout
