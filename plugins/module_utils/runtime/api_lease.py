# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one voter of a cluster in Kubernetes: a Lease of its API (coordination.k8s.io/v1), see ``healing.lease``.

The API writes one version after the other, and takes none that is made of an older one (409). What time stands in it is
for people: clocks may be wrong. A lease is another's for ``granted_seconds`` after this process has seen it change, by
the clock of its own machine, as client-go has it.

Its holder is ``NODE_POD``, so that two pods of one node are two holders, and stays that for as long as the pod does,
whatever is started anew in it. ``NODE`` alone is left by a pod that was told to end, and has ended all that it ran: the
next one on that node goes on at once.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ..checks import dictionary, from_json
from ..errors import DroverError
from ..healing.lease import BETWEEN, Vote
from ..serving.deployment import ACCOUNT_FOLDER
from .voter import TERMS, boot_clock

# Of one that does not answer another server may: in ``held_seconds`` there is time for three.
SECONDS = 3.0
MOST_BYTES = 1 << 20
_HOLDER = "holderIdentity"


def connect() -> http.client.HTTPConnection:
    """A connection to the API that this pod is told of. Raises DroverError where it is told of none."""
    try:
        place = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
        trusted = ssl.create_default_context(cafile=f"{ACCOUNT_FOLDER}/ca.crt")
        # Python 3.13 wants extensions that not every cluster's certificates have.
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except (KeyError, ValueError, OSError) as error:
        raise DroverError(f"This pod is not told where Kubernetes' API is ({error!r}): run kubernetes.yml.") from error
    return http.client.HTTPSConnection(*place, timeout=SECONDS, context=trusted)


class ApiLease:
    """The Lease at ``path`` as the ``pod`` on ``host`` sees it, which is the ``first`` of those who may lead, or not;
    ``clock`` and ``connects`` are for tests."""

    def __init__(
        self,
        path: str,
        host: str,
        pod: str,
        first: bool = True,
        clock: Callable[[], float] = boot_clock,
        connects: Callable[[], http.client.HTTPConnection] = connect,
    ) -> None:
        self.path, self.host, self.identity = path, host, f"{host}{BETWEEN}{pod}"
        self.first, self.clock, self.connects = first, clock, connects
        self.connection: http.client.HTTPConnection | None = None
        # What was seen last, since when, and whether that had changed before this process's eyes.
        self.seen: dict[str, Any] | None = None
        self.since, self.moves = 0.0, False
        # Since when the API has not answered a reading.
        self.away: float | None = None
        self.lock, self.is_given_back = threading.Lock(), False

    def ask(self, takes: bool) -> Vote:
        """Whose the lease is, granted to this pod if it ``takes`` it. Raises DroverError where the API does not say
        so."""
        with self.lock:
            return self._ask(takes and not self.is_given_back)

    def give_back(self, holder: str) -> None:
        """Leave it to ``holder``, or to anybody, for good; all that needs it has ended. Raises DroverError as ``ask``
        does."""
        with self.lock:
            self.is_given_back = True
            lease = self._read()
            if self.seen and self.seen.get(_HOLDER) == self.identity:
                self._write(lease, holder)

    def _ask(self, takes: bool) -> Vote:
        asked = self.clock()
        lease = self._read()
        holder = str(self.seen.get(_HOLDER) or "") if self.seen else ""
        is_own = holder in (self.identity, self.host)
        is_over = not holder or self.clock() - self.since >= TERMS.granted_seconds
        if not self.seen and not self.first:
            # Nobody has led yet: the plan's leader may still fetch its model.
            return Vote(asked, False, "")
        if takes and (is_own or is_over):
            self._write(lease, self.identity)
            return Vote(asked, True, self.host)
        if is_own:
            return Vote(asked, False, self.host)
        if is_over:
            return Vote(asked, False, None)
        # One that never changed may be of somebody who is gone.
        return Vote(asked, False, holder.partition(BETWEEN)[0] if self.moves else "")

    def _read(self) -> dict[str, Any]:
        began = self.clock()
        try:
            lease = self._exchange("GET")
        except DroverError:
            self.away = began if self.away is None else self.away
            raise
        self._look(lease)
        self.away = None
        return lease

    def _look(self, lease: dict[str, Any]) -> None:
        spec = dictionary(lease.get("spec") or {}, f"The spec of {self.path}")
        now = self.clock()
        if spec != self.seen:
            # Only now: it may have been written after it was asked for.
            self.moves, self.since, self.seen = self.seen is not None, now, spec
        elif self.away is not None and now - self.away >= TERMS.held_seconds:
            # Whoever has it may have been cut off from the API as this one was, and comes first now.
            self.since = now

    def _write(self, lease: dict[str, Any], holder: str) -> None:
        """Have the API make a new version of ``lease``, as it was read, with this ``holder``. Raises DroverError where
        it does not, such as for another one that was made in between: who leads reads it anew then, and goes on if it
        is still its own."""
        spec, now = lease.get("spec") or {}, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        wanted = {**spec, "leaseDurationSeconds": int(TERMS.granted_seconds), "renewTime": now, _HOLDER: holder}
        if not holder:
            # The API has no empty one.
            del wanted[_HOLDER]
        elif holder != spec.get(_HOLDER):
            wanted.update(acquireTime=now, leaseTransitions=int(spec.get("leaseTransitions") or 0) + 1)
        made = self._exchange("PUT", {**lease, "spec": wanted})
        self._look(made)
        if _version(made) == _version(lease):
            # Nobody else would see it.
            raise DroverError(f"Kubernetes' API has made no new version of {self.path}: set this node's clock.")

    def _exchange(self, method: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """The Lease that the API answers with."""
        token = _token()
        try:
            status, body = self._talk(method, json.dumps(content) if content else None, token)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            raise DroverError(
                f"Kubernetes' API does not answer ({error or type(error).__name__}): see to it, or nobody leads."
            ) from error
        if status == http.client.CONFLICT:
            raise DroverError(f"{self.path} was written by somebody else in between, and is asked for again.")
        if status != http.client.OK:
            self._hang_up()
            raise DroverError(
                f"Kubernetes' API answers {status} ({http.client.responses.get(status, 'unknown')}) where {self.path} "
                "was expected: run kubernetes.yml, which makes it and lets this pod have it."
            )
        try:
            return dictionary(from_json(body), f"What Kubernetes' API answers for {self.path}")
        except ValueError as error:
            raise DroverError(f"Kubernetes' API answers what is no JSON for {self.path}: see to it.") from error

    def _talk(self, method: str, body: str | None, token: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        self.connection = self.connection or self.connects()
        self.connection.request(method, self.path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read(MOST_BYTES)

    def _hang_up(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


def _token() -> str:
    """Another one every hour."""
    try:
        with open(f"{ACCOUNT_FOLDER}/token", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError) as error:
        raise DroverError(f"{ACCOUNT_FOLDER}/token cannot be read ({error}): run kubernetes.yml.") from error


def _version(lease: dict[str, Any]) -> object:
    return dictionary(lease.get("metadata"), "The metadata of the Lease").get("resourceVersion")
