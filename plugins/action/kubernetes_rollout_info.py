# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.rollout import progress
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect, lease_of, place
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import Forbidden


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            "namespace": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "nodes": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 1800},
        }
    )

    def answer(self, given):
        plan, api, namespace = read_plan(given["plan"]), connect(given), given["namespace"]
        names = Names(plan["cluster"], namespace)
        chosen = {"labelSelector": selector_text(names.selector())}

        def look():
            found = progress(
                plan,
                api.list(place("Deployment", namespace), "Deployment", **chosen) + daemon_sets(api, namespace, chosen),
                api.list(place("Pod", namespace), "Pod", **chosen),
                api.events(namespace),
                namespace,
                given["nodes"],
                lease_of(api, names, plan),
            )
            late = (
                f"{found['waits_for']} within {given['timeout']} seconds: look at the logs of its pod, or raise "
                "kubernetes_timeout."
            )
            return found["states"] if found["ready"] else None, found["faults"], late

        return {"states": wait_for(look, given["timeout"])}


def daemon_sets(api, namespace, chosen):
    """Those that are chosen; none if the user may not see them, who has made none then."""
    with suppress(Forbidden):
        return api.list(place("DaemonSet", namespace), "DaemonSet", **chosen)
    return []
