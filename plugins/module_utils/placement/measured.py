# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``measured``: what a cluster's starts have shown of the layouts that it ran. Beside the plan, on the
leader.

``schema`` (1), ``cluster``, and ``runs``, the latest last, each of which has

- ``at`` (seconds since 1970), ``model`` (as a plan has it), ``build`` (see ``build_name``), ``machines`` (host -> a
  digest of its hardware, see ``machines_of``; null where it is not known again),
- ``layout``: ``leader``, ``leader_layers``, ``devices`` (``host``, ``id``, ``first`` and, not included, ``end`` of its
  layers, and of how many of them the leader's CPU keeps the experts, ``kept``) and whether it ``streams``,
- ``prompt_tokens`` of the request that was timed, in an all but empty context, and ``measured`` and ``predicted``:
  ``tokens_per_second`` generated and ``prompt_tokens_per_second`` of that request,
- ``held_bytes`` (worker -> what it held then).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .. import checks
from ..errors import DroverError
from ..hosts.document import MOST
from . import cost
from .document import model_of

SCHEMA = 1
WHAT = "The document of what was measured"
REMEDY = "remove measured.json on the host that leads, and the next start is measured anew"
# Load by others only slows a start down, so of a few starts of a layout the fastest tells most. An older one may have
# been on other cables.
MOST_STARTS = 3
MOST_RUNS = 48
# What a person's clock can tell: until the year 9999.
_MOST_SECONDS = 253_402_300_000
_LEAST_SPEED, _MOST_SPEED = 1e-6, 1e9
_FIELDS: checks.Fields = {"cluster": str, "runs": list}
_OF_RUN: checks.Fields = {
    "at": int,
    "model": dict,
    "build": str,
    "machines": dict,
    "layout": dict,
    "prompt_tokens": int,
    "measured": dict,
    "predicted": dict,
    "held_bytes": dict,
}
_OF_LAYOUT: checks.Fields = {"leader": str, "leader_layers": int, "devices": list, "streams": bool}
_OF_DEVICE: checks.Fields = {"host": str, "id": str, "first": int, "end": int, "kept": int}
SPEEDS = ("tokens_per_second", "prompt_tokens_per_second")


def read_measured(value: object) -> dict[str, Any]:
    """The document in ``value``. Raises DroverError, one sentence, for what is none."""
    found = checks.document(value, WHAT, SCHEMA, _FIELDS, REMEDY)
    for number, run in enumerate(found["runs"]):
        _check_run(run, f"{WHAT} in run {number}")
    return found


def _check_run(value: object, what: str) -> None:
    run = checks.record(value, what, _OF_RUN, REMEDY)
    checks.whole(run["at"], f"{what}: at", 0, _MOST_SECONDS, REMEDY)
    checks.whole(run["prompt_tokens"], f"{what}: prompt_tokens", 1, MOST, REMEDY)
    for kind in ("measured", "predicted"):
        for name in SPEEDS:
            # What no machine can be: it keeps hostile numbers out of the arithmetic.
            checks.number(run[kind].get(name), f"{what}: {kind} {name}", _LEAST_SPEED, _MOST_SPEED, REMEDY)
    for host, size in run["held_bytes"].items():
        checks.whole(size, f"{what}: held_bytes of {host}", 0, MOST, REMEDY)
    for host, machine in run["machines"].items():
        if machine is not None:
            checks.text(machine, f"{what}: the machine of {host}", REMEDY)
    layout = checks.record(run["layout"], f"{what}: layout", _OF_LAYOUT, REMEDY)
    checks.whole(layout["leader_layers"], f"{what}: leader_layers", 0, MOST, REMEDY)
    for device in layout["devices"]:
        device = checks.record(device, f"{what}: a device", _OF_DEVICE, REMEDY)
        checks.whole(device["first"], f"{what}: first", 0, MOST, REMEDY)
        checks.whole(device["end"], f"{what}: end", device["first"] + 1, MOST, REMEDY)
        checks.whole(device["kept"], f"{what}: kept", 0, MOST, REMEDY)


def known_runs(documents: Iterable[object], cluster: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The runs in ``documents``, which were found on hosts (leaders of before, too), of ``cluster``, the latest last;
    and a sentence for each document that is none, and does not count."""
    runs: dict[str, dict[str, Any]] = {}
    problems = []
    for value in documents:
        try:
            found = read_measured(value)
        except DroverError as error:
            problems.append(str(error))
            continue
        if found["cluster"] == cluster:
            runs.update((json.dumps(run, sort_keys=True), run) for run in found["runs"])
    ordered = sorted(runs.items(), key=lambda each: (each[1]["at"], each[0]))
    # Whoever wrote more did not write it here.
    return [run for _text, run in ordered[-MOST_RUNS:]], problems


def with_run(runs: Iterable[dict[str, Any]], run: dict[str, Any], cluster: str) -> dict[str, Any]:
    """The document of ``cluster`` with one ``run`` more, and without what is too old to tell anything."""
    starts: dict[str, int] = {}
    kept = []
    for each in [run, *sorted(runs, key=lambda one: -int(one["at"]))][:MOST_RUNS]:
        same = json.dumps([each[name] for name in ("model", "build", "machines", "layout")], sort_keys=True)
        starts[same] = starts.get(same, 0) + 1
        if starts[same] <= MOST_STARTS:
            kept.append(each)
    return {"schema": SCHEMA, "cluster": cluster, "runs": kept[::-1]}


def layout_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The layout of a feasible ``plan``, as a run has it."""
    return {
        "leader": plan["leader"],
        "leader_layers": plan["leader_blocks"] + bool(plan["host"]["holds_output"]),
        "devices": [
            {
                "host": device["host"],
                "id": device["id"],
                "first": device["first_block"],
                "end": device["first_block"] + device["block_count"] + bool(device["holds_output"]),
                "kept": device.get("experts_on_cpu", 0),
            }
            for device in plan["devices"]
        ],
        "streams": any(device.get("streams", False) for device in plan["devices"]),
    }


def machines_of(tallies: object) -> dict[str, str | None]:
    """Host -> by which its machine is known to be the one that was measured, with the same processor, memory, GPUs and
    number of threads, of each of ``tallies``; None for one that cannot be told from others. What a boot changes is not
    in it."""
    return {tally["host"]: _machine_of(tally) for tally in tallies} if isinstance(tallies, list) else {}


def _machine_of(tally: Mapping[str, Any]) -> str | None:
    if not tally["machine"]:
        return None
    # The kernel takes a little more or less of the memory for itself.
    size = round(tally["memory"]["total_bytes"] / (1 << 30))
    gpus = [(gpu["kind"], gpu["name"]) for gpu in tally["gpus"]]
    hardware = [tally["machine"], tally["cpu"]["model"], size, gpus, cost.threads(dict(tally))]
    return hashlib.sha256(json.dumps(hardware).encode()).hexdigest()


def build_name(choice: Mapping[str, Any] | None, number: int | None = None) -> str | None:
    """What the build of llama.cpp is called that ``choice`` (what llama_cpp_choice returned) has chosen. Packages have
    no name: there it is the ``number`` that their programs tell, or that they told when they were chosen."""
    ways = ((choice or {}).get("hosts") or {}).values()
    found = number or next((way["build"] for way in ways if way.get("build")), None)
    return str((choice or {}).get("label") or found or "") or None


def same_cluster(run: Mapping[str, Any], gguf: dict[str, Any], build: str | None, machines: Mapping[str, Any]) -> bool:
    """Whether ``run`` was of this very model, build and hardware (``machines``: see ``machines_of``)."""
    if run["model"] != model_of(gguf) or run["build"] != build:
        return False
    layout = run["layout"]
    hosts = {layout["leader"], *(device["host"] for device in layout["devices"])}
    return all(machines.get(host) and run["machines"].get(host) == machines[host] for host in hosts)
