# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of Drover's own HTTP servers on loopback, in a process that notes which files it touches and what it starts.

``python listeners.py FOLDER`` prints where they listen, as JSON. From the line ``begin`` on standard input it takes
note, and at the end of that prints what there was to note. FOLDER is made a worker's, with a model and a tensor cache.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import threading
import time
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from module_utils.hosts.tree import Tree  # noqa: E402
from module_utils.runtime import agent, offer  # noqa: E402
from module_utils.runtime.documents import load_document  # noqa: E402
from module_utils.runtime.http_service import Service  # noqa: E402
from module_utils.runtime.watch import health_handler  # noqa: E402
from module_utils.serving.cluster import Cluster  # noqa: E402
from module_utils.serving.deployment import read_deployment  # noqa: E402
from module_utils.weights.offering import Offer  # noqa: E402
from unit.healing import worker  # noqa: E402

MAIN = Cluster("main")
OFFER_SECRET = "o" * 48
# What no request may have them do, whoever sends it.
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "socket.connect")
TOUCHES = (
    "open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown", "shutil.rmtree",
)  # fmt: skip


class Notes:
    """What the process does from ``begins`` on: files ``outside`` of a folder that were touched, programs and
    connections that were ``started``, and processes that were ``ended``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.begun = f"{folder}{os.sep}", False
        self.outside: set[str] = set()
        self.started: set[str] = set()
        self.ended: set[int] = set()
        # A worker's RPC server is a process that a test has invented.
        os.kill = lambda pid, _signal: self.ended.add(pid)
        sys.addaudithook(self._hear)

    def begins(self) -> None:
        self.begun, self.rss = True, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self.begun:
            return
        if event in STARTS:
            self.started.add(event)
        elif event in TOUCHES and isinstance(arguments[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(self.folder):
                self.outside.add(path)

    def told(self) -> dict:
        self.begun = False
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.rss
        return {
            "outside": sorted(self.outside),
            "started": sorted(self.started),
            "ended": sorted(self.ended),
            "grown_bytes": grown << 10,
            "threads": threading.active_count(),
        }


def listening(folder: Path) -> dict[str, int]:
    """Start them all; where each listens."""
    worker.make(folder)
    worker.write(folder, "etc/drover/main/secret", worker.SECRET.decode())
    worker.write(folder, "var/lib/models/other.gguf", "a file of somebody else's")
    shutil.copy(ROOT / "tests" / "assets" / "drover-demo.gguf", folder / "var/lib/models/demo.gguf")
    tree = Tree(str(folder))
    agent.load_deployment = lambda cluster: read_deployment(load_document(tree.path(cluster.deployment_path), "one"))
    secret = tree.path(MAIN.secret_path)
    told = {
        "cluster": "main",
        "healthy": True,
        "sentence": "",
        "workers": {"pi-1": {"up": True}},
        "owners": {},
        "heal_count": 3,
    }
    watched = SimpleNamespace(told=told, looked=time.monotonic() + 1e6, owners=SimpleNamespace(reserve={"pi-1": 1}))
    shards = offer._shards(str(folder / "var/lib/models/demo.gguf"))
    tensors = offer._tensors(str(folder / "var/cache/drover/rpc"))
    servers = {
        "agent": Service("127.0.0.1", 0, agent.agent_handler(MAIN, lambda: Path(secret).read_bytes(), tree)),
        "watch": Service("127.0.0.1", 0, health_handler(watched)),
        "offer": Offer(
            "127.0.0.1", 0, lambda name: shards(name) or tensors(name), [ip_network("127.0.0.0/8")], OFFER_SECRET
        ),
    }
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return {name: server.server_address[1] for name, server in servers.items()}


if __name__ == "__main__":
    # Where it is a link, what is opened is known by where it leads.
    place = Path(sys.argv[1]).resolve()
    ports = listening(place)
    notes = Notes(place)
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        if line == "begin\n":
            notes.begins()
            print("{}", flush=True)
    print(json.dumps(notes.told()), flush=True)
