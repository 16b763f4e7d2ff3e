# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host runs by a decision of the cluster's own, within what root has granted it.

Root's deployment says which program runs, where it listens and who may connect. A leader may vary threads and devices,
and what the plan puts into memory, and nothing else: whoever takes over its service gains no more than that.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..checks import Fields, dictionary, document, number, text, whole
from ..errors import DroverError
from ..hosts.document import MOST
from ..placement.document import read_plan
from ..serving.deployment import at_address, read_deployment

SCHEMA = 1
VARIES = ("arguments", "memory_bytes")
# Of those that stand by it has the workers of one plan, and root's has all of them.
ROOTS = ("tunnel",)
# What a leader's GPUs are shown by varies with those that it uses.
VARIES_ON_LEADER = (*VARIES, "environment")
THREADS, DEVICE = "--threads", "--device"
MOST_THREADS = 4096


def grant_of(*documents: bytes | None) -> str:
    """By which a decision is known to be of what root's documents (their bytes, or None for one that is not there) say:
    when they are written anew, what was decided before is nothing any more."""
    whole = hashlib.sha256()
    for content in documents:
        whole.update(hashlib.sha256(content or b"").digest())
    return whole.hexdigest()


def within_grant(root: dict[str, Any], wanted: object) -> dict[str, Any]:
    """The worker's deployment ``wanted``, as far as ``root`` lets it differ. Raises DroverError, one sentence, for one
    that goes further. A leader leaves the address to a pod, whose ``root`` tells it."""
    found = at_address(read_deployment(wanted), root["listen"]["address"])
    for name in root:
        if name not in (*VARIES, *ROOTS) and found.get(name) != root[name]:
            raise DroverError(
                f"The deployment has {name} {found.get(name)!r}, and this host was granted {root[name]!r}: run "
                "site.yml again (kubernetes.yml for pods), which grants another."
            )
    if _frame(found["arguments"]) != _frame(root["arguments"]):
        raise DroverError(
            f"The deployment has the arguments {found['arguments']!r}, and this host was granted "
            f"{root['arguments']!r}, of which only threads and devices may vary: run site.yml again."
        )
    threads = _value(found["arguments"], THREADS)
    if threads is not None and not (threads.isascii() and threads.isdigit() and 0 < int(threads) <= MOST_THREADS):
        raise DroverError(
            f"The deployment has {threads!r} threads where a number from 1 to {MOST_THREADS} was expected."
        )
    lent = (_value(root["arguments"], DEVICE) or "").split(",")
    for device in (_value(found["arguments"], DEVICE) or "").split(","):
        # Where root named none, there is none to name.
        if device not in lent:
            raise DroverError(
                f"The deployment lends the device {device!r}, and this host was granted {', '.join(lent)}."
            )
    return {**root, **{name: found[name] for name in VARIES}}


def as_decided(root: dict[str, Any], decided: object, grant: str) -> dict[str, Any] | None:
    """The deployment in ``decided``, what the service user keeps (see ``read_decision``), if it is within ``root`` and
    of the same ``grant``; else None, and root's word counts."""
    try:
        found = read_decision(decided)
        if found["grant"] != grant:
            return None
        if root["part"] == "worker":
            return within_grant(root, found["deployment"])
        deployment = read_deployment(found["deployment"])
    except DroverError:
        return None
    fixed = [name for name in root if name not in VARIES_ON_LEADER]
    return deployment if all(deployment.get(name) == root[name] for name in fixed) else None


def of_leader(root: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """What a leader runs by a plan of its own, which made ``planned``: whom it lets in, say, is ``root``'s to tell, and
    in a pod its address."""
    planned = at_address(planned, root["listen"]["address"])
    return {**root, **{name: planned[name] for name in VARIES_ON_LEADER}}


def read_decision(value: object) -> dict[str, Any]:
    """What a host keeps of a decision: ``grant`` (see ``grant_of``) and the ``deployment``; of a leader also ``plan``,
    ``workers`` (host -> the mark of the RPC server that it was started with, see ``sight``), ``absent`` (host -> why it
    takes no part), ``lesser`` (host -> the bytes that it was planned with, where its owner has the rest), ``leader``
    (the mark of its own process), ``waiting`` (a sentence while it serves nothing, else null), ``began`` (when, in
    seconds on its clock since its boot) and ``strikes`` (see there)."""
    found = document(value, "The decision", SCHEMA, {"grant": str, "deployment": dict})
    text(found["grant"], "The decision's grant")
    if found["deployment"].get("part") == "leader":
        fields: Fields = {
            "plan": dict,
            "workers": dict,
            "absent": dict,
            "lesser": dict,
            "leader": (str, type(None)),
            "waiting": (str, type(None)),
            "began": (int, float),
            "strikes": dict,
        }
        found = document({"lesser": {}, **found}, "The decision", SCHEMA, fields)
        found = {**found, "plan": read_plan(found["plan"])}
        read_deployment(found["deployment"])
        for name in ("workers", "absent"):
            for host, said in found[name].items():
                text(said, f"The decision's {name}: {host}")
        for host, size in found["lesser"].items():
            whole(size, f"The decision's lesser: {host}", 0, MOST)
        for host, strike in found["strikes"].items():
            what = f"The decision's strikes: {host}"
            whole(dictionary(strike, what).get("count"), f"{what}: count", 1, MOST)
            number(strike.get("until"), f"{what}: until", 0, MOST)
    return found


def _frame(arguments: list[str]) -> list[str]:
    """``arguments`` without what may vary."""
    return ["" if place and arguments[place - 1] in (THREADS, DEVICE) else word for place, word in enumerate(arguments)]


def _value(arguments: list[str], flag: str) -> str | None:
    place = arguments.index(flag) + 1 if flag in arguments else 0
    return arguments[place] if 0 < place < len(arguments) else None
