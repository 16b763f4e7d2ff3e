# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.proof import absent_faults, held_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_proof import ask_again, held_by, running_of


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            "namespace": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "states": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 600},
            "patience": {"type": "int", "default": 0},
            "replans": {"type": "bool", "default": False},
        }
    )

    def answer(self, given):
        plan, api, namespace, states = read_plan(given["plan"]), connect(given), given["namespace"], given["states"]
        cluster = plan["cluster"]
        leader = next((state for state in states if state["part"] == "leader"), None)
        completion = None
        # One that leads from outside is asked there.
        if leader:
            wait = ["complete", "--cluster", cluster, "--timeout", str(given["timeout"])]
            completion = ask_again(api, Names(cluster, namespace), leader, wait, given["timeout"])

        def look():
            try:
                running, absent = running_of(api, namespace, cluster, states) if given["replans"] else (plan, {})
            except DroverError as error:
                return None, {}, str(error)
            faults = held_faults(running, held_by(api, namespace, cluster, states), [state["host"] for state in states])
            faults += absent_faults(plan, absent)
            return None if faults else True, {}, " ".join(faults)

        wait_for(look, given["patience"])
        return {"completion": completion}
