# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""K3s's configuration files as text: what we write, and what we wrote read again.

K3s reads YAML. One line a key, with its value as JSON, is YAML that a person reads and the standard library, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HEADER = "# Written by Drover (drover.llama.k3s), which writes it again: put your own settings into config.yaml.d/.\n"
FILE = "/etc/rancher/k3s/config.yaml"


def render(settings: Mapping[str, Any]) -> str:
    """The file with these settings, in the order of their names; the same settings give the same bytes."""
    return HEADER + "".join(f"{name}: {json.dumps(value)}\n" for name, value in sorted(settings.items()))


def read_ours(text: str | None) -> dict[str, Any] | None:
    """The settings in a file that ``render`` made, or None for one that it did not make."""
    if text is None or not (text + "\n").startswith(HEADER):
        return None
    found = {}
    for line in text.splitlines()[1:]:
        name, _separator, value = line.partition(": ")
        try:
            found[name] = json.loads(value)
        except ValueError:
            return None
    return found
