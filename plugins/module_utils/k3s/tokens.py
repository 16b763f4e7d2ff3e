# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""K3s's tokens, with which hosts join: K10 + sha256 of the cluster's CA + :: + credentials, or the password alone.

Source: K3s's documentation, "k3s token", "Token format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import DroverError

_FULL = re.compile(r"K10([0-9a-f]{64})::(?:([a-z]+):)?(\S+)")
_PASSWORD = re.compile(r"[^\s:]+")


@dataclass(frozen=True)
class Token:
    """What a token says; ``digest`` is None when it does not pin the cluster's CA."""

    digest: str | None
    user: str
    password: str


def parse_token(text: str, name: str) -> Token:
    """Read a token. Raises DroverError for what is none; what it says is a secret and stands in no message."""
    stripped = text.strip() if isinstance(text, str) else ""
    if full := _FULL.fullmatch(stripped):
        return Token(full[1], full[2] or "", full[3])
    if stripped and not stripped.startswith("K10") and _PASSWORD.fullmatch(stripped):
        return Token(None, "server", stripped)
    raise DroverError(
        f"{name} is no token of K3s: give a password without blanks and colons, or the whole of "
        "/var/lib/rancher/k3s/server/token."
    )
