# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover watch``: on the leader, looks at the workers through their agents, and ends llama-server when requests can
only hang, or when a better plan has become possible; its service starts it anew. Tells true health to whoever asks:

| request | answer |
| --- | --- |
| ``GET /health`` | 200 when a completion through the current workers could succeed, else 503 and why not |
| ``GET /metrics`` | numbers for Prometheus |
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import threading
import time
from typing import Any

from ..errors import DroverError
from ..healing.granted import of_leader
from ..healing.joins import newcomers
from ..healing.metrics import watch_metrics
from ..healing.policy import SAME, SLOW, Decision, Limits, Look, Memory, decide
from ..healing.replan import SLOW as SLOW_ANSWER
from ..healing.replan import Answer, Outcome, replan
from ..healing.sight import see_lent
from ..healing.strikes import resting
from ..hosts.listener import find_listeners
from ..hosts.pressure import read_pressure
from ..hosts.process import marked_process, process_mark
from ..hosts.tree import Tree
from ..serving.cluster import Cluster, led
from ..serving.completion import health, read_api_key
from ..serving.deployment import in_pod
from .agent import listen
from .agents import ask_all
from .alike import agents_of, strangers
from .command import EX_TEMPFAIL
from .decisions import decision, granted, last_decision, read_document
from .http_service import Handler, Refused
from .known import Known
from .leader import load_members
from .owners import Owners
from .part import load_deployment
from .say import say
from .secret import read_secret
from .sights import REASONS, sights_of
from .standby import standing_by
from .written import Written

LOOK_SECONDS = 2.0
ASK_SECONDS = 1.5
# To end in an orderly way takes no longer.
END_SECONDS = 5.0
# A plan with who is back is looked for again after so long, and later where an end did not bring it about.
WEIGH_SECONDS = 60.0
TRIED_SECONDS = 600.0
MOST_TRIED_SECONDS = 6 * 3600.0
# In place of the mark of an RPC server that is back.
FREE = "its memory is free"
_PROCESSING = re.compile(r"^llamacpp:requests_processing\s+(\S+)", re.MULTILINE)


def watch(name: str) -> int:
    """Watch the cluster called ``name``, which this host leads, until its documents are written anew: EX_TEMPFAIL, for
    there is more to watch then. 0 where there is nothing to watch."""
    cluster, tree = led(name), Tree()
    root = load_deployment(cluster)
    if root["part"] != "leader" or not root["healing"]:
        return 0
    watched = Watch(cluster, tree, root, load_members(cluster), read_secret(cluster))
    with listen(root["listen"]["address"], root["healing"]["port"], health_handler(watched)) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        while granted(cluster, tree) == watched.grant and read_secret(cluster) == watched.secret:
            began = time.monotonic()
            watched.look()
            time.sleep(max(0.1, LOOK_SECONDS - (time.monotonic() - began)))
    return EX_TEMPFAIL


def health_handler(watched: Watch) -> type[Handler]:
    """The handler of connections to the health of what is ``watched``."""

    class HealthHandler(Handler):
        def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
            told = watched.told
            healthy = told["healthy"] and time.monotonic() - watched.looked < 5 * LOOK_SECONDS
            if (method, path) == ("GET", "/health"):
                return (200, {"status": "ok"}) if healthy else (503, {"status": "error", "reason": told["sentence"]})
            if (method, path) == ("GET", "/metrics"):
                workers = {host: worker["up"] for host, worker in told["workers"].items()}
                owners = {host: host in told["owners"] for host in watched.owners.reserve}
                return 200, watch_metrics(told["cluster"], healthy, workers, owners, told["heal_count"])
            raise Refused(404, "There is nothing of that name.")

    return HealthHandler


class Watch:
    """What is seen of the cluster, and what was done. ``told``: what the file says that ``drover status`` reads."""

    def __init__(
        self, cluster: Cluster, tree: Tree, root: dict[str, Any], members: dict[str, Any], secret: bytes
    ) -> None:
        self.cluster, self.tree, self.root, self.secret = cluster, tree, root, secret
        self.known = Known(members, secret)
        self.grant = granted(cluster, tree)
        drain = float(root["healing"]["drain_seconds"])
        self.limits = Limits(drain_seconds=drain, yield_seconds=min(drain, Limits.yield_seconds))
        self.memory = Memory()
        # Of those that are back: their mark, and when it is worked out again whether a plan with them is better.
        self.weighed: dict[str, tuple[str, float]] = {}
        # How often such an end was tried for a host by its mark.
        self.tries: dict[str, tuple[str, int]] = {}
        # Who is back, and whose RPC server cannot be spoken to: why not.
        self.strangers: dict[str, str] = {}
        self.better = False
        self.ending: tuple[str, float] | None = None
        self.looked = time.monotonic()
        self.written = Written(cluster, tree, self.grant)
        self.owners = Owners(members, self.told["owners"])

    @property
    def members(self) -> dict[str, Any]:
        """As they are known now."""
        return self.known.members

    @property
    def told(self) -> dict[str, Any]:
        """What is written down of it."""
        return self.written.told

    def look(self) -> None:
        """Look once, and do what is to be done."""
        # Who is silent now was so before anybody waited for an answer.
        now = time.monotonic()
        if self.written.see_the_clock():
            self.owners.given = self.told["owners"]
        standby = standing_by(self.cluster, self.tree) if "leaders" in self.root["healing"] else None
        if standby:
            # Whoever leads looks at the workers.
            self.memory, self.looked = Memory(), now
            self.written.tell(standby, {}, self.owners.given, over=False)
            return
        decided = decision(self.cluster, self.tree)
        mark = decided["leader"] if decided and not decided["waiting"] else None
        pid = marked_process(self.tree, mark) if mark else None
        unknown = self._unknown(decided)
        if unknown and self.ending is None:
            self._end(unknown, Decision(True, False, "what it was started with cannot be read any more"))
        run = mark if pid else None
        places = self.known.now()
        answers = agents_of(self.members, ask_all(places, self.secret, lent=False, seconds=ASK_SECONDS))
        self.known.heard(answers)
        memories = {host: answer.state["memory"] for host, answer in answers.items() if answer.state}
        pids, is_pod = [pid] if pid else [], in_pod(self.root)
        memories[self.members["leader"]] = read_pressure(self.tree, self.cluster.name, pids, is_pod)
        self.owners.know(self.members)
        self.owners.look(decided, run, memories, self.told["healthy"])
        sights = sights_of(self.tree, decided, places, answers) if decided and run else {}
        if decided and run:
            self._weigh(decided, answers)
        needs = {host: need.urgent for host, need in self.owners.needs.items()}
        look = Look(now, run, sights, self.better, bool((needs or self.better) and self._busy()), needs)
        self.memory, what = decide(self.limits, self.memory, look)
        if run and what.end:
            self._end(run, what)
        self._see_to_the_end()
        self._tell(decided, run, answers, sights)
        self.looked = time.monotonic()

    def _unknown(self, decided: dict[str, Any] | None) -> str | None:
        """The mark of a llama-server of which no file tells any more what it was started with, so that nobody could see
        what it lacks. One that was started by root's documents of before goes on until these are followed."""
        if decided is not None or last_decision(self.cluster, self.tree) is not None:
            return None
        found = find_listeners(self.tree, [self.root["listen"]["port"]])
        marks = [process_mark(self.tree, listener["pid"]) for listener in found if listener["pid"]]
        return marks[0] if marks else None

    def _weigh(self, decided: dict[str, Any], answers: dict[str, Answer]) -> None:
        """Whether a better plan is possible with those who took no part when llama-server was started, and are back, or
        whose owner left no more to it then."""
        now = time.monotonic()
        tired = resting(decided["strikes"], now)
        absent = {**newcomers(self.members, decided["plan"]), **decided["absent"]}
        back = {
            host: answer.state["rpc"]["mark"]
            for host, answer in answers.items()
            if host in absent and not answer.problem and answer.state and answer.state["rpc"] and host not in tired
        }
        back.update(dict.fromkeys(self.owners.free, FREE))
        if not back:
            self.better = False
        elif any(self._may_weigh(host, mark, now) for host, mark in back.items()):
            with_memory = agents_of(self.members, ask_all(self.known.now(), self.secret))
            unheard = {host for host, answer in with_memory.items() if answer.lent is None}
            if unheard & decided["workers"].keys():
                # A plan without one that serves, and has but missed this one question, is no better one.
                self.better = False
                return
            outcome = self._best(decided, with_memory, absent)
            planned = (outcome.deployments or {}).get(self.members["leader"])
            mine = of_leader(self.root, planned) if planned else decided["deployment"]
            self.better = mine["arguments"] != decided["deployment"]["arguments"]
            # Who missed this one question is weighed at the next look.
            again = now + WEIGH_SECONDS
            self.weighed.update({host: (mark, again) for host, mark in back.items() if host not in unheard})
            if not self.better:
                self.owners.take_back()

    def _best(self, decided: dict[str, Any], answers: dict[str, Answer], absent: dict[str, str]) -> Outcome:
        """The best plan with those who gave these ``answers``, and with whose RPC server a run could begin: one whose
        port is blocked would end a healthy cluster for nothing."""
        memory = see_lent(self.tree, self.root)["memory"]
        measured = read_document(self.cluster.measured_path)
        plan, owners, lesser = decided["plan"], self.owners.at_most(), decided["lesser"]
        self.strangers = {}
        while True:
            outcome = replan(self.members, answers, memory, plan, absent, owners, lesser, measured)
            ends = outcome.plan["endpoints"] if outcome.plan else []
            unused = [end for end in ends if end["host"] not in decided["workers"] and _is_free(answers[end["host"]])]
            found = strangers(self.members, unused, outcome.deployments or {}, self.known.now(), ASK_SECONDS)
            if not found:
                return outcome
            self.strangers.update(found)
            answers = {**answers, **{host: Answer(problem=reason) for host, reason in found.items()}}

    def _may_weigh(self, host: str, mark: str, now: float) -> bool:
        """Whether it is news that ``host`` is back, or what it lends may be more by now."""
        before, again = self.weighed.get(host, ("", now))
        return before != mark or (not self.better and now >= again)

    def _tried(self, host: str, mark: str) -> float:
        """When the end that ``host`` may have been the reason for is tried for it again: one that answers and still
        cannot take part, since it refuses what it is to run, say, would end a healthy cluster every few minutes."""
        before, times = self.tries.get(host, ("", 0))
        times = times + 1 if mark == before and mark != FREE else 1
        self.tries[host] = (mark, times)
        return time.monotonic() + min(MOST_TRIED_SECONDS, TRIED_SECONDS * 2.0 ** min(times - 1, 30))

    def _busy(self) -> bool:
        """Whether llama-server answers a request; so it is taken to be when it does not say."""
        place = self.root["listen"]
        try:
            key = read_api_key(self.cluster.api_key_path)
            connection = http.client.HTTPConnection(place["address"], place["port"], timeout=ASK_SECONDS)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
                answer = connection.getresponse()
                found = _PROCESSING.search(answer.read(1 << 20).decode("utf-8", "replace"))
                return found is None or float(found[1]) > 0
        except (OSError, http.client.HTTPException, DroverError, ValueError):
            return True

    def _end(self, run: str, what: Decision) -> None:
        say(f"Ends llama-server, since {what.reason}")
        self.better = False
        if not what.at_once:
            self.weighed = {host: (mark, self._tried(host, mark)) for host, (mark, _again) in self.weighed.items()}
        self.owners.ended()
        # Before it ends: the next start plans by it.
        self.written.heals(what.reason, self.owners.given)
        self.ending = (run, time.monotonic() + (0.0 if what.at_once else END_SECONDS))
        if not what.at_once:
            self._signal(run, signal.SIGTERM)

    def _see_to_the_end(self) -> None:
        if self.ending is None:
            return
        run, deadline = self.ending
        if marked_process(self.tree, run) is None:
            self.ending = None
        elif time.monotonic() >= deadline:
            self._signal(run, signal.SIGKILL)

    def _signal(self, run: str, number: int) -> None:
        pid = marked_process(self.tree, run)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _tell(
        self, decided: dict[str, Any] | None, run: str | None, answers: dict[str, Answer], sights: dict[str, str]
    ) -> None:
        """Remember how it is, and write it down where it is news."""
        sentence = self._problem(decided, run, answers, sights)
        workers = {}
        for host, answer in answers.items():
            holds = not answer.problem and bool(answer.state and answer.state["rpc"])
            # Of one that is slow nothing else is known yet.
            up = answer.problem == SLOW_ANSWER or (holds and sights.get(host, SAME) == SAME)
            problem = answer.problem or (self.strangers.get(host, "") if host not in sights else "")
            workers[host] = {"up": up, "problem": problem, "takes_part": host in sights}
        # While it ends in an orderly way it may still say that it is well.
        self.written.tell(sentence, workers, self.owners.given, over=run != self.memory.ended_run)

    def _problem(
        self, decided: dict[str, Any] | None, run: str | None, answers: dict[str, Answer], sights: dict[str, str]
    ) -> str | None:
        """Why a completion could not succeed now; None when it could."""
        if decided and decided["waiting"] and marked_process(self.tree, str(decided["leader"])):
            return str(decided["waiting"])
        if run is None:
            return "llama-server does not run, and is started."
        for host, sight in sorted(sights.items()):
            if sight not in (SAME, SLOW):
                why = answers[host].problem or REASONS[sight]
                return f"{host} holds layers, and {why}."
        place = self.root["listen"]
        try:
            said = health(f"http://{place['address']}:{place['port']}", ASK_SECONDS)
        except DroverError as error:
            return str(error)
        return f"llama-server is not ready ({said})." if said else None


def _is_free(answer: Answer) -> bool:
    """Whether nobody uses the RPC server of who gave that ``answer``: it hears one at a time."""
    rpc = answer.state["rpc"] if answer.state else None
    return bool(rpc and not rpc["clients"])
