# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""So much of AWX's API as awx.awx asks to make objects and to find them again.

It keeps what it is told and runs nothing, so what an AWX server would refuse for its own reasons is taken here.
"""

from __future__ import annotations

import http.server
import itertools
import json
import threading
from urllib.parse import parse_qsl, urlsplit

UNIFIED = ("job_templates", "projects", "workflow_job_templates", "workflow_approval_templates")


class Awx:
    """The objects by collection, and what is associated with each, by its path."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.collections: dict[str, dict[int, dict]] = {}
        self.associated: dict[tuple[str, ...], list[int]] = {}
        self.surveys: dict[tuple[str, ...], dict] = {}
        self.writes = 0
        self.make("organizations", {"name": "Default"})

    def all(self, name: str) -> list[dict]:
        """The objects of a collection; of the one that unites others, theirs."""
        names = UNIFIED if name == "unified_job_templates" else (name,)
        return [item for each in names for item in self.collections.get(each, {}).values()]

    def make(self, name: str, fields: dict) -> dict:
        """Keep a new object."""
        number = next(self.numbers)
        url = f"/api/v2/{name}/{number}/"
        subs = ("survey_spec", "hosts", "children", "credentials", "success_nodes")
        item = {"id": number, "url": url, "type": name[:-1], "summary_fields": {}, "scm_revision": "", **fields}
        item["related"] = {sub: f"{url}{sub}/" for sub in subs}
        self.collections.setdefault(name, {})[number] = item
        return item

    def get(self, path: tuple[str, ...], wanted: dict[str, str]) -> tuple[int, dict]:
        """Answer GET."""
        if len(path) == 1:
            found = [
                one for one in self.all(path[0]) if all(str(one.get(key)) == value for key, value in wanted.items())
            ]
            return 200, listing(found)
        item = self.collections.get(path[0], {}).get(int(path[1]))
        if item is None:
            return 404, {}
        if len(path) == 2:
            return 200, item
        if path[2] == "survey_spec":
            return 200, self.surveys.get(path, {})
        return 200, listing([{"id": number} for number in self.associated.get(path, [])])

    def post(self, path: tuple[str, ...], given: dict) -> tuple[int, dict]:
        """Answer POST: a new object, a survey, the template of an approval, or who belongs to whom."""
        self.writes += 1
        if len(path) == 1:
            return 201, self.make(path[0], given)
        if path[2] == "survey_spec":
            self.surveys[path] = given
            return 200, {}
        if path[2] == "create_approval_template":
            made = self.make("workflow_approval_templates", given)
            node = self.collections[path[0]][int(path[1])]
            node["related"]["unified_job_template"] = made["url"]
            return 201, made
        members = self.associated.setdefault(path, [])
        if given.get("disassociate"):
            members.remove(given["id"])
        else:
            members.append(given["id"])
        return 204, {}

    def patch(self, path: tuple[str, ...], given: dict) -> tuple[int, dict]:
        """Answer PATCH."""
        self.writes += 1
        self.collections[path[0]][int(path[1])].update(given)
        return 200, self.collections[path[0]][int(path[1])]


def listing(found: list[dict]) -> dict:
    """As AWX pages lists, on one page."""
    return {"count": len(found), "next": None, "previous": None, "results": found}


def serve(awx: Awx, token: str) -> http.server.ThreadingHTTPServer:
    """Serve it on this machine to whoever has the token; shut it down when done."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            address = urlsplit(self.path)
            path = tuple(address.path.removeprefix("/api/v2/").strip("/").split("/"))
            length = int(self.headers.get("content-length") or 0)
            given = json.loads(self.rfile.read(length) or b"{}")
            if self.headers["authorization"] != f"Bearer {token}":
                status, said = 401, {}
            elif self.command == "GET":
                status, said = awx.get(path, dict(parse_qsl(address.query)))
            else:
                status, said = (awx.post if self.command == "POST" else awx.patch)(path, given)
            body = b"" if status == 204 else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
