# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.rollout import progress
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect, place

POLL_SECONDS = 2
# What mends itself is no fault yet, such as a pod that finds no place while another one ends.
PATIENCE_SECONDS = 60


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
        chosen = {"labelSelector": selector_text(Names(plan["cluster"], namespace).selector())}
        began, since = time.monotonic(), {}
        while True:
            deployments = api.list(place("Deployment", namespace), "Deployment", **chosen)
            pods = api.list(place("Pod", namespace), "Pod", **chosen)
            events = api.events(namespace)
            found = progress(plan, deployments, pods, events, namespace, given["nodes"])
            if found["ready"]:
                return {"states": found["states"]}
            now = time.monotonic()
            since = {fault: since.get(fault, now) for fault in found["faults"]}
            lasting = [fault for fault, first in since.items() if now - first >= PATIENCE_SECONDS]
            if lasting:
                raise DroverError(" ".join(lasting))
            if now - began >= given["timeout"]:
                raise DroverError(
                    f"{found['waits_for']} within {given['timeout']} seconds: look at the logs of its pod, or raise "
                    "kubernetes_timeout."
                )
            time.sleep(POLL_SECONDS)
