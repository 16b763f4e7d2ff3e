# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much systemd finds that a unit may do which it need not: 0 for nothing, 10 for everything."""

from __future__ import annotations

import re

from cluster import host

# By systemd 252 an RPC server has 1.4, the tunnel 1.5, llama-server and an agent 1.6, the watch, which looks at other
# processes, and a gateway, which may take low ports, 1.7.
WELL_PROTECTED = 1.7


def exposure(name: str, unit: str) -> float:
    """What ``systemd-analyze security`` says of the unit on the host of that name."""
    said = host(name).run(f"systemd-analyze security --no-pager {unit}").stdout
    rating = float(re.search(r"exposure level for \S+: ([\d.]+)", said)[1])
    print(f"\n{unit}: {rating}")
    return rating
