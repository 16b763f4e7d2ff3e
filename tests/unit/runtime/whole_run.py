# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that does what a run of site.yml does for weights: has the leader fetch a split model and read it, and a
worker take its part of it from the leader. All by the commands that hosts have; what is there is not done again.

Its first argument is the folder of module_utils. The first line of standard input says what there is, as JSON; each
further one starts a run, in a process group of its own, whose number is printed and later how it ended. The process
that offers the model leaves its number in the file ``offer``.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys

sys.path.insert(0, sys.argv[1])

from module_utils.gguf import download
from module_utils.runtime import command
from module_utils.serving import cluster
from module_utils.weights import fetching
from module_utils.weights.manifest import find_manifest

SECRET = "fedcba9876543210" * 4


def main() -> None:
    given = json.loads(sys.stdin.readline())
    cluster.CLUSTERS_FOLDER = given["clusters"]
    download.DELAYS = fetching.DELAYS = (0.0,)
    for _line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os._exit(run(**given))
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


def run(url: str, sums: list[str], model: str, clusters: str, offer: str) -> int:
    """The whole of it: the exit code of the first command that fails, or 0."""
    sys.stdout = sys.stderr = io.StringIO()
    done = command.main("1", ["fetch", "--url", url, "--to", model, "--sha256", *sums])
    done = done or command.main("1", ["manifest", "--model", model, "--processes", "1"])
    if done:
        return done
    files = want(model, f"{clusters}/main/weights.json")
    told, tell = os.pipe()
    leader = os.fork()
    if leader == 0:
        sys.stdout, sys.stdin = os.fdopen(tell, "w"), io.StringIO(SECRET)
        os._exit(command.main("1", ["offer", "--model", model, "--address", "127.0.0.1", "--allow", "127.0.0.1"]))
    os.close(tell)
    replace(offer, str(leader))
    with os.fdopen(told) as said:
        begun = said.readline()
        port = json.loads(begun)["port"] if begun else 1  # it was killed, and nobody listens there
    sources = [{"files": [f"http://127.0.0.1:{port}/{name}" for name in files], "token": SECRET}]
    sys.stdin = io.StringIO(json.dumps(sources))
    done = command.main("1", ["place", "--cluster", "main"])
    os.kill(leader, signal.SIGTERM)
    os.waitpid(leader, 0)
    return done


def want(model: str, path: str) -> list[str]:
    """Write what the worker is to have, as the role does: all of the model at ``model``; returns its files."""
    manifest = find_manifest(model)
    files = [{key: file[key] for key in ("name", "file_bytes")} for file in manifest["files"]]
    keys = ("hash", "sha256", "shard", "offset", "bytes")
    held = [{key: tensor[key] for key in keys} for tensor in manifest["tensors"]]
    weights = {"schema": 1, "cluster": "main", "host": "w1", "spread": 1, "files": files, "held": held, "spare": []}
    replace(path, json.dumps(weights))
    return [file["name"] for file in files]


def replace(path: str, content: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main()
