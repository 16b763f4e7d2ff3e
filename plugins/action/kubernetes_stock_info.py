# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.access import access_faults, reviews
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.gpus import gpu_faults, settle_gpus
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.image import programs_by_machine
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.lend import MACHINES
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.manifests import (
    foundation,
    identity,
    key,
    superfluous,
)
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.named import (
    class_faults,
    named_objects,
    node_faults,
)
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import DROVER, OWNER_LABEL
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.nodes import take_stock
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.obstacles import (
    claim_faults,
    namespace_faults,
    service_faults,
)
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.quantities import bytes_of
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.restore import restorable
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.secret import read_keys
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.short_lived import (
    courier_pod,
    sweeper_pods,
    tally_pods,
)
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.speeds import recalled
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import (
    CLUSTER,
    CONNECTION,
    IMAGES,
    connect,
    document_in,
    named,
    names_of,
    place,
    present_objects,
    read_settings,
)
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import Forbidden

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
RUNTIME_CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator({**CONNECTION, **CLUSTER, "required": {"type": "bool", "default": True}})

    def answer(self, given):
        settings = read_settings(given)
        api, names = connect(given), names_of(given, settings)
        refuse(access_faults(api.create(REVIEWS, review) for review in reviews(settings)))
        namespace = api.get(f"/api/v1/namespaces/{settings.namespace}") if settings.create_namespace else None
        # Whoever may not see namespaces is told by what is in them.
        is_there = namespace is not None or not settings.create_namespace
        if settings.create_namespace or namespace:
            refuse(namespace_faults(namespace, settings))
        claim = claim_of(api, settings)
        nodes, pods = api.list("/api/v1/nodes"), api.list("/api/v1/pods")
        if given["required"]:
            refuse(claim_faults(claim, settings))
            refuse(service_faults(api.list("/api/v1/services"), settings, given["cluster"]))
            refuse(lacking(api, settings, given["cluster"], claim, nodes))
        programs = programs_by_machine(given["images"], IMAGES) if given["images"] else {}
        present = present_objects(api, names) if is_there else []
        stock = take_stock(
            nodes,
            pods,
            settings,
            given["cluster"],
            [machine for machine in MACHINES if MACHINES[machine] in programs] if programs else None,
        )
        stock = recalled(stock, (named("ConfigMap", names.speeds, present) or {}).get("data") or {})
        by_machine = {machine: programs[name] for machine, name in MACHINES.items() if name in programs}
        if given["required"]:
            refuse(gpu_faults(stock, settings, by_machine))
        stock = settle_gpus(stock, settings, runtime_classes(api, stock), by_machine)
        base = foundation(settings, given["cluster"])
        secret = api.get(f"{place('Secret', settings.namespace)}/{names.secret}") if is_there else None
        return {
            "stock": stock,
            "programs": programs,
            "foundation": base,
            # A namespace that is not Drover's own has no labels of it.
            "new": [
                each for each in base if not (namespace if each["kind"] == "Namespace" else named(*key(each), present))
            ],
            "tally_pods": tally_pods(stock, settings, given["cluster"]),
            "courier_pods": {
                entry["node"]: courier_pod(entry, settings, given["cluster"]) for entry in stock if not entry["reason"]
            },
            "sweeper_pods": {
                "folders": sweeper_pods(stock, settings, given["cluster"]),
                "models": sweeper_pods(stock, settings, given["cluster"], models=True),
            },
            "installed": [identity(each) for each in removal(present)],
            "owns_namespace": owns(namespace),
            "previous": restorable(present),
            "plan": document_in(named("ConfigMap", names.plan, present), "plan.json"),
            "has_key": bool(read_keys(secret)),
            "has_agents_secret": named("Secret", names.agents, present) is not None,
            "secret_version": (secret or {}).get("metadata", {}).get("resourceVersion", ""),
            "claim_bytes": claim_bytes(claim),
        }


def refuse(faults):
    """Raise DroverError with all sentences, if there are any."""
    if faults:
        raise DroverError(" ".join(faults))


def lacking(api, settings, cluster, claim, nodes):
    """What is said of what the settings name; of what the user may not see nothing."""
    found = node_faults((node["metadata"]["name"] for node in nodes), settings)
    with suppress(Forbidden):
        found += class_faults(claim, api.list(CLASSES))
    for path, judge in named_objects(settings, cluster).items():
        with suppress(Forbidden):
            found.append(judge(api.get(path)))
    return [each for each in found if each]


def runtime_classes(api, stock):
    """The RuntimeClasses, where a node has GPUs for pods; none if the user may not see them."""
    with suppress(Forbidden):
        return api.list(RUNTIME_CLASSES) if any(entry["gpus"] for entry in stock) else []
    return []


def claim_of(api, settings):
    """The claim that the model is in; None where it is in none, or there is no such one."""
    claim = settings.model.claim
    return api.get(f"/api/v1/namespaces/{settings.namespace}/persistentvolumeclaims/{claim}") if claim else None


def claim_bytes(claim):
    """The capacity of the claim; None where none is told."""
    told = ((claim or {}).get("status") or {}).get("capacity", {}).get("storage")
    return bytes_of(told, "The capacity of the claim") if told else None


def removal(present):
    """All of a cluster's objects in the order in which they are taken off, Secrets last but one."""
    secrets = [each for each in present if each["kind"] == "Secret"]
    return [*superfluous(present, []), *secrets]


def owns(namespace):
    """Whether Drover made the namespace."""
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return labels.get(OWNER_LABEL) == DROVER
