# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FNV-1a with 64 bits, the hash that llama.cpp's RPC server names a cached tensor by, and its file's name.

Upstream: ``fnv_hash`` and ``rpc_server::set_tensor`` in ggml/src/ggml-rpc/ggml-rpc.cpp.
"""

from __future__ import annotations

import re

BASIS = 0xCBF29CE484222325
PRIME = 0x100000001B3
MASK = (1 << 64) - 1

_NAME = re.compile(r"[0-9a-f]{16}")


def fnv1a(data: bytes | memoryview, state: int = BASIS) -> int:
    """The state after ``data``, which follows what gave ``state``. Byte by byte: the reference, and the last resort."""
    for byte in data:
        state = (state ^ byte) * PRIME & MASK
    return state


def cache_name(state: int) -> str:
    """The name of the file that the RPC server keeps a tensor with this hash in."""
    return f"{state:016x}"


def is_cache_name(name: object) -> bool:
    """Whether the RPC server would look for a tensor under this name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
