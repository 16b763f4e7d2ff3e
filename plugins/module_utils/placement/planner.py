# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a model and the tallies of the hosts to a plan: who leads, who holds which layers, and why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from .. import checks
from ..builds.known import known_problem
from ..errors import DroverError
from ..gguf.document import read_gguf
from ..serving.cluster import Cluster
from .fleet import Fleet, read_fleet
from .given import kept_layout
from .layout import Layout
from .learning import NOTHING, EmptyContext, Learned, identity, learn
from .measured import build_name, known_runs, machines_of
from .plan import feasible_plan
from .policy import Policy
from .problem import Problem, named
from .reasons import choice_reasons, unmeasured_speeds, why_spare
from .running import running_plans
from .shortfall import bad_build_plan, no_plan, no_standby_plan, split_plan, unservable_plan
from .standby import choose_leaders

Planned = tuple[dict[str, Any], list[str], dict[str, str]]
# A plan that runs is given up for what was measured only when that many of its own starts were.
STARTS_TO_MOVE = 2


def make_plan(
    gguf: object,
    tallies: object,
    policy: Policy | None = None,
    cluster: str = "main",
    previous: Sequence[object] = (),
    choice: dict[str, Any] | None = None,
    model_host: str | None = None,
    measured: Sequence[object] = (),
    build: str | None = None,
    members_vote: bool = True,
) -> dict[str, Any]:
    """Plan the model ``gguf`` onto the hosts of ``tallies`` by ``policy``; the document ``plan`` (see document.py).

    One that does not fit has ``feasible`` false and says in ``shortfall`` what is missing. ``previous`` are plans that
    were found on hosts, any of which may be None: the running one is kept if it is nearly as good. ``choice`` is what
    llama_cpp_choice returned, which says what the build drives and who cannot have it. ``model_host`` has the model's
    file already and needs no disk space for it. ``measured`` are documents of that name that were found on hosts, any
    of which may be None; what was measured with ``build`` counts (see ``measured.build_name``; by default the one of
    ``choice``). ``members_vote``: whether a standby leads by the word of most hosts, as it does where there is nobody
    else to ask. The same input gives the same plan, in whatever order the hosts come.
    Raises ``DroverError`` for input that cannot be planned with.
    """
    policy = policy or Policy()
    name = Cluster(cluster).name
    model = read_gguf(gguf)
    fleet = checked_fleet(tallies, policy, choice, model_host)
    plain = Problem(model, policy, fleet.hosts, model_host)
    runs, unread = known_runs(filter(None, measured), name)
    machines = machines_of(tallies)
    learned = learn(EmptyContext(plain), runs, build or build_name(choice), machines) if runs else NOTHING
    problem = plain.changed(fleet=[learned.host(host) for host in fleet.hosts]) if learned.starts else plain
    running = running_plans(previous, name)
    plan, reasons, spare = _planned(problem, running, choice, plain, learned)
    leaders, found = [], cast("list[dict[str, Any]]", tallies)  # as the fleet has found
    if policy.standby and plan["feasible"]:
        again = partial(plan_again, gguf, name, choice)
        before = [host for each in running for host in each.get("leaders", [])]
        try:
            leaders = choose_leaders(plan, found, policy, again, before, model_host, members_vote)
            reasons = [*reasons, f"{', '.join(leaders[1:])} could lead best without {leaders[0]}, and stands by."]
        except DroverError as error:
            plan, reasons = no_standby_plan(problem, str(error))
    return {
        **plan,
        "cluster": name,
        "network": fleet.network,
        "spare": [{"host": host, "reason": spare[host]} for host in sorted(spare)],
        "warnings": [*(model.get("warnings") or []), *fleet.warnings, *unread],
        "reasons": [*problem.reasons, *fleet.reasons, *reasons],
        **({"leaders": leaders} if leaders else {}),
    }


def plan_again(
    gguf: object,
    cluster: str,
    choice: dict[str, Any] | None,
    tallies: Sequence[dict[str, Any]],
    policy: Policy,
    model_host: str | None,
) -> dict[str, Any]:
    """As ``make_plan``, with what does not change from one host that could lead to the next given first."""
    return make_plan(gguf, tallies, policy, cluster=cluster, choice=choice, model_host=model_host)


def checked_fleet(
    tallies: object, policy: Policy, choice: dict[str, Any] | None = None, model_host: str | None = None
) -> Fleet:
    """The fleet of ``tallies`` (see ``fleet.read_fleet``), in which the policy's leader and ``model_host`` are."""
    fleet = read_fleet(tallies, policy.margin, None if choice is None else checks.dictionary(choice, "The choice"))
    if model_host:
        named(fleet.hosts, model_host, "The model_host")
    if policy.leader:
        reason = named(fleet.hosts, policy.leader, "The leader").excluded.rstrip(".")
        if reason:
            raise DroverError(f"The leader {policy.leader} is left out ({reason}): take it back in or pin another one.")
    if all(host.excluded for host in fleet.hosts):
        names = "; ".join(f"{host.name}: {host.excluded.rstrip('.')}" for host in fleet.hosts)
        raise DroverError(f"All hosts are left out ({names}): take at least one back in.")
    return fleet


def _planned(
    problem: Problem,
    running: Sequence[dict[str, Any]],
    choice: dict[str, Any] | None,
    plain: Problem,
    learned: Learned,
) -> Planned:
    """The plan, its reasons, and who is spare and why. ``plain`` is the problem without what was ``learned``."""
    unservable = problem.model.get("unservable") or []
    if unservable:
        return (*unservable_plan(problem, unservable), problem.spare)
    layouts: list[Layout] = []
    layout: Layout | None
    if problem.policy.split:
        layout, refused, reasons = split_plan(problem, problem.policy.split)
        if layout is None:
            return refused, reasons, problem.spare
    else:
        layouts = problem.layouts()
        layout, kept = kept_layout(problem, running, layouts[0] if layouts else None)
        if layout is None and learned.starts and _measured_too_seldom(plain, running, learned):
            layout, _reason = kept_layout(problem, running, None)
            kept = "The running plan is kept: what speaks for another one was measured at too few of its own starts."
        if layout is None and layouts:
            layout = problem.judge.streaming(problem.preferred(layouts))
        if layout is None:
            return (*no_plan(problem), problem.spare)
        reasons = [*choice_reasons(problem, layouts, layout), *filter(None, [kept])]
    bad = known_problem(_build_number(choice), _cpu_endpoints(problem, layout))
    if bad:
        return (*bad_build_plan(problem, bad), problem.spare)
    reasons = [*reasons, *learned.reasons(layout), *unmeasured_speeds(layout)]
    return feasible_plan(problem, layout), reasons, why_spare(problem, layouts, layout)


def _measured_too_seldom(plain: Problem, running: Sequence[dict[str, Any]], learned: Learned) -> bool:
    """Whether a running plan would be kept but for what was learned, and its own starts have told too little of that:
    one that others slowed down is no reason to move weights."""
    layout, _reason = kept_layout(plain, running, next(iter(plain.layouts()), None))
    return layout is not None and learned.starts.get(identity(layout), 0) < STARTS_TO_MOVE


def _build_number(choice: dict[str, Any] | None) -> int | None:
    """The number of the build that was chosen, if its label says one (``b10700``)."""
    label = str((choice or {}).get("label") or "")
    return int(label[1:]) if label[:1] == "b" and label[1:].isdigit() else None


def _cpu_endpoints(problem: Problem, layout: Layout) -> int:
    """How many RPC servers of a layout offer nothing but a CPU."""
    return sum(not any(device.is_gpu for device in problem.judge.hosts[name].lent) for name in layout.worker_names)
