# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``plan``: its strict reader, and when two plans are the same for the hosts that run them."""

from __future__ import annotations

from typing import Any

from .. import checks
from .policy import Policy

SCHEMA = 1
ENGINE = "llama.cpp"
REMEDY = "use what the module placement returned; where another release of Drover wrote it, run site.yml again"
_NULL = type(None)
FIELDS: checks.Fields = {
    "cluster": str,
    "engine": str,
    "feasible": bool,
    "mode": (str, _NULL),
    "leader": (str, _NULL),
    "leader_blocks": int,
    "devices": list,
    "host": (dict, _NULL),
    "endpoints": list,
    "threads": dict,
    "addresses": dict,
    "network": (str, _NULL),
    "predicted": (dict, _NULL),
    "policy": dict,
    "model": dict,
    "layer_weight_bytes": list,
    "spare": list,
    "shortfall": (dict, _NULL),
    "missing_bytes": int,
    "remedies": list,
    "warnings": list,
    "reasons": list,
}
PART_FIELDS: checks.Fields = {
    "weight_bytes": int,
    "kv_bytes": int,
    "compute_bytes": int,
    "total_bytes": int,
    "usable_bytes": int,
    "holds_output": bool,
}
DEVICE_FIELDS: checks.Fields = {
    **PART_FIELDS,
    "host": str,
    "endpoint": (str, _NULL),
    "device": str,
    "id": str,
    "kind": str,
    "overhead_bytes": int,
    "first_block": int,
    "block_count": int,
}
ENDPOINT_FIELDS: checks.Fields = {"host": str, "address": str, "port": int, "devices": list}
PREDICTED_FIELDS: checks.Fields = {
    "seconds_per_token": float,
    "tokens_per_second": float,
    "prompt_tokens_per_second": float,
    "request_seconds": float,
    "load_bytes_over_network": int,
}
SHORTFALL_FIELDS: checks.Fields = {"kind": str, "text": str, "bytes": int}
NEEDED_OF_MODEL: checks.Fields = {
    "name": (str, _NULL),
    "quantization": (str, _NULL),
    "file_bytes": int,
    "block_count": int,
}
# Enough of a model to know its file again.
MODEL_FIELDS = (
    "name",
    "quantization",
    "architecture",
    "file_bytes",
    "weight_bytes",
    "parameter_count",
    "block_count",
    "shards",
)
# What a host that runs a plan notices of it. What is measured anew each time (usable bytes, predictions) is not in it.
SAME = (
    "schema",
    "cluster",
    "engine",
    "model",
    "policy",
    "leader",
    "leader_blocks",
    "endpoints",
    "threads",
    "addresses",
)
SAME_OF_DEVICES = (
    "host",
    "device",
    "id",
    "kind",
    "first_block",
    "block_count",
    "holds_output",
    "weight_bytes",
    "kv_bytes",
    "compute_bytes",
    "experts_on_cpu",
    "streams",
)


def read_plan(value: object) -> dict[str, Any]:
    """The plan in ``value``, its policy complete. Raises ``DroverError``, one sentence, for what is none."""
    plan = checks.document(value, "The plan", SCHEMA, FIELDS, REMEDY)
    plan = {**plan, "policy": Policy.from_dict(plan["policy"]).to_dict()}
    for name in ("devices", "endpoints"):
        fields = DEVICE_FIELDS if name == "devices" else ENDPOINT_FIELDS
        for number, entry in enumerate(plan[name]):
            what = f"The plan's {name}[{number}]"
            checks.record(entry, what, fields, REMEDY)
            # A plan that an earlier version wrote does not say it.
            checks.whole(entry.get("experts_on_cpu", 0), f"{what}: experts_on_cpu", 0)
    checks.record(plan["model"], "The plan's model", NEEDED_OF_MODEL, REMEDY)
    for host in checks.record({"leaders": [], **plan}, "The plan", {"leaders": list}, REMEDY)["leaders"]:
        checks.text(host, "One who may lead by the plan", REMEDY)
    if plan["feasible"]:
        checks.text(plan["leader"], "The plan's leader", REMEDY)
        checks.record(plan["host"], "The plan's host", PART_FIELDS, REMEDY)
        checks.record(plan["predicted"], "The plan's predicted", PREDICTED_FIELDS, REMEDY)
        # Nor does it say this.
        checks.whole(plan["predicted"].get("load_bytes_once_cached", 0), "The plan's load_bytes_once_cached", 0)
    else:
        checks.record(plan["shortfall"], "The plan's shortfall", SHORTFALL_FIELDS, REMEDY)
    return plan


def model_of(gguf: dict[str, Any]) -> dict[str, Any]:
    """Enough of the model to know its file again, and to tell it from any other."""
    return {key: gguf.get(key) for key in MODEL_FIELDS}


def places_the_same(before: object, after: dict[str, Any]) -> bool:
    """Whether a host that runs the plan ``before`` has nothing to do for ``after``.

    Compared are the model's file, the policy, who leads, what is on each device in layers and bytes, threads,
    addresses, the cluster, and which fields there are, since a plan that another version of Drover wrote may mean
    something else. What is no plan is the same as none.
    """
    if not isinstance(before, dict) or before.keys() != after.keys():
        return False
    return all(before.get(key) == after.get(key) for key in (*SAME, "leaders")) and _on_devices(before) == _on_devices(
        after
    )


def _on_devices(plan: dict[str, Any]) -> list[Any]:
    devices = plan["devices"] if isinstance(plan["devices"], list) else [None]
    return [
        {key: device.get(key) for key in SAME_OF_DEVICES} if isinstance(device, dict) else None for device in devices
    ]
