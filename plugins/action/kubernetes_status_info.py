# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.healing.telling import heal_lines, moment
from ansible_collections.drover.llama.plugins.module_utils.healing.told import read_told
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.proof import held_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.status import part_states
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.telling.status import problems, status_lines
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import (
    CONNECTION,
    connect,
    document_in,
    place,
)
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_proof import ask, healing_of, held_by

COMPLETION_SECONDS = 120


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            "cluster": {"type": "str", "default": "main"},
            "namespace": {"type": "str", "required": True},
            "plans": {"type": "list", "elements": "dict", "default": []},
            "outside": {"type": "list", "elements": "dict", "default": []},
        }
    )

    def answer(self, given):
        api, namespace, names = connect(given), given["namespace"], Names(given["cluster"], given["namespace"])
        maps = api.list(place("ConfigMap", namespace), labelSelector=selector_text(names.selector()))
        by_name = {each["metadata"]["name"]: each for each in maps}
        # Where a host outside leads, it has the plan.
        written = next(iter(given["plans"]), None) or document_in(by_name.get(names.plan), "plan.json")
        if written is None:
            raise DroverError(
                f"The namespace {namespace} has no plan of the cluster {given['cluster']}: run kubernetes.yml."
            )
        plan = read_plan(written)
        pods = api.list(place("Pod", namespace), labelSelector=selector_text(names.selector()))
        events = api.events(namespace)
        elsewhere = {state["host"] for state in given["outside"]}
        nodes = nodes_of(plan, elsewhere)
        states = part_states(plan, pods, namespace, nodes, events)
        healing = healing_of(api, namespace, given["cluster"], states)
        if healing:
            # Who takes part is for the cluster itself to say.
            plan = read_plan(healing["plan"])
            nodes = nodes_of(plan, elsewhere)
            states = part_states(plan, pods, namespace, nodes, events)
        held = held_by(api, namespace, given["cluster"], states)
        told = [describe(api, namespace, names, by_name, state, held) for state in states]
        told += [state for state in given["outside"] if state["host"] in plan["addresses"]]
        weak = [] if any(state["problem"] for state in told) else held_faults(plan, held, nodes)
        found = [*problems(plan, told), *weak]
        lines = status_lines(plan, told)
        if healing:
            lines += ["", *heal_lines(read_told(healing["told"]), moment)]
        return {"lines": lines, "problems": found, "healthy": not found, "states": states}


def nodes_of(plan, elsewhere):
    """The hosts of the plan that are nodes."""
    return [host for host in plan["addresses"] if host not in elsewhere]


def describe(api, namespace, names, by_name, state, held):
    """A host's state as ``telling.status`` takes it."""
    name = names.leader if state["part"] == "leader" else names.worker(state["host"])
    deployment = document_in(by_name.get(name) or by_name.get(names.workers), "deployment.json") or {}
    told = {
        "host": state["host"],
        "programs": deployment.get("build") or {},
        "listens": state["ready"],
        "held_bytes": held.get(state["host"], {}).get("held_bytes"),
        "problem": state["problem"],
        "completion": None,
    }
    if not state["problem"] and not state["ready"]:
        told["problem"] = (
            f"The {state['part']} on {state['host']} is not ready: look at the log of the pod {state['pod']}."
        )
    elif state["part"] == "leader" and not told["problem"]:
        wait = ["complete", "--cluster", names.cluster.name, "--max-tokens", "16", "--timeout", str(COMPLETION_SECONDS)]
        try:
            told["completion"] = ask(api, namespace, state, wait, COMPLETION_SECONDS)
        except DroverError as error:
            told["problem"] = str(error)
    return told
