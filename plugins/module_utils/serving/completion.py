# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for llama-server, and prove by a real completion that its whole chain of workers answers.

``/health`` says "ok" while a worker is dead, since it never leaves the leader; a completion goes through every layer.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from ..checks import from_json
from ..errors import DroverError
from .symptoms import explain
from .unit import Unit

POLL_SECONDS = 0.25
HEALTH_SECONDS = 5.0
UNIT_SECONDS = 1.0
LAST_SECONDS = 1.0
# A worker that was restarted costs llama-server one abort, after which it finds the worker again.
MOST_DROPS = 2
MOST_RESTARTS = 2
NO_ANSWER = "no answer"
NOT_READY = (502, 503, 504)  # llama-server says 503 while it loads, a proxy in front of it the others


class _Dropped(Exception):
    """The server closed the connection instead of answering, which it does when it aborts."""


def complete(
    url: str,
    api_key: str | None = None,
    prompt: str = "Hello",
    max_tokens: int = 16,
    timeout: float = 600.0,
    unit: Unit | None = None,
) -> dict[str, Any]:
    """Wait until the server at ``url`` is ready, and ask it for one completion; all within ``timeout`` seconds.

    ``unit`` is watched meanwhile: when it fails, waiting ends at once and its journal is asked why.
    Returns ``text``, ``model``, ``prompt_tokens``, ``completion_tokens``, ``prompt_tokens_per_second``,
    ``tokens_per_second``, ``seconds`` (of the completion) and ``waited_seconds`` (before it).
    Raises DroverError when there is none, with the likely cause and the remedy.
    """
    server = _Server(url, api_key)
    if max_tokens < 1:
        raise DroverError(f"max_tokens is {max_tokens}, and a completion takes at least 1.")
    began = time.monotonic()
    deadline = began + timeout
    watch = _Watch(unit)
    drops = 0
    unready: str | None = None
    before: str | None = None
    while True:
        left = _left(deadline)
        said = server.health(min(HEALTH_SECONDS, left))
        if said == NO_ANSWER and left < LAST_SECONDS:
            said = unready or said  # What was asked in the last moment tells nothing new, here and below.
        unready = said
        if said is None:
            asked = time.monotonic()
            try:
                answer, said = server.ask(prompt, max_tokens, _left(deadline))
            except socket.timeout:
                said = before
                if said is None or time.monotonic() - asked >= LAST_SECONDS:
                    raise DroverError(
                        f"{server.url} took a completion and did not finish it within the {timeout:g} seconds in all; "
                        "most likely a worker vanished from the network, or the model is very slow on these hosts: "
                        f"check the workers with playbooks/status.yml and restart {watch.name}, or allow more time."
                    ) from None
            except _Dropped:
                drops += 1
                said = "it ended in the middle of a completion"
            else:
                before = said
                if answer is not None:
                    return {**answer, "seconds": time.monotonic() - asked, "waited_seconds": asked - began}
        watch.require_running(server.url)
        if drops == MOST_DROPS:
            cause = watch.explanation(runs=2) or "most likely a worker is down; look at the log of llama-server"
            raise DroverError(f"{server.url} ended {drops} times in the middle of a completion: {cause}.")
        if time.monotonic() >= deadline:
            # Seen: it waits without a word for a worker that serves another client.
            cause = watch.explanation(runs=1) or (
                "look at the log of llama-server, where nothing at all means that a worker serves another leader, or "
                "allow more time"
            )
            raise DroverError(f"{server.url} was not ready within {timeout:g} seconds ({said}): {cause}.")
        time.sleep(POLL_SECONDS)


def health(url: str, timeout: float) -> str | None:
    """None when the server at ``url`` says that it has its model, else in a few words why not. It asks for no key.

    Waits at most ``timeout`` seconds for each step. Raises DroverError for what llama-server does not say.
    """
    return _Server(url, None).health(timeout)


def read_api_key(path: str) -> str:
    """The first API key in the file at ``path`` (one a line, comments with ``#``), as llama-server reads it."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except OSError as error:
        raise DroverError(
            f"The API key file {path} cannot be read ({error.strerror}); check the path and run as root."
        ) from error
    except UnicodeDecodeError as error:
        raise DroverError(f"The API key file {path} is not text; it must hold one key a line.") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise DroverError(f"The API key file {path} holds no key; put one on its first line.")
    return keys[0]


def _left(deadline: float) -> float:
    """Seconds until ``deadline``, never 0 (which would mean a socket that does not block)."""
    return max(0.01, deadline - time.monotonic())


class _Watch:
    """Watches the unit behind the server, no oftener than pays."""

    def __init__(self, unit: Unit | None) -> None:
        self.unit = unit
        self.name = unit.name if unit else "drover-server@*.service"
        self.asked: float | None = None
        self.restarts: int = unit.state().get("NRestarts", 0) if unit else 0

    def require_running(self, url: str) -> None:
        """Raise DroverError when the unit failed, keeps failing, or was never started."""
        now = time.monotonic()
        if self.unit is None or (self.asked is not None and now - self.asked < UNIT_SECONDS):
            return
        self.asked = now
        state = self.unit.state()
        name = self.name
        if state.get("ActiveState") == "failed":
            problem = f"{name} failed ({state.get('Result') or 'no result'})"
        elif state.get("ActiveState") == "inactive":
            problem = f"{name} does not run, so nothing answers at {url}"
        elif state.get("NRestarts", 0) - self.restarts >= MOST_RESTARTS:
            problem = f"{name} keeps ending and was restarted {state['NRestarts'] - self.restarts} times"
        else:
            return
        cause = self.explanation(runs=2) or f'start it, and look with "journalctl -u {name}" why it ended'
        raise DroverError(f"{problem}: {cause}.")

    def explanation(self, runs: int) -> str | None:
        """What the unit's journal says about its trouble, or None."""
        return explain(self.unit.log(), runs) if self.unit else None


class _Server:
    """llama-server's HTTP API, as far as it is needed here."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urlsplit(url)
        try:
            self.port = parts.port
        except ValueError:
            self.port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or self.port == -1:
            raise DroverError(f"{url!r} is not the URL of a server such as http://10.0.0.1:8080.")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise DroverError("The API key holds characters that no HTTP header can carry; use letters and digits.")
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.base = parts.path.rstrip("/")
        self.secure = parts.scheme == "https"
        self.headers = {"Content-Type": "application/json"}
        if api_key:
            self.headers["Authorization"] = f"Bearer {api_key}"

    def health(self, timeout: float) -> str | None:
        """None when the server is ready, else why it is not yet, in a few words."""
        try:
            status, _body = self._request("GET", "/health", None, timeout)
        except (socket.timeout, _Dropped):
            return NO_ANSWER
        except OSError as error:
            return (error.strerror or str(error)).lower()
        if status == 200:
            return None
        if status in NOT_READY:
            return "it is still loading the model"
        raise DroverError(
            f"{self.url}/health answered with status {status}, which llama-server does not; check the address and port."
        )

    def ask(self, prompt: str, max_tokens: int, timeout: float) -> tuple[dict[str, Any] | None, str | None]:
        """One greedy completion and None, or None and why the server is not ready after all."""
        body = {
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            # The whole prompt goes through the workers, so that its speed is a real one.
            "cache_prompt": False,
        }
        try:
            status, text = self._request("POST", "/v1/chat/completions", json.dumps(body), timeout)
        except ConnectionRefusedError:
            return None, "connection refused"
        if status in NOT_READY:
            return None, "it is still loading the model"
        if status == 401:
            raise DroverError(f"{self.url} refuses the API key; give the one that llama-server was started with.")
        try:
            answer = from_json(text)
            if status == 200:
                return _result(answer), None
            reason = str(answer["error"]["message"]).rstrip(".")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise DroverError(
                f"{self.url} answered a completion with status {status} and {text[:80]!r}, which llama-server does "
                "not; check the address and port."
            ) from None
        raise DroverError(f"{self.url} refused the completion with status {status}: {reason}.")

    def _request(self, method: str, path: str, body: str | None, timeout: float) -> tuple[int, str]:
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, self.base + path, body, self.headers)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        except (http.client.HTTPException, ConnectionResetError, BrokenPipeError):
            raise _Dropped from None
        finally:
            connection.close()


def _result(answer: Any) -> dict[str, Any]:
    message = answer["choices"][0]["message"]
    timings = answer.get("timings") or {}
    usage = answer["usage"]
    return {
        # A model that thinks first may have spent all tokens on it.
        "text": message.get("content") or message.get("reasoning_content") or "",
        "model": answer.get("model"),
        "prompt_tokens": int(usage["prompt_tokens"]),
        "completion_tokens": int(usage["completion_tokens"]),
        "prompt_tokens_per_second": timings.get("prompt_per_second"),
        # One token comes with the prompt, and its own time is nothing.
        "tokens_per_second": timings.get("predicted_per_second") if timings.get("predicted_n", 0) > 1 else None,
    }
