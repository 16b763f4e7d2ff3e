# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of llama.cpp that are known to be bad."""

from __future__ import annotations


def known_problem(build: int | None, cpu_endpoints: int) -> str | None:
    """What is wrong with this build where so many RPC servers offer nothing but a CPU, or None."""
    if build is not None and 10620 <= build <= 10819 and cpu_endpoints >= 3:
        return (
            f"Build {build} of llama.cpp hangs with three or more RPC servers that offer nothing but a CPU: take one "
            "before 10620 or after 10819."
        )
    return None
