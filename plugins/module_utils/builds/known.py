# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of llama.cpp that are known not to work for a cluster, so that nobody has to find out again."""

from __future__ import annotations

# First and last build, and the least RPC servers without a GPU among them that it takes.
# Source: https://github.com/ggml-org/llama.cpp/issues/28487. Build 11669 answered with four such servers.
_HANGS = (10620, 10819, 3)


def known_problem(build: int | None, cpu_endpoints: int) -> str | None:
    """Why ``build`` (its number, None when unknown) does not work with so many RPC servers that lend a CPU alone, in
    one sentence with the remedy, or None."""
    first, last, least = _HANGS
    if build is None or not first <= build <= last or cpu_endpoints < least:
        return None
    return (
        f"llama.cpp build {build} hangs with {least} or more workers that lend nothing but a CPU (as all from {first} "
        f"to {last} do, llama.cpp issue 28487), and there are {cpu_endpoints}: take a build after {last}, or fewer "
        "workers."
    )
