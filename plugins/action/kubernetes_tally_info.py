# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.lend import (
    MACHINES,
    lend,
    read_log,
)
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import WORKER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.node_devices import with_devices
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pod_faults import pod_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.requests import ENDED
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.settings import DAEMONSET
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.shares import equal
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import (
    CLUSTER,
    CONNECTION,
    connect,
    names_of,
    place,
    read_settings,
)
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_proof import held_on_nodes


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            **CLUSTER,
            "stock": {"type": "list", "elements": "dict", "required": True},
            "programs": {"type": "dict", "default": {}},
            "claim_bytes": {"type": "int"},
            "leader": {"type": "str", "default": ""},
            "measured": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 180},
        }
    )

    def answer(self, given):
        settings = read_settings(given)
        names = names_of(given, settings)
        usable = [entry["node"] for entry in given["stock"] if not entry["reason"]]
        logs = {}
        if given["measured"] and usable:
            api = connect(given)
            logs = collect(api, settings.namespace, {node: names.tally(node) for node in usable}, given["timeout"])
        # Beyond what they request, pods of a cluster that heals itself may hold what those had who are lost.
        held = held_on_nodes(connect(given), names) if settings.healing and logs else {}
        tallies, programs = [], {}
        for entry in given["stock"]:
            node = entry["node"]
            measured = read_log(logs[node], node) if node in logs else None
            told = measured.pop("programs", None) if measured else None
            known = given["programs"].get(MACHINES.get(entry["machine"])) or told or {}
            # What they list on the node is told there alone.
            known = {**known, "devices": (told or {}).get("devices", [])} if known else {}
            tallies.append(
                lend(
                    entry,
                    measured,
                    settings,
                    given["cluster"],
                    held_bytes=held_there(entry, held, settings) if logs else None,
                    claim_bytes=given["claim_bytes"],
                    programs=known,
                )
            )
            programs[node] = with_devices(entry, measured, known, settings)
        if settings.workers == DAEMONSET:
            tallies = equal(tallies, given["leader"])
        return {"tallies": tallies, "programs": programs}


def held_there(entry, held, settings):
    """The bytes that the cluster's pods hold on a node, by ``held``, what they tell: node -> bytes."""
    told, requested = held.get(entry["node"], 0), entry["held"]["memory_bytes"]
    # A pod of many requests all that it may ever hold.
    return told if settings.workers == DAEMONSET and WORKER in entry["parts"] else max(requested, told)


def collect(api, namespace, pods, timeout):
    """Node -> log of its pod of ``pods`` (node -> name), when all have ended. Raises DroverError when one cannot."""

    def look():
        found = {pod["metadata"]["name"]: pod for pod in api.list(place("Pod", namespace), "Pod")}
        ended = {name for name, pod in found.items() if (pod.get("status") or {}).get("phase") in ENDED}
        open_pods = {node: name for node, name in pods.items() if name not in ended}
        late = (
            f"The pods that take stock of {', '.join(sorted(open_pods))} did not end within {timeout} seconds: look at "
            "them, or leave the nodes out with kubernetes_exclude."
        )
        faults = pod_faults([found[name] for name in open_pods.values() if name in found], api.events(namespace))
        return None if open_pods else True, faults, late

    wait_for(look, timeout)
    return {node: api.log(namespace, name) for node, name in pods.items()}
