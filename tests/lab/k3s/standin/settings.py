# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of one run: config.yaml, config.yaml.d/*.yaml and the command line, each over the one before.

Of YAML there is: one key a line with a scalar or JSON behind it, or a list of scalars below it. What is unknown or
malformed ends the program, as it ends K3s.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import paths

_AGENT = {
    *("debug", "flannel-iface", "kubelet-arg", "node-ip", "node-label", "node-name", "node-taint", "server", "token"),
    "token-file",
}
_SERVER = _AGENT | {
    *("advertise-address", "agent-token", "cluster-cidr", "cluster-dns", "cluster-init", "cluster-reset"),
    *("cluster-reset-restore-path", "disable", "flannel-backend", "service-cidr", "tls-san", "write-kubeconfig-mode"),
}
_KNOWN = {"server": _SERVER, "agent": _AGENT}
LISTS = ("disable", "kubelet-arg", "node-label", "node-taint", "tls-san")
_KEY = re.compile(r"([a-z][a-z0-9-]*)(\+?):(?:\s+(.*))?")


class Refused(Exception):
    """What K3s would say when it ends at once."""


def read(command: str, arguments: list) -> dict:
    """The settings of ``k3s server`` or ``k3s agent`` with these arguments."""
    found: dict = {}
    for path in [paths.CONFIG, *sorted(paths.CONFIG.with_name("config.yaml.d").glob("*.yaml"))]:
        if path.exists():
            for key, appended, value in parse(path.read_text(), path):
                if appended and isinstance(found.get(key), list):
                    value = found[key] + (value if isinstance(value, list) else [value])
                found[key] = value
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not name.startswith("--"):
            raise Refused(f"unexpected argument {argument}: the stand-in takes --name=value")
        found[name[2:]] = value if separator else True
    for key in found:
        if key not in _KNOWN[command]:
            raise Refused(f"flag provided but not defined: -{key}")
    if "token-file" in found:
        found["token"] = Path(found["token-file"]).read_text().strip()
    return {key: _listed(value) if key in LISTS else value for key, value in found.items()}


def parse(text: str, path) -> list:
    """(key, whether it adds to a list, value) of each key in a file."""
    found: list = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or line.strip() == "---":
            continue
        if (item := re.fullmatch(r"\s*-\s+(.*)", line)) and found and isinstance(found[-1][2], list):
            found[-1][2].append(_scalar(item[1]))
        elif key := _KEY.fullmatch(line):
            value = [] if not (key[3] or "").strip() else _scalar(key[3])
            found.append((key[1], bool(key[2]), value))
        else:
            raise Refused(f"error unmarshaling {path}: yaml: line {number}: could not find expected ':'")
    return found


def _scalar(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text.strip().strip("'")


def _listed(value) -> list:
    return [part for one in (value if isinstance(value, list) else [value]) for part in str(one).split(",")]
