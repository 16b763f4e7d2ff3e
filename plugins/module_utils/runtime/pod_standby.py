# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod of a leader in a cluster with a standby: its one voter is Kubernetes' API, and what else is on its node are
other pods."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from ..errors import DroverError
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import AGENT_VARIABLE, LEASE_VARIABLE, POD_VARIABLE
from .agents import Agent
from .api_lease import ApiLease
from .at_once import all_at_once
from .say import complain
from .standby import Candidate

API = "Kubernetes' API"
# It is stuck meanwhile, also while a name server is silent that was on the node that is gone.
LET_GO_SECONDS = 2.0


class PodCandidate(Candidate):
    """A pod that may lead."""

    def __init__(self, cluster: Cluster, tree: Tree, root: dict[str, Any]) -> None:
        super().__init__(cluster, tree, root)
        self.lease = ApiLease(os.environ[LEASE_VARIABLE], self.host, os.environ[POD_VARIABLE], self.place == 0)
        self.problem = ""
        self.is_to_end = False

    def find_voters(self) -> tuple[dict[str, Mapping[str, Any]], int, bool]:
        """The API alone, by whose word it leads."""
        return {API: {}}, 1, False

    def run(self) -> int:
        """As any other, until it is told to end."""
        signal.signal(signal.SIGTERM, self.end)
        return super().run()

    def look(self) -> int | None:
        """As any other; told to end, it hands on the lease."""
        if not self.is_to_end:
            return super().look()
        self.end_child()
        try:
            # The plan's leader comes back in a moment. In the place of a standby whoever comes first may lead.
            self.lease.give_back("" if self.place else self.host)
        except DroverError as error:
            complain(str(error))  # then it is another's when it is over
        return 128 + signal.SIGTERM

    def end(self, _number: int, _frame: object) -> None:
        """Have it end."""
        self.is_to_end = True

    def let_go(self) -> None:
        """Have the RPC server in the pod of this node's worker let go of what the leader before gave it."""
        address, _colon, port = os.environ.get(AGENT_VARIABLE, "").rpartition(":")
        if address:
            agent = Agent(self.host, address, int(port), self.secret)
            said = all_at_once({self.host: agent.let_go}, LET_GO_SECONDS)[self.host]
            agent.give_up()
            agent.close()
            if isinstance(said, DroverError):
                complain(str(said))  # then there is nothing that it could hold

    def ask(self, _voter: str, _asked: float) -> None:
        """Ask the API once; what it said last counts while it says nothing."""
        try:
            self.votes[API], self.problem = self.lease.ask(self.takes), ""
        except DroverError as error:
            if str(error) != self.problem:
                complain(str(error))
            self.problem = str(error)
