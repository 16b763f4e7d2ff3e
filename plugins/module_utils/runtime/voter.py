# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent's vote on who leads, see ``healing.lease``: kept over a restart of the agent, and not over one of its host.

Written down is only to whom it has granted the lease, when that is another one: memory cards wear out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..checks import text
from ..errors import DroverError
from ..healing.lease import Terms, begun_anew, holder, vote
from ..healing.sight import SCHEMA
from ..hosts.process import boot
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from .decisions import read_document, write_document
from .http_service import Refused

TERMS = Terms()


def boot_clock() -> float:
    """Seconds since the boot, also those in which the machine slept: others went on counting."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Voter:
    """The vote of the machine in ``tree`` in ``cluster``; ``clock`` is for tests."""

    def __init__(self, cluster: Cluster, tree: Tree, clock: Callable[[], float] = boot_clock) -> None:
        self.path, self.clock, self.boot = tree.path(cluster.lease_path), clock, boot(tree)
        kept = read_document(self.path)
        known = kept.get("host") if isinstance(kept, dict) and self.boot and kept.get("boot") == self.boot else None
        self.known = known if isinstance(known, str) and known else None
        self.grant = begun_anew(TERMS, self.known, clock())
        self.lock = threading.Lock()

    def ask(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is told to the ``host`` that asks for the lease if it ``takes`` it: see ``healing.sight``. Raises
        DroverError where it cannot be written down: then it is not granted."""
        try:
            host = text(wanted.get("host"), "The host that asks for the lease")
        except DroverError as error:
            raise Refused(403, str(error)) from error
        with self.lock:
            now, granted = self.clock(), False
            if wanted.get("takes") is True:
                grant, granted = vote(TERMS, self.grant, host, now)
                if granted and host != self.known:
                    write_document(self.path, {"schema": SCHEMA, "boot": self.boot, "host": host})
                    self.known = host
                self.grant = grant
            return {"schema": SCHEMA, "granted": granted, "holder": holder(self.grant, now)}
