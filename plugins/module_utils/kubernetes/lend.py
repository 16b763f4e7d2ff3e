# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node lends, as the document ``tally`` that hosts have: what was measured in a pod on it, within what the
scheduler has left there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks import dictionary, from_json
from ..errors import DroverError
from ..healing.owner import worth_it
from ..hosts.devices import drive
from ..hosts.document import MOST, SCHEMA
from ..hosts.memory import default_reserve
from ..hosts.pod_tally import of_node
from ..placement.cost import threads
from .gpus import image_backends
from .names import Names
from .node_devices import look
from .nodes import ASIDE, left_over
from .settings import MODEL_FOLDER, Settings
from .speeds import BANDWIDTH

# As uname names the machines that Kubernetes names.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}


def lend(
    entry: Mapping[str, Any],
    measured: Mapping[str, Any] | None,
    settings: Settings,
    cluster: str,
    held_bytes: int | None = None,
    claim_bytes: int | None = None,
    programs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The tally of the node whose stock is ``entry`` (see ``nodes``).

    ``measured`` is what ``drover tally`` printed in a pod there; None where none ran, as in check mode, so that what
    the API says must do: memory that nobody requests counts as free, and the processor's speed is unknown.

    ``held_bytes`` is memory that this cluster's pods hold there, which comes back when they are replaced; None for what
    they request. ``programs`` are those of the image, with the ``devices`` that they list in that pod. ``claim_bytes``
    is the capacity of the claim that the model is in, if it is in one.

    ``memory.usable_bytes`` = min(available + held, allocatable - others' requests) - reserve, at most what the owner
    wishes. The reserve is at least the part's overhead, which its pod requests beside what the plan says, and what is
    left aside, so that a pod that is planned can be scheduled, and be measured beside. A host is reached by the name of
    its worker, or with the host's network by the node's address. Raises DroverError for threads that nobody has there.
    """
    node, wishes, left = entry["node"], settings.of_node(entry["node"]), left_over(entry)
    found = dict(measured) if measured else _unmeasured(entry)
    held = entry["held"]["memory_bytes"] if held_bytes is None else held_bytes
    memory = found["memory"]
    # A node that is a container sees the memory of the machine below it.
    total = min(memory["total_bytes"], entry["allocatable"]["memory_bytes"])
    reserve = default_reserve(total) if wishes.reserve_bytes is None else wishes.reserve_bytes
    chosen_out = node in settings.exclude
    sight = look(entry, measured, programs or {}, settings)
    reserve = max(reserve, least_reserve(settings) + (settings.gpu_overhead_bytes if sight.gpus else 0))
    usable = max(0, min(memory["available_bytes"] + held, left.memory_bytes) - reserve)
    names = Names(cluster, settings.namespace)
    found = of_node(
        found,
        node,
        {
            "limit_bytes": entry["allocatable"]["memory_bytes"],
            "limit_used_bytes": entry["others"]["memory_bytes"] + held,
            "held_bytes": held,
            "reserve_bytes": reserve,
            "usable_bytes": usable if wishes.memory_bytes is None else min(usable, wishes.memory_bytes),
        },
        _threads(found, node, wishes.threads, left.millicores, bool(entry["reason"])),
        settings.rpc_port,
        entry["address"] if settings.host_network else names.address(node),
    )
    found.update(
        {
            "exclude": entry["reason"] if chosen_out else "",
            # Those of hosts do not hold for pods.
            "obstacles": [entry["reason"]] if entry["reason"] and not chosen_out else [],
            BANDWIDTH: entry[BANDWIDTH] or found[BANDWIDTH],
            "gpus": sight.gpus,
            "gpu_problem": sight.problem,
        }
    )
    if settings.model.claim:
        # Whichever node leads mounts it; without a size, the step that fetches the model says whether there is room.
        found["disk"] = {**found["disk"], "free_bytes": MOST if claim_bytes is None else claim_bytes}
    return drive(found, image_backends(programs or {}), sight.offered)


def least_reserve(settings: Settings) -> int:
    """The bytes of a node beside what a plan puts there: a pod's overhead, who stands by beside a worker, and what is
    left aside."""
    overhead = max(settings.leader_overhead_bytes, settings.worker_overhead_bytes + settings.standby_bytes)
    return overhead + settings.healer_bytes + ASIDE.memory_bytes


def read_log(log: str, node: str) -> dict[str, Any]:
    """The tally in the log of the pod that took stock of ``node``, in which what was printed to standard error is, too.

    Raises DroverError, with the last thing that was said, where there is none.
    """
    lines = log.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("{")]
    ends = [number for number, line in enumerate(lines) if line.rstrip().endswith("}")]
    try:
        found = from_json("\n".join(lines[starts[0] : ends[-1] + 1]))
    except (IndexError, ValueError) as error:
        said = lines[-1].strip() if lines else "nothing"
        raise DroverError(
            f"The pod that takes stock of {node} printed no tally, but last {said!r}: look at its log, and use an "
            "image of this version of Drover."
        ) from error
    return dictionary(found, f"The tally of {node}")


def most_bytes(tally: Mapping[str, Any], planned: int, before: int | None) -> int:
    """What any plan may put into the memory of the node with that ``tally``, into which ``planned`` bytes go first: all
    that it lends, or what it was ``before``, as long as that would take no more than half of the reserve, nor leave a
    whole one unused. What a node has available is another number at every run."""
    usable, reserve = tally["memory"]["usable_bytes"], tally["memory"]["reserve_bytes"]
    if before is not None and max(planned, usable - reserve) <= before <= usable + worth_it(reserve):
        return before
    return max(usable, planned)


def sources(entry: Mapping[str, Any], settings: Settings) -> list[str]:
    """The addresses and networks that a pod on the node comes from in the eyes of hosts outside: the node's own, since
    most networks translate, and that of its pods, since some do not."""
    found = [entry["address"]] if entry["address"] else []
    return found if settings.host_network else [*found, *entry["networks"]]


def _threads(found: Mapping[str, Any], node: str, wished: int | None, millicores: int, left_out: bool) -> int:
    room = max(1, millicores // 1000)
    if not wished:
        return min(threads({**found, "threads": None}), room)
    if wished > room and not left_out:
        raise DroverError(
            f"kubernetes_nodes wishes for {wished} threads on {node}, where others' pods leave {millicores}m of CPU: "
            f"wish for {room}, or lower their requests."
        )
    return wished


def _unmeasured(entry: Mapping[str, Any]) -> dict[str, Any]:
    total, machine = entry["allocatable"]["memory_bytes"], entry["machine"] or "unknown"
    taken = entry["others"]["memory_bytes"] + entry["held"]["memory_bytes"]
    return {
        "schema": SCHEMA,
        "architecture": MACHINES.get(machine, machine),
        "os": {"id": None, "version_id": None},
        "cpu": {
            "model": machine,
            "cores": entry["cores"],
            "physical_cores": entry["cores"],
            "fast_cores": entry["cores"],
            "isa": [],
        },
        "memory": {
            "total_bytes": total,
            "available_bytes": max(0, total - taken),
            "arc_bytes": 0,
            "huge_pages_bytes": 0,
        },
        BANDWIDTH: None,
        "disk": {"path": MODEL_FOLDER, "free_bytes": entry["ephemeral_bytes"], "models": {}},
        "network": {},
    }
