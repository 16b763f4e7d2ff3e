# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on the controller that the lab's hosts reach, with one file and, if wished, bad manners."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cluster import LEADER, address
from web_server import Silent, listening


@contextmanager
def serve(content: bytes, midway: Callable[[], bool] = lambda: True, token: str = "") -> Iterator[str]:
    """Serve ``content`` as a model under the URL that is yielded, by ranges, too; to who has the ``token``, if any.

    In the middle of a whole download ``midway`` is called; when it returns False the connection is closed there.
    """

    class Handler(Silent):
        def parse_request(self):
            if not super().parse_request():
                return False
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                self.send_error(401)
                return False
            return True

        def do_GET(self):
            if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                parts = [content[first : last + 1]]
            else:
                self.send_response(200)
                parts = [content[: len(content) // 2], content[len(content) // 2 :]]
            self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            # Who reads a header only closes the connection when it has enough.
            with suppress(ConnectionError):
                self.wfile.write(parts[0])
                if len(parts) == 2 and midway():
                    self.wfile.write(parts[1])

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

    # The lab gives the controller the first address of its subnet.
    controller = address(LEADER).rsplit(".", 1)[0] + ".1"
    with listening(Handler, controller) as url:
        yield f"{url}/served.gguf"
