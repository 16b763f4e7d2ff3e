# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.healing.telling import heal_lines, moment
from ansible_collections.drover.llama.plugins.module_utils.healing.told import read_told
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.nodes import is_ready
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.proof import held_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.status import part_states, who_leads
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.telling.status import problems, status_lines
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import (
    CONNECTION,
    connect,
    document_in,
    lease_of,
    place,
)
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import Forbidden
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
        lease = lease_of(api, names, plan)
        plan = {**plan, "leader": who_leads(plan, lease)}
        pods = api.list(place("Pod", namespace), labelSelector=selector_text(names.selector()))
        events = api.events(namespace)
        elsewhere = {state["host"] for state in given["outside"]}
        nodes = nodes_of(plan, elsewhere)
        states = part_states(plan, pods, namespace, nodes, events, lease)
        healing = healing_of(api, namespace, given["cluster"], states)
        if healing:
            # Who takes part is for the cluster itself to say.
            plan = read_plan(healing["plan"])
            nodes = nodes_of(plan, elsewhere)
            states = part_states(plan, pods, namespace, nodes, events, lease)
        held = held_by(api, namespace, given["cluster"], states)
        standbys = [state for state in states if state["part"] == "standby"]
        told = [describe(api, namespace, names, by_name, state, held) for state in states if state not in standbys]
        told += [state for state in given["outside"] if state["host"] in plan["addresses"]]
        weak = [] if any(state["problem"] for state in told) else held_faults(plan, held, nodes)
        lost = unready(api) if standbys else ()
        found = [*problems(plan, told), *weak, *filter(None, (standby_problem(state, lost) for state in standbys))]
        lines = status_lines(plan, told)
        if healing:
            lines += ["", *heal_lines(read_told(healing["told"]), moment)]
        return {"lines": lines, "problems": found, "healthy": not found, "states": states}


def nodes_of(plan, elsewhere):
    """The hosts of the plan, and those that stand by, that are nodes."""
    return [host for host in dict.fromkeys([*plan["addresses"], *plan.get("leaders", [])]) if host not in elsewhere]


def unready(api):
    """The nodes whose pods nobody hears of; none if the user may not see them."""
    with suppress(Forbidden):
        return {node["metadata"]["name"] for node in api.list("/api/v1/nodes") if not is_ready(node)}
    return set()


def standby_problem(state, lost):
    """What is wrong with one that stands by, None for nothing."""
    if state["host"] in lost:
        return f"{state['host']} cannot stand by, since the node is not ready: look at its kubelet."
    return problem_of(state)


def problem_of(state):
    """What is wrong with a part, None for nothing."""
    if state["problem"] or state["ready"]:
        return state["problem"]
    return f"The {state['part']} on {state['host']} is not ready: look at the log of the pod {state['pod']}."


def describe(api, namespace, names, by_name, state, held):
    """A host's state as ``telling.status`` takes it."""
    of_leader, of_worker = (names.leader_on(state["host"]), names.leader), (names.worker(state["host"]), names.workers)
    known = [by_name[name] for name in (of_leader if state["part"] == "leader" else of_worker) if name in by_name]
    deployment = document_in(next(iter(known), None), "deployment.json") or {}
    told = {
        "host": state["host"],
        "programs": deployment.get("build") or {},
        "listens": state["ready"],
        "held_bytes": held.get(state["host"], {}).get("held_bytes"),
        "problem": problem_of(state),
        "completion": None,
    }
    if state["part"] == "leader" and not told["problem"]:
        wait = ["complete", "--cluster", names.cluster.name, "--max-tokens", "16", "--timeout", str(COMPLETION_SECONDS)]
        try:
            told["completion"] = ask(api, namespace, state, wait, COMPLETION_SECONDS)
        except DroverError as error:
            told["problem"] = str(error)
    return told
