# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in an inventory the playbooks cannot go by: its groups, and variables of the roles' that it cannot set, so that
none is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# What the playbooks hand to the roles, for whoever uses a role by itself, and what to set in its place.
DECIDED = {
    "gateway_cluster": "drover_cluster",
    "gateway_deployments": None,
    "gateway_plan": None,
    "gguf_model_cluster": "drover_cluster",
    "gguf_model_reader": "placement_leader",
    "host_cluster": "drover_cluster",
    "host_deployment": None,
    "host_installed": None,
    "host_memory": None,
    "host_notify": None,
    "host_packages": None,
    "host_packages_record": None,
    "host_packages_remedy": None,
    "host_running": None,
    "host_secret": None,
    "host_unit": None,
    "llama_cpp_cluster": "drover_cluster",
    "llama_cpp_found": None,
    "llama_cpp_hosts": "placement_exclude",
    "llama_server_cluster": "drover_cluster",
    "llama_server_deployment": None,
    "llama_server_model": "gguf_model_leader_path",
    "llama_server_members": None,
    "llama_server_members_found": None,
    "llama_server_plan": None,
    "llama_server_standby": None,
    "placement_api_port": "llama_server_port",
    "placement_builds_path": "llama_cpp_directory",
    "placement_choice": None,
    "placement_cluster": "drover_cluster",
    "placement_disk_path": "gguf_model_directory",
    "placement_hosts": "placement_exclude",
    "placement_model": None,
    "placement_model_host": None,
    "placement_programs": None,
    "rpc_server_cluster": "drover_cluster",
    "rpc_server_deployment": None,
    "tensor_cache_cluster": "drover_cluster",
    "tensor_cache_deployment": None,
    "tensor_cache_manifest_directory": None,
    "tensor_cache_model_path": "gguf_model_leader_path",
    "tensor_cache_plan": None,
}

# What is asked of one host for all. A token is left out: looking it up may cost something, and a wrong one is told of.
SHARED = (
    "drover_cluster",
    *("gguf_model_path", "gguf_model_url", "gguf_model_leader_path", "gguf_model_sha256"),
    *("gguf_model_repo", "gguf_model_quantization", "gguf_model_repo_file", "gguf_model_revision"),
    "gguf_model_hub_url",
    *("llama_cpp_method", "llama_cpp_tag", "llama_cpp_mirror_url", "llama_cpp_archive_names"),
    *("llama_cpp_archive_sha256", "llama_cpp_require_sha256", "llama_cpp_source", "llama_cpp_source_sha256"),
    *("llama_cpp_cpu", "llama_cpp_backends", "llama_cpp_cmake_options", "llama_cpp_build_jobs", "llama_cpp_bundle"),
    "llama_cpp_cache",
    *(
        f"{role}_{name}"
        for role in ("llama_server", "placement")
        for name in (
            *("context_size", "parallel", "cache_type_k", "cache_type_v", "batch_size", "ubatch_size"),
            "flash_attention",
        )
    ),
    *("placement_leader", "placement_spread", "placement_split", "placement_prompt_tokens", "placement_answer_tokens"),
    *("placement_max_devices", "placement_margin", "placement_standby", "placement_report"),
    *("tensor_cache_spread", "tensor_cache_urls", "tensor_cache_port", "tensor_cache_offer_seconds"),
)

# A fact of the role placement: a playbook has run before in this run, and has set facts of names in ``DECIDED``.
_RUN_BEFORE = "placement_tally"


def inventory_faults(groups: Mapping[str, list[str]], hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each thing in an inventory that keeps the playbooks from beginning. ``hosts``: by their names, all
    variables that Ansible knows of each."""
    cluster, leaders = groups.get("llama_cluster") or [], groups.get("llama_leader") or []
    if not cluster:
        others = ", ".join(name for name in groups if name not in ("all", "ungrouped"))
        return [
            f"The inventory has no hosts in the group llama_cluster (its groups are {others or 'none'}); put every "
            "machine that may take part into llama_cluster, as inventories/pi shows."
        ]
    found = setting_faults(hosts[host] for host in cluster)
    if len(leaders) > 1 or not set(leaders) <= set(cluster):
        pinned = (
            f"The group llama_leader holds {', '.join(leaders)}, and it pins one host of the group llama_cluster "
            f"({', '.join(cluster)}); name exactly one of those in it, or leave it empty and the planner elects a "
            "leader."
        )
        return [pinned, *found]
    return found


def setting_faults(hosts: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each thing in an inventory that would not count. ``hosts``: all variables that Ansible knows of
    each host, of them ``inventory_hostname``."""
    known = list(hosts)
    return [*_decided_faults(known), *_shared_faults(known)]


def _decided_faults(hosts: list[Mapping[str, Any]]) -> list[str]:
    setters: dict[tuple[str, ...], list[str]] = {}
    for variables in hosts:
        names = tuple(name for name in sorted(DECIDED) if name in variables)
        if names and _RUN_BEFORE not in variables:
            setters.setdefault(names, []).append(str(variables["inventory_hostname"]))
    return [
        f"{', '.join(who)} {'sets' if len(who) == 1 else 'set'} {', '.join(_with_remedy(name) for name in names)}, "
        f"which the playbooks decide themselves: take {'it' if len(names) == 1 else 'them'} out of the inventory, or "
        "use the role by itself."
        for names, who in setters.items()
    ]


def _with_remedy(name: str) -> str:
    instead = DECIDED[name]
    return f"{name} (set {instead} instead)" if instead else name


def _shared_faults(hosts: list[Mapping[str, Any]]) -> list[str]:
    found = []
    for name in SHARED:
        if not any(name in variables for variables in hosts):
            continue
        every = [(str(variables["inventory_hostname"]), _said(variables, name)) for variables in hosts]
        said = [(host, value) for host, value in every if value is not None]
        other = next((host for host, value in said if value != said[0][1]), None)
        if other:
            found.append(
                f"{name} is one setting of the whole cluster, and {other} has another than {said[0][0]}: set it for "
                "the group llama_cluster."
            )
    return found


def _said(variables: Mapping[str, Any], name: str) -> str | None:
    """What a host says, as text, since an INI inventory makes text of it; None where that is open here.

    What is made of a variable of a play is known in that play only. ansible-core 2.18 then answers with the template as
    it stands, and later ones raise errors of their own.
    """
    if name not in variables:
        return ""
    try:
        said = str(variables[name])
    except Exception:
        return None
    return None if "{{" in said else said
