# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model is, by its header: in a file of this machine, or on a web server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import profile, reader, source, store


def look(path: str | None, url: str | None, token: str | None, sha256: Mapping[str, str]) -> dict[str, Any]:
    """The model at ``path`` or, without one, at ``url``, to whose server an optional bearer ``token`` is sent: as
    ``gguf`` the document, and as ``files`` where its files come from, see ``source``.

    The files beside ``path`` that ``sha256`` names must have those, and are read whole for it. Raises DroverError for
    what cannot be read, and for no sound model.
    """
    if path is None:
        # A lookup of a variable that is not set gives an empty token, which means none.
        header = reader.read_remote_header(str(url), token or None)
        files = source.remote_facts(header.shards, header.shard_bytes)
    else:
        header = reader.read_header(path)
        files = source.file_facts(path, header.shards)
        store.check_sums(os.path.dirname(path), sha256)
    return {"gguf": profile.model_profile(header), "files": files}
