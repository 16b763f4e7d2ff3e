# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime as hosts get it, packed in the cache of whoever runs Ansible."""

from __future__ import annotations

import os

from ansible_collections.drover.llama.plugins.module_utils.runtime.archive import cache_archive
from ansible_collections.drover.llama.plugins.module_utils.runtime.installed import expected_digest


def packed_runtime(collection):
    """``path`` of the archive, ``version`` of the ``collection`` (its folder), and ``digest`` of all that is installed
    with it. Raises DroverError for a folder that is no collection, and a cache that cannot be written to."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path, version = cache_archive(collection, os.path.join(cache, "drover"))
    return {"path": path, "version": version, "digest": expected_digest(path, collection)}
