# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' API as the actions need it: objects as dictionaries, told in one sentence when there are none."""

from __future__ import annotations

import json
import os
import time
from urllib.parse import quote, urlencode

from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError

try:
    from kubernetes import client, config
    from kubernetes.stream import stream
    from urllib3.exceptions import HTTPError
except ImportError as error:
    MISSING = error
else:
    MISSING = None

SECONDS = 30
STDIN_PIECE = 1 << 20


class Forbidden(DroverError):
    """The kubeconfig's user may not see it."""


class Api:
    """A connection by a kubeconfig, and a context of it (empty: its current one)."""

    def __init__(self, kubeconfig, context=""):
        if MISSING:
            raise DroverError(
                f"The Python that runs Ansible has no client for Kubernetes ({MISSING}): install the package "
                "kubernetes there, with pip, or as python3-kubernetes."
            )
        path = os.path.expanduser(kubeconfig)
        if not os.path.isfile(path):
            raise DroverError(
                f"There is no kubeconfig {path}: set kubernetes_kubeconfig, or KUBECONFIG in the environment, to the "
                "file that kubectl uses."
            )
        try:
            self._client = config.new_client_from_config(path, context or None, persist_config=False)
        except Exception as error:  # whatever is in a file that people write
            raise DroverError(
                f"The kubeconfig {path} cannot be used ({_line(error)}): correct it, or set kubernetes_context."
            ) from error
        self.host = self._client.configuration.host

    def get(self, path, **query):
        """The object at ``path``; None where there is none, and where the API knows no such kind."""
        return self._request("GET", path, query)

    def list(self, path, kind="", **query):
        """The objects at ``path``, each with its ``kind``, which lists leave out."""
        found = self._request("GET", path, query) or {}
        return [{**item, **({"kind": kind} if kind else {})} for item in found.get("items") or []]

    def events(self, namespace):
        """What happened in a namespace of late."""
        return self.list(f"/api/v1/namespaces/{namespace}/events")

    def create(self, path, body):
        """What the API makes of ``body``."""
        return self._request("POST", path, {}, body)

    def log(self, namespace, pod):
        """The log of a pod of one container."""
        return self._request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {}, text=True) or ""

    def execute(self, namespace, pod, container, command, timeout=600, send=None, line=None, enough=None):
        """Run ``command`` in a container: exit code, standard output and standard error.

        ``send``: a file and a number of bytes to send to its standard input, once it has printed ``send`` in a line,
        and what is told how many of how many are sent. ``line``: a line to give it at once. ``enough``: is asked every
        second, with what it has printed so far on both, whether to leave it alone and running.
        """
        core = client.CoreV1Api(self._client)
        given = send is not None or line is not None
        options = {"stdin": given, "stdout": True, "stderr": True, "tty": False, "_preload_content": False}
        try:
            running = stream(
                core.connect_get_namespaced_pod_exec, pod, namespace, container=container, command=command, **options
            )
            output = {1: "", 2: ""}
            deadline = time.monotonic() + timeout
            if line is not None:
                running.write_stdin(f"{line}\n".encode())
            while running.is_open() and time.monotonic() < deadline:
                if enough and enough(output[1], output[2]):
                    running.close()
                    return 0, output[1], output[2]
                running.update(timeout=1)
                for channel in output:
                    output[channel] += running.read_channel(channel) if channel in running._channels else ""
                if send and output[1].startswith("send\n"):
                    _send(running, *send)
                    send = None
            for channel in output:
                output[channel] += running.read_channel(channel) or ""
            if running.is_open():
                running.close()
                raise DroverError(f"{pod} took a command and did not end it within {timeout} seconds: look at its log.")
            return running.returncode, output[1], output[2]
        except DroverError:
            raise
        except Exception as error:  # of the web socket, of its handshake, of the connection below
            raise DroverError(
                f"Nothing can be run in the pod {pod} ({_line(error)}): see that the kubeconfig's user may create "
                f"pods/exec in {namespace}, and that the pod runs."
            ) from error

    def _request(self, method, path, query, body=None, text=False):
        url = f"{self.host}{quote(path)}{'?' + urlencode(query) if query else ''}"
        headers = {"Accept": "application/json, */*", "Content-Type": "application/json"}
        headers.update({each["key"]: each["value"] for each in self._client.configuration.auth_settings().values()})
        try:
            answer = self._client.rest_client.pool_manager.request(
                method, url, headers=headers, body=json.dumps(body) if body else None, timeout=SECONDS, retries=2
            )
        except HTTPError as error:
            raise DroverError(
                f"Kubernetes' API at {self.host} does not answer ({_line(error)}): see that it runs and that this "
                "machine reaches it, or use another kubeconfig or context."
            ) from error
        content = answer.data.decode("utf-8", "replace")
        if answer.status == 404:
            return None
        if answer.status >= 400:
            kind = Forbidden if answer.status == 403 else DroverError
            raise kind(f"Kubernetes' API at {self.host} refuses {method} {path} ({_told(content, answer)}).")
        return content if text else json.loads(content)


def _send(running, file, size, tell):
    sent = 0
    while sent < size:
        piece = file.read(min(size - sent, STDIN_PIECE))
        if not piece:
            raise DroverError(f"{file.name} became shorter while it was sent: run again once nobody writes it.")
        running.write_stdin(piece)
        sent += len(piece)
        tell(sent, size)


def complaint(complained):
    """The last thing that the runtime said on standard error; empty for nothing."""
    lines = [line.removeprefix("drover: ").strip() for line in complained.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _told(content, answer):
    try:
        return _line(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"


def _line(message):
    line = " ".join(str(message).split()).rstrip(".")
    return line if len(line) <= 300 else f"{line[:300]}..."
