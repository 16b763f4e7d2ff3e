# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the leader and the agents know each other: by the cluster's secret, which never travels.

Every request is for one nonce of the agent's, good once and on one connection, so that a request that was heard is of
no use to anybody; the answer is for a nonce of the leader's. Both name the host, so that what is meant for one is
nothing to another. No clock is asked: clocks of small machines jump.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

NONCE_BYTES = 16
# Names of HTTP headers.
NONCE, ASKED, SEAL = "Drover-Nonce", "Drover-Asked", "Drover-Seal"


def new_nonce() -> str:
    """One that nobody has seen, in hexadecimal digits."""
    return secrets.token_hex(NONCE_BYTES)


def request_seal(secret: bytes, host: str, nonce: str, asked: str, method: str, path: str, body: bytes) -> str:
    """What a request to the agent of ``host`` is sealed with: for its ``nonce``, with ``asked``, the leader's own."""
    return _seal(secret, "request", host, nonce, asked, method, path, body=body)


def answer_seal(secret: bytes, request: str, status: int, nonce: str, body: bytes) -> str:
    """What the answer to the request with that seal is sealed with; ``nonce`` is good for the next request."""
    return _seal(secret, "answer", request, str(status), nonce, body=body)


def is_seal(given: str, expected: str) -> bool:
    """Whether ``given``, of whoever asks, is the seal ``expected``; takes as long whatever is wrong."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _seal(secret: bytes, *fields: str, body: bytes) -> str:
    # Lengths come first, so that no two requests are the same bytes.
    told = b"".join(b"%d:%s" % (len(part), part) for part in (field.encode("utf-8", "replace") for field in fields))
    return hmac.new(secret, told + hashlib.sha256(body).digest(), hashlib.sha256).hexdigest()
