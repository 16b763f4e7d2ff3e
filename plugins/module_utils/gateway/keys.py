# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients' keys: the gateway knows what they hash to, and the names of whom they are for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from ..errors import DroverError

LEAST = 16
# It stands in the log and in a file of one entry a line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}\Z")
_KEY = re.compile(r"[!-~]+\Z")


def key_lines(keys: Mapping[str, str]) -> list[str]:
    """Of ``keys`` (name -> key) one line each, ``SHA-256 NAME``, sorted by name.

    A key that nobody can guess needs no salt. Raises DroverError, which never tells a key, for a name or key that is
    none, and for two names with one key: the log could not say whose it was.
    """
    seen: dict[str, str] = {}
    for name, key in sorted(keys.items()):
        if not _NAME.match(name):
            raise DroverError(
                f"gateway_api_keys has the name {name!r} where letters, digits and . _ @ - were expected: rename it."
            )
        if not isinstance(key, str) or len(key) < LEAST or not _KEY.match(key):
            raise DroverError(
                f"The key of {name} in gateway_api_keys is not {LEAST} or more letters, digits and signs without "
                'spaces: make one with "openssl rand -hex 24".'
            )
        digest = hashlib.sha256(key.encode()).hexdigest()
        if digest in seen:
            raise DroverError(f"{seen[digest]} and {name} have the same key in gateway_api_keys: give each its own.")
        seen[digest] = name
    return [f"{digest} {name}" for digest, name in seen.items()]
