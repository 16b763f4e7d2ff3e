# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover agent``: answers the leader on a worker, beside the RPC server and as the same user.

| request | answer |
| --- | --- |
| ``GET /nonce`` | what the next request on this connection is to be sealed for, and whose agent this is |
| ``GET /state``, ``GET /lent`` | see ``healing.sight`` |
| ``GET /tally`` | of a pod that joins by itself, what its node can lend |
| ``PUT /deployment`` | has the RPC server run by the ``deployment`` in the body, if any, as far as root granted it |
| ``PUT /lease`` | whose the lease is, see ``healing.lease``; granted to the host in the body if it ``takes`` it |
| ``GET /metrics`` | numbers for Prometheus |

All but the first and the last are sealed, see ``healing.seal``. Beside that it has noted what comes into the tensor
cache, see ``noting``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from ..checks import dictionary, from_json
from ..errors import DroverError, NotYet
from ..healing import seal
from ..healing.gpu_metrics import GpuFigures
from ..healing.granted import SCHEMA, within_grant
from ..healing.metrics import worker_metrics
from ..healing.sight import see_lent, see_state
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY
from .decisions import granted, in_force, read_document, write_document
from .http_service import Handler, Refused, Service
from .noting import Noting
from .part import load_deployment
from .secret import read_secret
from .voter import Voter

# So that one that is written twice at a time is written one after the other.
_WRITES = threading.Lock()


def serve(name: str) -> int:
    """Answer for the worker of the cluster called ``name``; 0 where there is nothing to answer for."""
    cluster = Cluster(name)
    deployment = load_deployment(cluster)
    if deployment["part"] != "worker" or not deployment["healing"]:
        return 0
    address, port = deployment["listen"]["address"], deployment["healing"]["port"]
    with listen(address, port, agent_handler(cluster, lambda: read_secret(cluster))) as service:
        threading.Thread(target=Noting(cluster).go_on, daemon=True).start()
        service.serve_forever()
    return 0


def listen(address: str, port: int, handler: type[Handler]) -> Service:
    """A service on that address. Raises NotYet while it cannot be had."""
    try:
        return Service(address, port, handler)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
            raise NotYet(
                f"{address}:{port} cannot be listened on yet ({error.strerror}): connect its network, stop who holds "
                f"it, or set another port and {REMEDY}."
            ) from error
        raise DroverError(f"{address}:{port} cannot be listened on ({error.strerror}): {REMEDY}.") from error


def agent_handler(cluster: Cluster, known: Callable[[], bytes], tree: Tree | None = None) -> type[Handler]:
    """The handler of connections to the agent of the machine in ``tree``, which belongs to ``cluster``; ``known`` reads
    its secret, which may be written anew."""
    seen = tree or Tree()
    gpus = GpuFigures(seen)
    voter = Voter(cluster, seen)
    last: int | None = None
    restarts = Restarts()

    def state(root: dict[str, Any]) -> dict[str, Any]:
        nonlocal last
        found = see_state(seen, root, last)
        last = found["rpc"]["pid"] if found["rpc"] else None
        if found["rpc"]:
            restarts.see(found["rpc"]["mark"])
        return found

    class AgentHandler(Handler):
        nonce = ""
        secret = b""
        request_seal = ""

        def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
            self.request_seal = ""
            if (method, path) == ("GET", "/nonce"):
                self.nonce = seal.new_nonce()
                return 200, {"nonce": self.nonce, "host": load_deployment(cluster)["host"]}
            root = load_deployment(cluster)
            if (method, path) == ("GET", "/metrics"):
                return 200, worker_metrics(root, state(root), see_lent(seen, root), gpus.of(root), restarts.count)
            self._require_seal(root["host"], method, path, body)
            if (method, path) == ("GET", "/state"):
                return 200, state(root)
            if (method, path) == ("GET", "/lent"):
                return 200, see_lent(seen, root)
            if (method, path) == ("GET", "/tally"):
                return 200, _told(seen, cluster)
            if (method, path) == ("PUT", "/deployment"):
                return 200, _take_over(cluster, seen, root, body)
            if (method, path) == ("PUT", "/lease"):
                return 200, voter.ask(_asked(body))
            raise Refused(404, "There is nothing of that name.")

        def _require_seal(self, host: str, method: str, path: str, body: bytes) -> None:
            # Good for one request, whether or not it is the right one.
            nonce, self.nonce = self.nonce, seal.new_nonce()
            asked = self.headers.get(seal.ASKED, "")
            self.secret = known()
            expected = seal.request_seal(self.secret, host, nonce, asked, method, path, body)
            if not nonce or not asked or not seal.is_seal(self.headers.get(seal.SEAL, ""), expected):
                self.close_connection = True
                raise Refused(401, "The request is not sealed with the cluster's secret for this connection.")
            self.request_seal = expected

        def seal(self, status: int, content: bytes) -> dict[str, str]:
            if not self.request_seal:
                return {}
            sealed = seal.answer_seal(self.secret, self.request_seal, status, self.nonce, content)
            return {seal.NONCE: self.nonce, seal.SEAL: sealed}

    return AgentHandler


class Restarts:
    """How often another RPC server was seen than before, whatever has ended that one."""

    def __init__(self) -> None:
        self.count = 0
        self.mark: str | None = None
        self.lock = threading.Lock()

    def see(self, mark: str) -> None:
        """The RPC server that listens now has this ``mark``."""
        with self.lock:
            self.count += self.mark not in (None, mark)
            self.mark = mark


def _told(tree: Tree, cluster: Cluster) -> Any:
    found = read_document(tree.path(cluster.tally_path))
    if found is None:
        raise Refused(404, "It has not found what its node can lend.")
    return found


def _asked(body: bytes) -> dict[str, Any]:
    try:
        return dictionary(from_json(body), "The request")
    except ValueError as error:
        raise Refused(400, "The request is not JSON.") from error
    except DroverError as error:
        raise Refused(403, str(error)) from error


def _take_over(cluster: Cluster, tree: Tree, root: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Have the RPC server run by the deployment in ``body``, if there is one: it ends when it runs by another one, or
    if ``fresh`` is asked for, and its service starts it anew."""
    wanted = _asked(body)
    try:
        asked = within_grant(root, wanted["deployment"]) if "deployment" in wanted else None
    except DroverError as error:
        raise Refused(403, str(error)) from error
    with _WRITES:
        before = in_force(cluster, root, tree)
        deployment = asked or before
        if before != deployment:
            write_document(
                tree.path(cluster.running_path),
                {"schema": SCHEMA, "grant": granted(cluster, tree), "deployment": deployment},
            )
        rpc = see_state(tree, root)["rpc"]
        ends = rpc is not None and (before["arguments"] != deployment["arguments"] or wanted.get("fresh") is True)
        if ends:
            # It has nothing to save, and in the middle of a wait it hears of nothing else.
            with contextlib.suppress(ProcessLookupError):
                os.kill(rpc["pid"], signal.SIGKILL)
    return {"schema": SCHEMA, "changed": before != deployment, "ended": rpc["mark"] if rpc and ends else None}
