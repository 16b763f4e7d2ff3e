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
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.placing import placing
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.policies import left_to_firewalls
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.quotas import limit_faults, quota_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.speeds import to_keep
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.weights_map import mark_in, weights_map
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

# Where the Service of the API does not tell.
USUAL_PORTS = (443, 6443)


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
        gguf = read_gguf(given["gguf"])
        tallies = [read_tally(tally) for tally in given["tallies"]]
        stock = give(given["stock"], plan, tallies)
        api, names = connect(given), names_of(given, settings)
        present = [each for each in present_objects(api, names) if each["kind"] != "Pod"]

        def members_in(name):
            return document_in(named("ConfigMap", name, present), "members.json")

        deployments, members, standbys = deploy_pods(
            plan,
            tallies,
            given["programs"],
            given["model"],
            stock,
            settings,
            gguf,
            settings_by_host(given["settings_of_hosts"]),
            members_in(names.members_on(plan["leader"]) if "leaders" in plan else names.members),
            {host: members_in(names.members_on(host)) for host in plan.get("leaders", [])[1:]},
        )
        require_ports(deployments.values(), given["listeners"])
        if members and members["joins"]:
            plan = members["plan"]
        speeds = to_keep(stock, tallies, given["programs"])
        ports = kubernetes_ports(api) if standbys else ()
        about = (given["secret_version"], speeds, members, standbys, ports)
        wanted = manifests(plan, deployments, stock, settings, *about)
        folder = f"/api/v1/namespaces/{settings.namespace}"
        faults = quota_faults(
            api.list(f"{folder}/resourcequotas"),
            api.list(place("Pod", settings.namespace)),
            wanted,
            names,
            workers=len(deployments) - 1,
        )
        volume = volume_of(api, settings)
        for leader in leaders_in(plan, stock):
            faults += volume_faults(volume, leader, settings.model.claim)
        faults += limit_faults(api.list(f"{folder}/limitranges"), wanted)
        if faults:
            raise DroverError(" ".join(faults))
        # It is written when caches are filled, and not with the rest.
        noted = [weights_map(names, {}, "")] if settings.spread else []
        placed = mark_in(named("ConfigMap", names.weights, present))
        return {
            "deployments": deployments,
            "manifests": wanted,
            "superfluous": [identity(each) for each in superfluous(present, [*wanted, *noted])],
            "placing": placing(plan, deployments, stock, settings, given["model"], gguf, placed),
            "notes": left_to_firewalls(plan, deployments, {entry["node"] for entry in stock}, settings),
        }


def kubernetes_ports(api):
    """Where pods reach the API: at its Service, and where that leads."""
    services = api.list("/api/v1/namespaces/default/services")
    own = next((each for each in services if each["metadata"]["name"] == "kubernetes"), {"spec": {"ports": []}})
    found = [port[name] for port in own["spec"]["ports"] for name in ("port", "targetPort") if name in port]
    return sorted({each for each in found if isinstance(each, int)} or USUAL_PORTS)


def leaders_in(plan, stock):
    """The nodes, as the stock has them, that lead by the plan, or may; None for one outside."""
    by_node = {entry["node"]: entry for entry in stock}
    return [by_node.get(host) for host in plan.get("leaders", [plan["leader"]])]


def volume_of(api, settings):
    """The volume of the model's claim, None where there is none or the user may not see it."""
    if not settings.model.claim:
        return None
    claims = f"/api/v1/namespaces/{settings.namespace}/persistentvolumeclaims"
    name = ((api.get(f"{claims}/{settings.model.claim}") or {}).get("spec") or {}).get("volumeName")
    with suppress(Forbidden):
        return api.get(f"/api/v1/persistentvolumes/{name}") if name else None
    return None
