# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hugging Face Hub on the controller with one repository, whose files are, as the real one's, on another server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from cluster import LEADER, address
from model_server import serve
from web_server import Silent, listening

REPOSITORY = "maker/model-GGUF"
COMMIT = "bf5b95e96dac0462e2a09145ec66cae9a3f12067"


@contextmanager
def serve_hub(files: dict[str, bytes], token: str = "") -> Iterator[str]:
    """Serve ``files`` (name -> content; all the same bytes) in ``REPOSITORY`` to who has the ``token``, if any, and
    yield the address that is given as HF_ENDPOINT."""
    (content,) = set(files.values())
    large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    listed = [{"rfilename": name, "size": len(content), "lfs": large} for name in files]

    with serve(content) as blob:

        class Handler(Silent):
            def do_GET(self):
                path = self.path.partition("?")[0]
                if token and self.headers.get("Authorization") != f"Bearer {token}":
                    self.send_error(401)
                elif path == f"/api/models/{REPOSITORY}/revision/release":
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(json.dumps({"sha": COMMIT, "siblings": listed}).encode())
                elif path in [f"/{REPOSITORY}/resolve/{COMMIT}/{name}" for name in files]:
                    self.send_response(302)
                    self.send_header("Location", blob)
                    self.send_header("X-Linked-Etag", f'"{large["sha256"]}"')
                    self.end_headers()
                else:
                    self.send_error(404)

        with listening(Handler, address(LEADER).rsplit(".", 1)[0] + ".1") as url:
            yield url
