# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf.document import read_gguf
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.deploy import deploy_pods
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.gpus import give
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.manifests import identity, manifests, superfluous
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.obstacles import volume_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.quotas import limit_faults, quota_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.speeds import to_keep
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.serving.ports import require_ports
from ansible_collections.drover.llama.plugins.module_utils.serving.settings import settings_by_host
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.deployment_options import MODEL, SETTINGS
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import (
    CLUSTER,
    CONNECTION,
    connect,
    document_in,
    named,
    names_of,
    place,
    present_objects,
    read_settings,
)
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import Forbidden


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            **CLUSTER,
            "plan": {"type": "dict", "required": True},
            "tallies": {"type": "list", "elements": "dict", "required": True},
            "programs": {"type": "dict", "default": {}},
            "model": {"type": "dict", "required": True, "options": MODEL},
            "stock": {"type": "list", "elements": "dict", "required": True},
            "settings_of_hosts": SETTINGS,
            "listeners": {"type": "dict", "default": {}},
            "secret_version": {"type": "str", "default": ""},
            "gguf": {"type": "dict", "required": True},
        }
    )

    def answer(self, given):
        settings, plan = read_settings(given), read_plan(given["plan"])
        tallies = [read_tally(tally) for tally in given["tallies"]]
        stock = give(given["stock"], plan, tallies)
        api, names = connect(given), names_of(given, settings)
        present = [each for each in present_objects(api, names) if each["kind"] != "Pod"]
        deployments, members = deploy_pods(
            plan,
            tallies,
            given["programs"],
            given["model"],
            stock,
            settings,
            read_gguf(given["gguf"]),
            settings_by_host(given["settings_of_hosts"]),
            document_in(named("ConfigMap", names.members, present), "members.json"),
        )
        require_ports(deployments.values(), given["listeners"])
        if members and members["joins"]:
            plan = members["plan"]
        speeds = to_keep(stock, tallies, given["programs"])
        wanted = manifests(plan, deployments, stock, settings, given["secret_version"], speeds, members)
        folder = f"/api/v1/namespaces/{settings.namespace}"
        faults = quota_faults(
            api.list(f"{folder}/resourcequotas"),
            api.list(place("Pod", settings.namespace)),
            wanted,
            names,
            workers=len(deployments) - 1,
        )
        faults += volume_faults(*volume_and_leader(api, settings, plan, stock), settings.model.claim)
        faults += limit_faults(api.list(f"{folder}/limitranges"), wanted)
        if faults:
            raise DroverError(" ".join(faults))
        return {
            "deployments": deployments,
            "manifests": wanted,
            "superfluous": [identity(each) for each in superfluous(present, wanted)],
        }


def volume_and_leader(api, settings, plan, stock):
    """The volume of the model's claim, None where there is none or the user may not see it, and the leader's node."""
    leader = next((entry for entry in stock if entry["node"] == plan["leader"]), None)
    if not settings.model.claim:
        return None, leader
    claims = f"/api/v1/namespaces/{settings.namespace}/persistentvolumeclaims"
    name = ((api.get(f"{claims}/{settings.model.claim}") or {}).get("spec") or {}).get("volumeName")
    with suppress(Forbidden):
        return api.get(f"/api/v1/persistentvolumes/{name}") if name else None, leader
    return None, leader
