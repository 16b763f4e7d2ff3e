# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's secret: made by the role, and read by the service user alone."""

from __future__ import annotations

import hashlib

from ..errors import DroverError, NotYet
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY

LEAST = 32


def secret_digest(cluster: Cluster) -> str | None:
    """By which hosts are known to have the same secret, which is too long to be guessed; None for what is none."""
    try:
        return hashlib.sha256(b"drover\0" + read_secret(cluster)).hexdigest()
    except DroverError:
        return None


def read_secret(cluster: Cluster) -> bytes:
    """The secret of ``cluster`` on this host. Raises DroverError, which does not tell it."""
    path = cluster.secret_path
    try:
        with open(path, "rb") as file:
            secret = file.read().strip()
    except OSError as error:
        raise NotYet(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    if len(secret) < LEAST:
        raise DroverError(f"{path} holds {len(secret)} characters where {LEAST} or more were expected: {REMEDY}.")
    return secret
