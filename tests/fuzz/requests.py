# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as somebody speaks it who means harm: almost right, far too large, in pieces, or nothing like it."""

from __future__ import annotations

import random

METHODS = (b"GET", b"PUT", b"POST", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"\xff", b"")
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/0.9", b"HTTP/1.1 x", b"HTTP/-1.1",
    b"HTTP/1.1.1", b"HTTP/", b"",
)  # fmt: skip
PATHS = (
    b"/state", b"/lent", b"/nonce", b"/metrics", b"/deployment", b"/lease", b"/health", b"/demo.gguf", b"/other.gguf",
    b"/0123456789abcdef", b"/", b"*", b"http://x/state", b"//etc/shadow", b"/../../etc/shadow",
    b"/%2e%2e/%2e%2e/etc/shadow", b"/..%2f..%2f..%2f..%2fetc%2fshadow", b"/%2fetc%2fpasswd", b"/%00",
    b"/demo.gguf%00.txt", b"/./demo.gguf", b"/demo.gguf/../other.gguf", b"/state?x=1", b"/state#x", b"/%", b"/%zz",
    b"/%ff%fe", b"/\xff\xfe", b"/..\\..\\x", b"/0123456789abcdef/../../../../etc/passwd", b"state",
    b"/proc/self/environ",
)  # fmt: skip
LINES = (
    b"Content-Length: 10", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: \xb2",
    b"Content-Length: +3", b"Content-Length: 0x10", b"Content-Length: 3, 3", b"Content-Length:",
    b"Content-Length: 3\r\nContent-Length: 4", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
    b"transfer-encoding:\tchunked", b"Drover-Seal: " + b"0" * 64, b"Drover-Seal: \xff\xfe", b"Drover-Asked: a",
    b"Drover-Nonce: a", b"Authorization: Bearer " + b"x" * 48, b"Authorization: Basic eA==", b"Range: bytes=0-",
    b"Range: bytes=9999999999999999999-", b"Range: bytes=0-0,5-6", b"Range: bytes=" + b"1-2," * 2_000, b"If-Range: x",
    b"Expect: 100-continue", b"Connection: keep-alive", b"Connection: Upgrade", b"Upgrade: h2c",
    b"Host: a\r\nHost: b", b"X" * 70_000, b": ", b"a\0b: c", b" folded: x", b"X: a\r\n b", b"X: \x1b[2J", b"no colon",
)  # fmt: skip
CHUNKED = b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\nffffffffffffffff\r\n'


def hostile(chance: random.Random) -> bytes:
    """Something to say: almost one request, or several at once, or none at all."""
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(1, 400))
    if kind < 0.2:
        return _oversized(chance)
    whole = b"".join(_request(chance) for _ in range(chance.choice((1, 1, 1, 2, 5))))
    for _ in range(chance.choice((0, 0, 1, 3))):
        place = chance.randrange(len(whole))
        whole = whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :]
    return whole[: chance.randrange(1, len(whole) + 1)] if kind > 0.8 else whole


def _request(chance: random.Random) -> bytes:
    lines = [b" ".join([chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS)])]
    lines += [chance.choice(LINES) for _ in range(chance.randrange(6))]
    end = chance.choice((b"\r\n", b"\r\n", b"\n"))
    if chance.random() < 0.1:
        return end.join(lines) + end + CHUNKED
    return end.join(lines) + end + end + chance.randbytes(chance.choice((0, 0, 3, 10, 60)))


def _oversized(chance: random.Random) -> bytes:
    """A request that is larger than anybody needs, in one of its parts."""
    size = chance.choice((10_000, 70_000, 300_000))
    get = b"GET /nonce HTTP/1.1\r\n"
    return chance.choice(
        (
            b"GET /" + b"a" * size + b" HTTP/1.1\r\n\r\n",
            b"G" * size,
            get + b"X: " + b"a" * size + b"\r\n\r\n",
            get + b"X: y\r\n" * (size // 6) + b"\r\n",
            get + b"X: a\r\n" + b" b\r\n" * (size // 4) + b"\r\n",
            b"PUT /deployment HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"[" * size,
            b"PUT /lease HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (size * 1_000) + b"0" * size,
            (get + b"\r\n") * (size // 23),
            b"\0" * size,
            b"\r\n" * (size // 2),
        )
    )
