# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leader's side of the talk with the agents: all are asked at once, and no one is waited for long."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ..checks import from_json, text
from ..errors import DroverError
from ..healing import seal
from ..healing.replan import SILENT, SLOW, Answer
from ..healing.sight import read_lent, read_state, read_vote
from .at_once import all_at_once

SECONDS = 2.0
MOST_BYTES = 1 << 20


class Agent:
    """The agent of ``host`` at ``address`` and ``port``, which knows ``secret``, too. Every call raises DroverError for
    an agent that does not answer, or not as it should."""

    def __init__(self, host: str, address: str, port: int, secret: bytes, seconds: float = SECONDS) -> None:
        self.host, self.secret, self.nonce = host, secret, ""
        self.connection = http.client.HTTPConnection(address, port, timeout=seconds)
        # The connection forgets it before its last byte has come.
        self.socket: socket.socket | None = None
        self.began: float | None = None
        self.given_up = False

    def state(self) -> dict[str, Any]:
        """See ``healing.sight``."""
        return read_state(self._ask("GET", "/state"), self.host)

    def lent(self) -> dict[str, Any]:
        """See ``healing.sight``."""
        return read_lent(self._ask("GET", "/lent"), self.host)

    def tally(self) -> Any:
        """What its node can lend, as a pod that joins by itself has found."""
        return self._ask("GET", "/tally")

    def deploy(self, deployment: dict[str, Any], fresh: bool) -> dict[str, Any]:
        """Have the RPC server run by ``deployment``, and ``fresh``, without what it holds."""
        body = json.dumps({"deployment": deployment, "fresh": fresh}).encode()
        return dict(self._ask("PUT", "/deployment", body))

    def let_go(self) -> None:
        """Have the RPC server begin anew, by what it runs, without what it holds."""
        self._ask("PUT", "/deployment", json.dumps({"fresh": True}).encode())

    def lease(self, host: str, takes: bool) -> dict[str, Any]:
        """Ask it for the lease for ``host``, or only whose it is, unless that ``takes`` it: see ``healing.sight``."""
        body = json.dumps({"host": host, "takes": takes}).encode()
        return read_vote(self._ask("PUT", "/lease", body), self.host)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def give_up(self) -> None:
        """Have a call that another thread makes end: an agent that says a byte a second would keep it for ever."""
        self.given_up = True
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    @property
    def connected(self) -> bool:
        """Whether the host took the connection, which its kernel does however busy it is."""
        return self.socket is not None

    def had_time(self, seconds: float) -> bool:
        """Whether nearly ``seconds`` have passed since the connection was begun; where not, it is this machine that was
        too busy to begin."""
        return self.began is not None and time.monotonic() - self.began >= 0.8 * seconds

    def _ask(self, method: str, path: str, body: bytes = b"") -> Any:
        try:
            if not self.nonce:
                status, sealed, _nonce, content = self._exchange("GET", "/nonce", b"", {})
                self._whole(status, sealed)
                self.nonce = str(from_json(content)["nonce"])
            asked = seal.new_nonce()
            request = seal.request_seal(self.secret, self.host, self.nonce, asked, method, path, body)
            headers = {seal.ASKED: asked, seal.SEAL: request}
            status, sealed, self.nonce, content = self._exchange(method, path, body, headers)
            if status == 401:
                raise DroverError(f"{self.host} has another secret than its leader: run site.yml again.")
            self._whole(status, sealed)
            if not seal.is_seal(sealed, seal.answer_seal(self.secret, request, status, self.nonce, content)):
                raise DroverError(f"Whoever answers for {self.host} does not know the cluster's secret.")
            if status != 200:
                raise DroverError(content.decode("utf-8", "replace").strip())
            return from_json(content)
        except (socket.timeout, ConnectionRefusedError) as error:
            # Refused, its kernel answers: the agent is started anew.
            there = self.connected or isinstance(error, ConnectionRefusedError)
            raise (Slow if there else Unreachable)(f"{self.host} does not answer ({error}).") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.host} does not answer ({error or type(error).__name__}).") from error
        except (ValueError, LookupError, TypeError) as error:
            raise DroverError(f"{self.host} gave an answer that is none ({error}).") from error

    def _whole(self, status: int, sealed: str) -> None:
        if status == 503 and not sealed:
            raise DroverError(f"{self.host}'s own documents are damaged, as its journal says: run site.yml again.")

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str, bytes]:
        if self.connection.sock is None:
            self.began = time.monotonic()
            self.connection.connect()
            self.socket = self.connection.sock
        if self.given_up:
            raise TimeoutError("it takes too long")
        self.connection.request(method, path, body or None, dict(headers))
        answer = self.connection.getresponse()
        content = answer.read(MOST_BYTES)
        return answer.status, answer.getheader(seal.SEAL) or "", answer.getheader(seal.NONCE) or "", content


def greet(address: str, port: int, seconds: float) -> str:
    """The host whose agent answers there, by its own word: what it is asked next is sealed for that host. Raises
    DroverError where none answers: Slow where the machine is there."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/nonce")
            return text(from_json(connection.getresponse().read(MOST_BYTES)).get("host"), f"The host at {address}")
    except ConnectionRefusedError as error:
        raise Slow(f"No agent answers at {address}:{port} yet ({error}).") from error
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        raise DroverError(f"No agent answers at {address}:{port} ({error}).") from error


class Unreachable(DroverError):
    """Nobody answers there."""


class Slow(DroverError):
    """The machine is there, and does not answer in time."""


def ask_all(
    agents: Mapping[str, Mapping[str, Any]],
    secret: bytes,
    hosts: Iterable[str] | None = None,
    lent: bool = True,
    seconds: float = SECONDS,
) -> dict[str, Answer]:
    """What each of ``agents`` (host -> ``address``, ``port``) tells of itself, and if so what it has ``lent``; only
    those of ``hosts``, unless that is None. Who has not answered within ``seconds`` does not."""

    def ask(agent: Agent) -> Answer:
        try:
            return Answer(agent.state(), agent.lent() if lent else None)
        finally:
            agent.close()

    wanted = {
        host: Agent(host, place["address"], place["port"], secret, seconds)
        for host, place in agents.items()
        if hosts is None or host in hosts
    }
    found = all_at_once({host: partial(ask, agent) for host, agent in wanted.items()}, seconds)
    for host, said in found.items():
        if said is None:
            wanted[host].give_up()
    late = {host: agent.connected or not agent.had_time(seconds) for host, agent in wanted.items()}
    return {host: _answer(said, late[host]) for host, said in found.items()}


def _answer(said: Answer | DroverError | None, late: bool) -> Answer:
    if isinstance(said, Answer):
        return said
    if isinstance(said, Slow) or (said is None and late):
        return Answer(problem=SLOW)
    if said is None or isinstance(said, Unreachable):
        return Answer(problem=SILENT)
    return Answer(problem=str(said).rstrip("."))
