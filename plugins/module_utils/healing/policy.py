# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the watch ends llama-server, so that it starts anew with the workers that are there. Nothing here knows a clock,
a process or a network: memory and look go in, memory and decision come out.

- A worker whose RPC server is another one than llama-server was started with, or runs no more, has lost what it held:
  a request can only hang or fail. The same is so when its host was silent for ``lost_seconds``, or so slow that nothing
  was heard of it for ``slow_seconds``, or nothing got through to its RPC port for ``stuck_seconds``. It ends at once.
- When a host's owner needs its memory (see ``owner``), it ends as soon as no request is answered, and after
  ``yield_seconds`` in any case; at once, if in an orderly way, where it is urgent.
- When a better plan has become possible for ``settle_seconds`` on end, it ends as soon as no request is answered, and
  after ``drain_seconds`` more in any case.
- Between two such ends there is a wait that doubles, from ``first_wait_seconds`` to ``most_wait_seconds``, until none
  was needed for ``calm_seconds``. Where requests can only hang it is ``most_hang_seconds`` at most: the longer it were,
  the longer nobody is answered. An owner waits for ``most_owner_seconds`` at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

SAME, ANOTHER, SILENT, SLOW, STUCK = "same", "another", "silent", "slow", "stuck"


@dataclass(frozen=True)
class Limits:
    """In seconds."""

    # Less than two looks are apart: silent at one, and at the next.
    lost_seconds: float = 1.5
    slow_seconds: float = 15.0
    # Less than three looks are apart: stuck at one, and at the next two. A link that loses much gets something through.
    stuck_seconds: float = 3.5
    settle_seconds: float = 30.0
    drain_seconds: float = 60.0
    yield_seconds: float = 10.0
    first_wait_seconds: float = 5.0
    most_wait_seconds: float = 300.0
    most_hang_seconds: float = 10.0
    most_owner_seconds: float = 30.0
    calm_seconds: float = 600.0


@dataclass(frozen=True)
class Look:
    """What is seen at the moment ``now`` (seconds of a clock that never goes back).

    ``run``: by which this run of llama-server is known, None while none serves. ``workers``: of those that it was
    started with, whether the RPC server is the SAME, ANOTHER (or none), or the host is SILENT, or takes connections and
    is SLOW to say something, as a machine that is busy does, or all is well but what is sent between it and the RPC
    server is STUCK: nobody acknowledges it. ``better``: whether a better plan is possible. ``busy``: whether it answers
    a request, or may do so. ``needs``: of hosts whose owner needs their memory, whether that is urgent.
    """

    now: float
    run: str | None
    workers: Mapping[str, str] = field(default_factory=dict)
    better: bool = False
    busy: bool = False
    needs: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """What is known of before: who is ``silent`` or ``stuck``, and who is ``unheard``, one of these or slow (worker ->
    since when); since when an owner ``needs`` memory and a ``better`` plan is possible; when llama-server was ``ended``
    last, how many ``times`` in a row, and which ``run`` that was."""

    run: str | None = None
    silent: Mapping[str, float] = field(default_factory=dict)
    stuck: Mapping[str, float] = field(default_factory=dict)
    unheard: Mapping[str, float] = field(default_factory=dict)
    needs: float | None = None
    better: float | None = None
    ended: float | None = None
    times: int = 0
    ended_run: str | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to ``end`` llama-server, ``at_once`` (it can only hang) or in an orderly way, the ``reason``, and for how
    many seconds after the last end this one ``may_wait``."""

    end: bool = False
    at_once: bool = False
    reason: str = ""
    may_wait: float = 0.0


NOTHING = Decision()


def decide(limits: Limits, memory: Memory, look: Look) -> tuple[Memory, Decision]:
    """What to do at this look, and what to remember for the next."""
    if look.run is None:
        # Nothing serves: whoever starts it looks at the workers itself.
        return replace(memory, run=None, silent={}, stuck={}, unheard={}, needs=None, better=None), NOTHING
    silent = _since(memory, memory.silent, look, {SILENT})
    stuck = _since(memory, memory.stuck, look, {STUCK})
    unheard = _since(memory, memory.unheard, look, {SILENT, SLOW, STUCK})
    needs = (memory.needs if memory.needs is not None else look.now) if look.needs else None
    better = (memory.better if memory.better is not None else look.now) if look.better else None
    memory = replace(memory, run=look.run, silent=silent, stuck=stuck, unheard=unheard, needs=needs, better=better)
    if memory.ended is not None and look.now - memory.ended >= limits.calm_seconds + _wait(limits, memory):
        memory = replace(memory, times=0)
    decision = NOTHING if look.run == memory.ended_run else _decision(limits, memory, look)
    if not decision.end or not _may_end(limits, memory, decision, look.now):
        return memory, NOTHING
    return replace(memory, ended=look.now, times=memory.times + 1, ended_run=look.run, better=None), decision


def _decision(limits: Limits, memory: Memory, look: Look) -> Decision:
    for worker in sorted(look.workers):
        if look.workers[worker] == ANOTHER:
            reason = f"the RPC server of {worker} has ended or was started anew"
            return Decision(True, True, reason, limits.most_hang_seconds)
    for worker, since in sorted(memory.stuck.items()):
        if look.now - since >= limits.stuck_seconds:
            return Decision(True, True, f"nothing gets through to the RPC port of {worker}", limits.most_hang_seconds)
    for worker, since in sorted(memory.unheard.items()):
        lost = look.now - memory.silent.get(worker, look.now) >= limits.lost_seconds
        if lost or look.now - since >= limits.slow_seconds:
            return Decision(True, True, f"{worker} does not answer", limits.most_hang_seconds)
    waited = memory.needs is not None and look.now - memory.needs >= limits.yield_seconds
    if look.needs and (waited or not look.busy or any(look.needs.values())):
        return Decision(True, False, _owners(sorted(look.needs)), limits.most_owner_seconds)
    if memory.better is not None:
        steady = look.now - memory.better - limits.settle_seconds
        if steady >= limits.drain_seconds or (steady >= 0 and not look.busy):
            return Decision(True, False, "a better plan is possible", limits.most_wait_seconds)
    return NOTHING


def _since(memory: Memory, before: Mapping[str, float], look: Look, sights: set[str]) -> dict[str, float]:
    """Worker -> since when it is one of ``sights`` in this run."""
    known = before if memory.run == look.run else {}
    return {worker: known.get(worker, look.now) for worker, sight in look.workers.items() if sight in sights}


def _owners(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return f"{hosts[0]}'s owner needs its memory"
    return f"the owners of {', '.join(hosts)} need their memory"


def _may_end(limits: Limits, memory: Memory, decision: Decision, now: float) -> bool:
    return memory.ended is None or now - memory.ended >= min(_wait(limits, memory), decision.may_wait)


def _wait(limits: Limits, memory: Memory) -> float:
    """Seconds from the last end to the next at the earliest."""
    if memory.times == 0:
        return 0.0
    return min(limits.most_wait_seconds, limits.first_wait_seconds * 2.0 ** min(memory.times - 1, 30))
