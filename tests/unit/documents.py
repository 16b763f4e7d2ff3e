# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment that is as small as it can be, and a way into documents that are spoiled for a test."""

from __future__ import annotations


def worker_deployment(**changes):
    """The deployment of a worker that keeps no tensors, but for ``changes``."""
    return {
        "schema": 1,
        "cluster": "main",
        "host": "pi-1",
        "part": "worker",
        "build": {},
        "program": "/usr/bin/ggml-rpc-server",
        "arguments": [],
        "environment": {},
        "nodes": [],
        "groups": [],
        "listen": {"address": "10.0.0.11", "port": 50052},
        "allow": [],
        "files": [],
        "memory_bytes": 0,
        "cache": None,
        **changes,
    }


def parent_of(document, path):
    """What has the last of the keys ``path`` in it."""
    for key in path[:-1]:
        document = document[key]
    return document
