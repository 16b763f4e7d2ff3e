# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader that heals: at every start it looks who is there, plans for these if the plan does not hold any more, has
the workers run what they are to run, and becomes llama-server. While the model does not fit it waits, and says why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ..errors import DroverError
from ..healing.granted import SCHEMA, of_leader
from ..healing.joins import newcomers
from ..healing.members import REMEDY, read_members
from ..healing.replan import SILENT, SLOW, Answer, Outcome, replan
from ..healing.sight import see_lent
from ..healing.strikes import Strikes, counted, resting
from ..healing.told import told_before
from ..hosts.process import boot, process_mark
from ..hosts.tree import Tree
from ..serving.cluster import Cluster, led
from ..serving.deployment import in_pod
from ..serving.tunnel import CLIENT
from .agents import Agent, ask_all
from .alike import agents_of, strangers
from .at_once import all_at_once
from .decisions import decision, granted, read_document, write_document
from .documents import load_document
from .known import Known
from .notify import tell_status
from .owners import owners_at_most
from .say import complain, say
from .secret import read_secret
from .workers import at_places

LOOK_SECONDS = 2.0
# After a power cut workers come back one by one: for so long a plan with all of them is waited for. One that is there,
# and too busy to answer, is given longer.
PATIENCE_SECONDS = {SILENT: 6.0, SLOW: 20.0}
DEPLOY_SECONDS = 5.0
READY_SECONDS = 20.0
GREET_SECONDS = 3.0
# What has refused its part is asked again after a while.
REFUSED_SECONDS = 60.0


def decide(name: str, root: dict[str, Any]) -> dict[str, Any]:
    """What the leader of the cluster called ``name`` runs now, which its workers run by already: a deployment. ``root``
    is the one that it was granted. Waits as long as it takes. Raises DroverError for documents that are none."""
    cluster, tree = led(name), Tree()
    return _Start(cluster, tree, load_members(cluster), root).run()


def load_members(cluster: Cluster) -> dict[str, Any]:
    """The members of ``cluster``. Raises DroverError for documents that are none, or another cluster's."""
    members = read_members(load_document(cluster.members_path, REMEDY))
    if members["cluster"] != cluster.name:
        raise DroverError(f"{cluster.members_path} is for the cluster {members['cluster']}: {REMEDY}.")
    return members


class _Start:
    """One start of the leader."""

    def __init__(self, cluster: Cluster, tree: Tree, members: dict[str, Any], root: dict[str, Any]) -> None:
        self.cluster, self.tree, self.root = cluster, tree, root
        self.secret = read_secret(cluster)
        self.known = Known(members, self.secret)
        self.grant = granted(cluster, tree)
        before = decision(cluster, tree)
        self.plan: dict[str, Any] = before["plan"] if before else members["plan"]
        self.absent: dict[str, str] = before["absent"] if before else {}
        self.lesser: dict[str, int] = before["lesser"] if before else {}
        # Of an earlier boot, when this host's clock was another, nothing is held against anybody.
        same_boot = before is not None and str(before["leader"]).startswith(f"{boot(tree)}:")
        self.before = before if same_boot else None
        self.strikes: Strikes = self.before["strikes"] if self.before else {}
        self.told = ""
        self.refused: dict[str, tuple[float, str]] = {}
        # While this host leads, no other does that could.
        leaders = root["healing"].get("leaders", [members["leader"]])
        able = [tally for tally in members["tallies"] if tally["host"] in leaders]
        self.leaders_addresses = {entry["address"] for tally in able for entry in tally["network"]["addresses"]}
        # A worker sees its own end of the tunnel, by which nobody but a leader comes.
        self.leaders_addresses.add(CLIENT)

    @property
    def members(self) -> dict[str, Any]:
        """As they are known now."""
        return self.known.members

    def run(self) -> dict[str, Any]:
        """The deployment to become."""
        began = time.monotonic()
        lost = self._known_as_lost()
        planned = {endpoint["host"] for endpoint in self.plan["endpoints"]}
        while True:
            answers = agents_of(self.members, ask_all(self.known.now(), self.secret))
            self.known.heard(answers)
            now = time.monotonic()
            missed = [host for host in planned - lost if now - began < _patience(answers.get(host))]
            if missed:
                self._tell(f"Looks for {', '.join(sorted(missed))}")
                time.sleep(LOOK_SECONDS / 4)
                continue
            self._count_strikes(answers, now)
            self.refused = {host: said for host, said in self.refused.items() if now < said[0]}
            answers.update({host: Answer(problem=reason) for host, (_until, reason) in self.refused.items()})
            memory = see_lent(self.tree, self.root)["memory"]
            tired = {host: Answer(problem=reason) for host, reason in resting(self.strikes, now).items()}
            outcome = self._replan({**answers, **tired}, memory)
            if outcome.plan is not None:
                answers.update(tired)
            elif tired:
                # Now and then is better than not at all.
                outcome = self._replan(answers, memory)
            if outcome.plan is None or outcome.deployments is None:
                self._wait(outcome)
                continue
            workers = self._deploy(outcome.plan, outcome.deployments, answers)
            if workers is None:
                continue
            mine = of_leader(self.root, outcome.deployments[self.members["leader"]])
            self._write(outcome.plan, mine, outcome.absent, workers, None, outcome.lesser)
            self._tell(_serving(outcome.plan, outcome.absent))
            return {**mine, "arguments": at_places(mine["arguments"], self._addresses(outcome.plan))}

    def _addresses(self, plan: dict[str, Any]) -> dict[str, str]:
        """What the names stand for by which ``plan`` knows its workers: where their agents have answered."""
        places = self.known.now()
        return {end["address"]: places[end["host"]]["address"] for end in plan["endpoints"]}

    def _replan(self, answers: Mapping[str, Answer], memory: dict[str, Any]) -> Outcome:
        owners = owners_at_most(self.cluster, self.grant)
        measured = read_document(self.cluster.measured_path)
        absent = {**newcomers(self.members, self.plan), **self.absent}
        return replan(self.members, answers, memory, self.plan, absent, owners, self.lesser, measured)

    def _count_strikes(self, answers: Mapping[str, Answer], now: float) -> None:
        """Once: see whose RPC server has not outlived the run before."""
        if self.before:
            heard = {host: answer.state["rpc"] for host, answer in answers.items() if answer.state}
            found = {host: rpc["mark"] if rpc else None for host, rpc in heard.items()}
            self.strikes = counted(self.strikes, self.before["began"], self.before["workers"], found, now)
        self.before = None

    def _known_as_lost(self) -> set[str]:
        """The workers that the watch has ended llama-server for: nobody need be patient with them, but after a boot,
        when they may come back as this host does."""
        told = told_before(read_document(self.cluster.watch_path))
        if not told or told["boot"] != boot(self.tree):
            return set()
        return {host for host, worker in told["workers"].items() if not worker["up"]}

    def _wait(self, outcome: Outcome) -> None:
        sentence = f"The model does not fit now: it {outcome.waiting}."
        if outcome.waiting[:5] != "needs":
            sentence = f"{outcome.waiting}."
        if self.told != sentence:
            self._write(self.plan, self.root, self.absent, {}, sentence, self.lesser)
        self._tell(sentence, why=True)
        time.sleep(LOOK_SECONDS)

    def _deploy(
        self, plan: dict[str, Any], deployments: dict[str, dict[str, Any]], answers: Mapping[str, Answer]
    ) -> dict[str, str] | None:
        """Have the workers run what they are to run: host -> the mark of its RPC server, of those that hold layers;
        None when one of these did not come along."""
        needed = [endpoint["host"] for endpoint in plan["endpoints"]]
        others = [host for host in deployments if host in answers and not answers[host].problem]
        places = self.known.now()
        agents = {host: Agent(host, places[host]["address"], places[host]["port"], self.secret) for host in others}
        said = all_at_once(
            {host: _sending(agents[host], deployments[host], self._stale(answers[host])) for host in others},
            DEPLOY_SECONDS,
        )
        for host in others:
            if said[host] is None:
                agents[host].give_up()
        for host in needed:
            if not isinstance(said.get(host), dict):
                self._refuse(host, str(said.get(host) or SILENT).rstrip("."))
        if any(host in self.refused for host in needed):
            return None
        ended = {host: result.get("ended") for host, result in said.items() if isinstance(result, dict)}
        marks = self._ready(needed, ended)
        return marks if marks is not None and self._speak_alike(plan["endpoints"], deployments) else None

    def _ready(self, needed: list[str], ended: Mapping[str, Any]) -> dict[str, str] | None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            answers = ask_all(self.known.now(), self.secret, needed, lent=False)
            marks = {host: self._free_mark(answers[host], ended.get(host)) for host in needed}
            found = {host: mark for host, mark in marks.items() if mark}
            if len(found) == len(marks):
                return found
            if time.monotonic() >= deadline:
                for host in marks.keys() - found.keys():
                    self._refuse(host, "its RPC server does not start")
                return None
            time.sleep(LOOK_SECONDS / 4)

    def _speak_alike(self, endpoints: list[dict[str, Any]], deployments: Mapping[str, dict[str, Any]]) -> bool:
        """Whether the RPC servers at ``endpoints``, which nobody uses yet, can be spoken to."""
        found = strangers(self.members, endpoints, deployments, self.known.now(), GREET_SECONDS)
        for host, reason in found.items():
            self._refuse(host, reason)
        return not found

    def _free_mark(self, answer: Answer, ended: object) -> str | None:
        """The mark of an RPC server that waits for its leader."""
        rpc = answer.state["rpc"] if answer.state else None
        return rpc["mark"] if rpc and rpc["mark"] != ended and not self._stale(answer) else None

    def _stale(self, answer: Answer) -> bool:
        """Whether an RPC server believes to serve a host on which no llama-server runs, this one or one that led
        before: the cable was pulled, and it was never told. It would hear of nobody else. A pod may have had any
        address before."""
        clients = set(answer.state["rpc"]["clients"]) if answer.state and answer.state["rpc"] else set()
        return bool(clients if in_pod(self.root) else clients & self.leaders_addresses)

    def _refuse(self, host: str, reason: str) -> None:
        say(f"{host} takes no part: {reason}.")
        self.refused[host] = (time.monotonic() + REFUSED_SECONDS, reason)

    def _tell(self, sentence: str, why: bool = False) -> None:
        """Say what this start does; with ``why`` it is why nothing is served, which ``serving.symptoms`` looks for."""
        tell_status(sentence)
        if sentence != self.told:
            (complain if why else say)(sentence)
            self.told = sentence

    def _write(
        self,
        plan: dict[str, Any],
        deployment: dict[str, Any],
        absent: Mapping[str, str],
        workers: Mapping[str, str],
        waiting: str | None,
        lesser: Mapping[str, int],
    ) -> None:
        write_document(
            self.cluster.running_path,
            {
                "schema": SCHEMA,
                "grant": self.grant,
                "plan": plan,
                "deployment": deployment,
                "absent": dict(absent),
                "lesser": dict(lesser),
                "workers": dict(workers),
                # It becomes llama-server, which is the same process.
                "leader": process_mark(self.tree, os.getpid()),
                "waiting": waiting,
                "began": time.monotonic(),
                "strikes": self.strikes,
            },
        )


def _patience(answer: Answer | None) -> float:
    """How long it is waited for who gave that ``answer``; None for one that was not found."""
    return PATIENCE_SECONDS.get(answer.problem if answer else SILENT, 0.0)


def _sending(agent: Agent, deployment: dict[str, Any], fresh: bool) -> Any:
    def send() -> dict[str, Any]:
        try:
            return agent.deploy(deployment, fresh)
        finally:
            agent.close()

    return send


def _serving(plan: dict[str, Any], absent: Mapping[str, str]) -> str:
    held = [endpoint["host"] for endpoint in plan["endpoints"]]
    told = f"Serves with {', '.join(held)}" if held else "Serves alone"
    without = [f"{host} ({reason})" for host, reason in sorted(absent.items())]
    return f"{told}, without {', '.join(without)}" if without else told
