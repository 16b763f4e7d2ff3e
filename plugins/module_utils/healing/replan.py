# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for those who are there now, and what every host runs by it: the same planner as on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DroverError
from ..hosts.ceiling import most_planned
from ..hosts.devices import drive_chosen
from ..placement.measured import build_name
from ..placement.planner import make_plan
from ..placement.policy import Policy
from ..serving.deploy import deploy
from ..text import size_text
from .owner import worth_it

SILENT = "it does not answer"
# It takes connections, as a machine does that is too busy to say more.
SLOW = "it answers too slowly"


@dataclass(frozen=True)
class Answer:
    """What was heard of a worker: its ``state`` and what it has ``lent`` (see ``sight``), or the ``problem`` that keeps
    it from taking part, in a few words."""

    state: dict[str, Any] | None = None
    lent: dict[str, Any] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Outcome:
    """``plan`` and ``deployments`` (host -> deployment), or both None and ``waiting``, why not, in one sentence.
    ``absent``: host -> why it takes no part, of those who would if they could. ``lesser``: host -> the bytes that it
    was planned with, of those whose owner has the rest."""

    plan: dict[str, Any] | None
    deployments: dict[str, dict[str, Any]] | None
    absent: dict[str, str]
    waiting: str
    lesser: dict[str, int] = field(default_factory=dict)


def replan(
    members: dict[str, Any],
    answers: Mapping[str, Answer],
    leader_memory: dict[str, Any],
    running: dict[str, Any],
    absent_before: Mapping[str, str],
    owners: Mapping[str, int] | None = None,
    lesser_before: Mapping[str, int] | None = None,
    measured: object = None,
) -> Outcome:
    """Plan for those of ``members`` who answer. ``answers``: by worker; ``leader_memory``: of the leader itself, as
    ``lent`` has it; ``owners``: host -> the bytes that it is planned with at most, since its owner needs the rest.
    ``running`` is the plan that ran last, ``absent_before`` who took no part in it, and ``lesser_before`` who had less
    memory for it than root's tally says: while it holds and nobody of these is back, it stays as it is.
    ``measured`` is the document of that name, or None."""
    owners, before = owners or {}, lesser_before or {}
    absent = {host: answers[host].problem for host in members["agents"] if answers[host].problem}
    lesser = dict(before)
    try:
        tallies = [
            at_most(_as_now(tally, members, answers, leader_memory, absent), owners.get(tally["host"]))
            for tally in members["tallies"]
        ]
        found = _lesser(members["tallies"], tallies, owners, absent)
        returned = [host for host in absent_before if host not in absent]
        returned += [host for host in before if _has_more(tallies, host, before[host]) and host not in owners]
        stays = not returned and holds(running, tallies, absent)
        lesser = {**before, **owners} if stays else found
        plan = running if stays else _planned(members, tallies, running, measured)
        if not plan["feasible"]:
            waiting = waiting_sentence(plan, tallies, absent, owners)
            return Outcome(None, None, absent, waiting, lesser)
        deployments = deploy(
            plan,
            tallies,
            members["programs"],
            members["served"],
            members["settings"],
            pods=members["pods"],
            choice=members["choice"],
        )
    except DroverError as error:
        return Outcome(None, None, absent, _and_absent(str(error).rstrip("."), absent, owners), lesser)
    return Outcome(plan, deployments, absent, "", lesser)


def holds(plan: dict[str, Any], tallies: list[dict[str, Any]], absent: Mapping[str, str]) -> bool:
    """Whether all that ``plan`` puts on hosts still has its memory, down to the last byte: the margin is there to be
    used now."""
    if any(endpoint["host"] in absent for endpoint in plan["endpoints"]):
        return False
    there = {tally["host"] for tally in tallies if not tally["exclude"] and not tally["obstacles"]} | absent.keys()
    if not plan["addresses"].keys() <= there:
        # Who had joined, and is gone; the run may have seen the node before, and left it out.
        return False
    room: dict[tuple[str, str], int] = {}
    for tally in tallies:
        for device in tally["devices"]:
            room[tally["host"], device["id"]] = device["usable_bytes"]
    needs: dict[tuple[str, str], int] = {(plan["leader"], "CPU"): plan["host"]["total_bytes"]}
    for device in plan["devices"]:
        place = (device["host"], device["id"])
        needs[place] = needs.get(place, 0) + device["total_bytes"]
    return all(need <= room.get(place, -1) for place, need in needs.items())


def waiting_sentence(
    plan: dict[str, Any], tallies: list[dict[str, Any]], absent: Mapping[str, str], owners: Mapping[str, int]
) -> str:
    """Why the model cannot be served now, and who is waited for."""
    shortfall = plan["shortfall"]
    if shortfall["kind"] != "memory" and not (absent and shortfall["bytes"]):
        return _and_absent(str(shortfall["text"]).rstrip("."), absent, owners)
    here = [tally for tally in tallies if not tally["exclude"] and not tally["obstacles"]]
    has = sum(one["usable_bytes"] for tally in here for one in tally["devices"] if not one["unified"])
    needs = has + (plan["missing_bytes"] or shortfall["bytes"])
    return _and_absent(f"needs {size_text(needs)}, has {size_text(has)}", absent, owners)


def _and_absent(what: str, absent: Mapping[str, str], owners: Mapping[str, int]) -> str:
    awaited = sorted(absent) + [f"memory that the owner of {host} needs" for host in sorted(owners.keys() - absent)]
    return f"{what}; waiting for {', '.join(awaited) or 'memory'}"


def _lesser(
    whole: list[dict[str, Any]], now: list[dict[str, Any]], owners: Mapping[str, int], absent: Mapping[str, str]
) -> dict[str, int]:
    """Host -> the bytes that it can have, of those that are to have less than root's tally says, by so much that it is
    no accident: half of the reserve."""
    return {
        tally["host"]: tally["memory"]["usable_bytes"]
        for before, tally in zip(whole, now)
        if tally["host"] not in absent
        and (tally["host"] in owners or _has_more([before], tally["host"], tally["memory"]["usable_bytes"]))
    }


def _has_more(tallies: list[dict[str, Any]], host: str, size: int) -> bool:
    """Whether ``host`` can have more than ``size`` bytes, by half of its reserve."""
    memories = [tally["memory"] for tally in tallies if tally["host"] == host and not tally["exclude"]]
    return any(memory["usable_bytes"] > size + worth_it(memory["reserve_bytes"]) for memory in memories)


def at_most(tally: dict[str, Any], size: int | None) -> dict[str, Any]:
    """``tally`` with no more than ``size`` bytes of main memory, which a GPU without its own takes its share of."""
    if size is None:
        return tally
    cpu, *others = tally["devices"]
    least = {"usable_bytes": min(size, cpu["usable_bytes"])}
    within = [{**one, "usable_bytes": min(size, one["usable_bytes"])} if one["unified"] else one for one in others]
    return {**tally, "memory": {**tally["memory"], **least}, "devices": [{**cpu, **least}, *within]}


def _planned(
    members: dict[str, Any], tallies: list[dict[str, Any]], running: dict[str, Any], measured: object
) -> dict[str, Any]:
    leader = members["leader"]
    wished = members["plan"]["policy"]
    plan = make_plan(
        members["gguf"],
        tallies,
        # The model is here.
        Policy.from_dict({**wished, "leader": leader, "standby": 0}),
        cluster=members["cluster"],
        previous=[running],
        choice=members["choice"],
        model_host=leader,
        measured=[measured],
        build=build_name(members["choice"], members["programs"].get(leader, {}).get("build")),
    )
    # With an address set on every host they share no network any more, and whom root lets in is by the one it chose.
    # Nor does it change who may lead.
    kept = {name: members["plan"][name] for name in ("network", "leaders") if name in members["plan"]}
    return {**plan, "policy": wished, **kept}


def _as_now(
    tally: dict[str, Any],
    members: dict[str, Any],
    answers: Mapping[str, Answer],
    leader_memory: dict[str, Any],
    absent: Mapping[str, str],
) -> dict[str, Any]:
    """``tally`` with the memory that its host has now, by the address that it was deployed with."""
    host, pod = tally["host"], members["pods"].get(tally["host"])
    if host == members["leader"] or pod:
        tally = _with_granted_gpus(tally, members)
    if host in absent:
        return {**tally, "exclude": absent[host]}
    place = members["plan"]["addresses"].get(host)
    if place is None:
        return tally
    # Without some hosts another network might be the best one, and the others are not granted another address.
    tally = {**tally, "network": {**tally["network"], "address": place["address"]}}
    lent = answers[host].lent if host in answers else None
    memory = leader_memory if host == members["leader"] else (lent or {}).get("memory")
    # What GPUs hold of the machine's own memory is not seen from here, and would look lost.
    if not memory or any(device["unified"] for device in tally["devices"]):
        return tally
    reserve = tally["memory"]["reserve_bytes"]
    # What its pod, or its unit, is held to was made of what root saw. One that has got more memory since may use it
    # when root has been there again.
    most = pod["most_bytes"] if pod else most_planned(tally["memory"])
    usable = min(max(0, memory["usable_bytes"] - reserve), most)
    cpu, *others = tally["devices"]
    return {
        **tally,
        "memory": {**memory, "reserve_bytes": reserve, "usable_bytes": usable},
        "devices": [{**cpu, "usable_bytes": usable}, *others],
    }


def _with_granted_gpus(tally: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
    """The ``tally`` of a leader, or of a host whose part runs in a pod, with no room on GPUs that the first plan had no
    use for: their files of /dev are not given to its service, and they are not given to the pod."""
    used = {device["id"] for device in members["plan"]["devices"] if device["host"] == tally["host"]}
    devices = drive_chosen(tally, members["choice"])["devices"]
    granted = {device["gpu"] for device in devices if device["id"] in used} | {None}
    return {
        **tally,
        "gpus": [gpu if gpu["id"] in granted else {**gpu, "usable_bytes": 0} for gpu in tally["gpus"]],
        "devices": [one if one["gpu"] in granted else {**one, "usable_bytes": 0} for one in tally["devices"]],
    }
