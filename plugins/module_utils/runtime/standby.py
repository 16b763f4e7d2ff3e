# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover leader`` on a host that leads, or stands by, in a cluster with a standby: waits for the lease (see
``healing.lease``), starts the leader as in any other cluster as its child, and kills it before the lease can be
another's. In a pod Kubernetes' API has the lease, and the pod is told of it in its environment (see ``api_lease``).

That it does so does not hang on this process alone. When it ends, the kernel kills the child (see ``tether``); and the
service manager ends both when it is stuck (its watchdog, see sd_notify(3)).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..errors import DroverError
from ..healing.lease import Memory, Vote, follow, held_until, leads
from ..healing.sight import SCHEMA, see_state
from ..hosts.process import marked_process, process_mark
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import LEASE_VARIABLE
from .agents import Agent
from .command import EX_TEMPFAIL
from .decisions import decision, read_document, write_document
from .leader import load_members
from .notify import SOCKET, notify, tell_status
from .part import LEASED, load_deployment
from .say import say
from .secret import read_secret
from .voter import TERMS, boot_clock

LOOK_SECONDS = 0.25
TELL_SECONDS = 2.0
# An agent on a busy machine takes a while.
ASK_SECONDS = 5.0
# For so long this process may be stuck, and so much of the lease must be left when it says that it is not.
STUCK_SECONDS = 5.0


def lead(cluster: Cluster, root: dict[str, Any]) -> int:
    """Lead ``cluster`` by ``root``, this host's deployment as its leader, while it has the lease: the exit code."""
    if LEASE_VARIABLE in os.environ:
        from .pod_standby import PodCandidate

        return PodCandidate(cluster, Tree(), root).run()
    return Candidate(cluster, Tree(), root).run()


def standing_by(cluster: Cluster, tree: Tree) -> str | None:
    """Who leads, in a sentence, on a host that stands by for ``cluster``; None on one that leads, or does neither."""
    found = read_document(cluster.leading_path)
    if not isinstance(found, dict) or not marked_process(tree, str(found.get("mark"))) or found.get("leads"):
        return None
    return f"Stands by; {found.get('leader') or 'nobody'} leads."


class Candidate:
    """A host that may lead, and what its voters have said."""

    def __init__(self, cluster: Cluster, tree: Tree, root: dict[str, Any]) -> None:
        self.cluster, self.tree, self.root = cluster, tree, root
        self.host, self.leaders = root["host"], root["healing"]["leaders"]
        self.place = self.leaders.index(self.host)
        self.secret = read_secret(cluster)
        self.worker: dict[str, Any] | None = None
        self.voters, self.members, self.own = self.find_voters()
        self.votes: dict[str, Vote] = {}
        self.memory = Memory(boot_clock())
        self.takes = False
        self.tether = -1
        self.child: subprocess.Popen[bytes] | None = None
        self.told, self.tell_at = "", 0.0
        self.written: dict[str, Any] = {}

    def find_voters(self) -> tuple[dict[str, Mapping[str, Any]], int, bool]:
        """Where whom it asks for the lease is, of how many members, and whether it has a vote of its own."""
        voters: dict[str, Mapping[str, Any]] = dict(load_members(self.cluster)["agents"])
        if self.place:
            worker = self.worker = load_deployment(Cluster(self.cluster.name))
            voters[self.host] = {"address": worker["listen"]["address"], "port": worker["healing"]["port"]}
        # The plan's leader has no agent, and a vote of its own.
        return voters, len(voters) + 1, self.place == 0

    def run(self) -> int:
        """Stand by, and lead; comes back when the child has ended or the lease is lost."""
        for voter in self.voters:
            threading.Thread(target=self.ask_on, args=(voter,), daemon=True).start()
        notify(f"WATCHDOG_USEC={int(STUCK_SECONDS * 1e6)}")
        while True:
            code = self.look()
            if code is not None:
                return code
            time.sleep(LOOK_SECONDS)

    def look(self) -> int | None:
        """Look once, and do what is to be done: the exit code, or None to go on."""
        now, votes = boot_clock(), dict(self.votes)
        until = held_until(TERMS, votes, self.members, self.own)
        if self.child is None and now < until:
            self.child = self.start()
        elif self.child is None:
            memory, place = self.memory, self.place
            self.memory = follow(TERMS, memory, votes, self.members, self.own, self.host, place, now)
        elif self.child.poll() is not None:
            return self.child.returncode if self.child.returncode >= 0 else 128 - self.child.returncode
        elif now >= until:
            self.end_child()
            say("The lease could not be renewed with most members, and another host may lead: stands by.")
            return EX_TEMPFAIL
        self.takes = self.child is not None or self.memory.tries is not None
        if self.child is None or until - now >= STUCK_SECONDS:
            notify("WATCHDOG=1")
        if now >= self.tell_at:
            self.tell_at = now + TELL_SECONDS
            self.tell(leads(votes.values()))
        return None

    def end_child(self) -> None:
        """End the leader at once, if it runs."""
        if self.child:
            self.child.kill()
            self.child.wait()

    def start(self) -> subprocess.Popen[bytes]:
        """The leader, as it is started where there is no standby."""
        say("Has the lease, and leads")
        self.let_go()
        # The other end is open for as long as this process lives.
        tied, self.tether = os.pipe()
        environment = {**os.environ, LEASED: str(tied)}
        # What it has to say goes to the journal, and the service manager listens to this process alone.
        environment.pop(SOCKET, None)
        command = [sys.executable, sys.argv[0], "leader", "--cluster", self.cluster.name]
        child = subprocess.Popen(command, env=environment, pass_fds=[tied])
        os.close(tied)
        return child

    def let_go(self) -> None:
        """End this host's own RPC server where it holds what the leader before gave it: its memory is needed."""
        rpc = see_state(self.tree, self.worker)["rpc"] if self.worker else None
        if rpc and rpc["clients"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rpc["pid"], signal.SIGKILL)

    def ask_on(self, voter: str) -> None:
        """Ask ``voter`` for the lease, or whose it is, again and again."""
        while True:
            began = boot_clock()
            self.ask(voter, began)
            time.sleep(max(0.1, TERMS.renew_seconds - (boot_clock() - began)))

    def ask(self, voter: str, asked: float) -> None:
        """Ask ``voter`` once, at the moment ``asked``; what it said last counts while it says nothing."""
        place = self.voters[voter]
        agent = Agent(voter, place["address"], place["port"], self.secret, ASK_SECONDS)
        try:
            said = agent.lease(self.host, self.takes)
            self.votes[voter] = Vote(asked, said["granted"], said["holder"])
        except DroverError:
            pass
        finally:
            agent.close()

    def tell(self, leader: str | None) -> None:
        """Say who leads, to people, the watch and the service manager."""
        is_leader = self.child is not None
        written = {
            "schema": SCHEMA,
            "leads": is_leader,
            "leader": self.host if is_leader else leader,
            "mark": process_mark(self.tree, os.getpid()),
        }
        if written != self.written:
            with contextlib.suppress(DroverError):  # on a full disk it leads all the same
                write_document(self.cluster.leading_path, written)
                self.written = written
        decided = decision(self.cluster, self.tree) if is_leader else None
        sentence = f"Stands by; {leader or 'nobody'} leads"
        if is_leader:
            sentence = str(decided["waiting"]) if decided and decided["waiting"] else "Leads"
        tell_status(sentence)
        if sentence != self.told and not is_leader:
            say(sentence)
        self.told = sentence
