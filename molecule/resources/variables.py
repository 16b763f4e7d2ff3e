# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the roles' pages, a value to set it to in an inventory, and what must then be seen.

Most are set at once and looked at in what one run of site.yml leaves (``deployed``), or in what plan.yml decides when
the hosts are to compile llama.cpp (``compiled``). What cannot be set beside the others is set by a test that has a run
of its own anyhow (``elsewhere``). What the playbooks decide themselves is ``refused`` by name, all in one run.
tests/unit/checks/test_variables.py holds this table against the argument specs: a variable that is not here, or no
longer there, fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LEADER, WORKER, OTHER = "old-server", "pi-1", "pi-2"


@dataclass(frozen=True)
class Seen:
    """What a run has left: of each host its ``facts`` of ours, and, of one that deployed, its ``deployment``."""

    facts: dict[str, dict]
    deployments: dict[str, dict]
    plan: dict
    said: str

    @property
    def choice(self) -> dict:
        """How every host gets llama.cpp."""
        return self.facts[LEADER]["llama_cpp_choice"]

    def argument(self, host: str, flag: str) -> str | None:
        """What follows a flag in what a host's service runs with, or None."""
        arguments = self.deployments[host]["arguments"]
        return arguments[arguments.index(flag) + 1] if flag in arguments else None


@dataclass(frozen=True)
class Case:
    """A value for a variable: of the whole cluster or of ``host`` only; ``look`` tells whether it took effect."""

    run: str  # deployed, compiled, elsewhere or refused
    value: Any = None
    look: Callable[[Seen], bool] | None = None
    host: str | None = None
    where: str = ""  # the file that has the test


def deployed(value: Any, look: Callable[[Seen], bool], host: str | None = None) -> Case:
    """Set in the one inventory with which site.yml deploys again."""
    return Case("deployed", value, look, host)


def compiled(value: Any, look: Callable[[Seen], bool], host: str | None = None) -> Case:
    """Set in the one inventory with which plan.yml says how llama.cpp would be compiled."""
    return Case("compiled", value, look, host)


def elsewhere(where: str) -> Case:
    """Set by a test, or for a test, in this file."""
    return Case("elsewhere", where=where)


def refused(value: Any) -> Case:
    """Set in the one inventory that is refused for it."""
    return Case("refused", value)


def recipe(seen: Seen) -> dict:
    """How the leader would compile llama.cpp."""
    return seen.choice["hosts"][LEADER]["recipe"]


def layers(device: dict) -> int:
    """What a device of a plan holds, as placement_split counts it."""
    return device["block_count"] + device["holds_output"]


REFUSALS = "molecule/refusals/tests/test_refusals.py"
TRANSFERS = "molecule/refusals/tests/test_transfers.py"
ARCHIVE = "molecule/archive/tests/test_archive.py"
SOURCE = "molecule/source/converge.yml"
REDEPLOY = "molecule/redeploy/converge.yml"
SETTINGS = "molecule/resources/inventory/group_vars/llama_cluster.yml"
GATEWAY = "molecule/gateway/tests/test_gateway.py"
WEIGHTS = "molecule/weights/tests/test_weights.py"
STANDBY = "molecule/standby/converge.yml"
ENCRYPTED = "molecule/encrypted/converge.yml"
WALKED = "molecule/default/tests/test_variables.py"

VARIABLES = {
    "gguf_model_path": elsewhere(SETTINGS),
    "gguf_model_url": elsewhere(TRANSFERS),
    "gguf_model_repo": elsewhere(TRANSFERS),
    "gguf_model_quantization": elsewhere(TRANSFERS),
    "gguf_model_repo_file": elsewhere(TRANSFERS),
    "gguf_model_revision": elsewhere(TRANSFERS),
    "gguf_model_hub_url": elsewhere(TRANSFERS),
    "gguf_model_leader_path": elsewhere(TRANSFERS),
    "gguf_model_reader": refused(WORKER),
    "gguf_model_sha256": elsewhere(TRANSFERS),
    "gguf_model_token": elsewhere(TRANSFERS),
    "gguf_model_directory": elsewhere(TRANSFERS),
    "gguf_model_cluster": refused("walked"),
    "gateway_cluster": refused("walked"),
    "gateway_plan": refused({"schema": 1}),
    "gateway_deployments": refused({"schema": 1}),
    "gateway_api_keys": elsewhere("molecule/gateway/converge.yml"),
    "gateway_hold_seconds": elsewhere("molecule/gateway/converge.yml"),
    "gateway_address": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_port": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_names": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_cors_origins": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_most_bytes": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_timeout": elsewhere("tests/lab/specs/gateway.yml"),
    "gateway_tls": elsewhere(GATEWAY),
    "gateway_certificate_file": elsewhere(GATEWAY),
    "gateway_private_key_file": elsewhere(GATEWAY),
    "host_cluster": refused("walked"),
    "host_deployment": refused({"schema": 1}),
    "host_memory": refused({"schema": 1}),
    "host_running": refused({"schema": 1}),
    "host_installed": refused("walked"),
    "host_notify": refused(["Walk"]),
    "host_secret": refused("walked"),
    "host_unit": refused("walked.service"),
    "host_packages": refused(["walked"]),
    "host_packages_remedy": refused("Walk."),
    "host_packages_record": refused("/walked"),
    "llama_cpp_method": elsewhere(SOURCE),
    "llama_cpp_tag": elsewhere(SOURCE),
    "llama_cpp_mirror_url": elsewhere(ARCHIVE),
    "llama_cpp_archive_names": elsewhere(ARCHIVE),
    "llama_cpp_archive_sha256": elsewhere(ARCHIVE),
    # Without a sha256 of the source, plan.yml ends here if it does not count.
    "llama_cpp_require_sha256": compiled(False, lambda seen: seen.choice["method"] == "source"),
    "llama_cpp_source": elsewhere(SOURCE),
    "llama_cpp_source_sha256": elsewhere(SOURCE),
    "llama_cpp_cpu": compiled("native", lambda seen: "native" in recipe(seen)["kind"]),
    "llama_cpp_backends": compiled(["vulkan"], lambda seen: "-DGGML_VULKAN=ON" in recipe(seen)["cmake_options"]),
    "llama_cpp_cmake_options": compiled(["-DWALKED=ON"], lambda seen: "-DWALKED=ON" in recipe(seen)["cmake_options"]),
    "llama_cpp_build_jobs": compiled(3, lambda seen: recipe(seen)["jobs"] == 3),
    "llama_cpp_bundle": elsewhere("molecule/offline/tests/test_offline.py"),
    "llama_cpp_cache": elsewhere(SOURCE),
    "llama_cpp_directory": elsewhere("molecule/archive/converge.yml"),
    "llama_cpp_keep_builds": elsewhere("molecule/upgrade/tests/test_upgrade.py"),
    "llama_cpp_hosts": refused([LEADER]),
    "llama_cpp_found": refused({"schema": 1}),
    "llama_cpp_cluster": refused("walked"),
    "llama_server_cluster": refused("walked"),
    "llama_server_model": refused("/srv/walked.gguf"),
    "llama_server_alias": deployed("walked", lambda seen: seen.argument(LEADER, "--alias") == "walked"),
    "llama_server_plan": refused({"schema": 1}),
    "llama_server_standby": refused({"schema": 1}),
    "llama_server_members": refused({"schema": 1}),
    "llama_server_members_found": refused("walked"),
    "llama_server_heals": elsewhere("molecule/heal/off.yml"),
    "llama_server_health_port": deployed(8098, lambda seen: seen.deployments[LEADER]["healing"]["port"] == 8098),
    "llama_server_drain_seconds": deployed(7, lambda seen: seen.deployments[LEADER]["healing"]["drain_seconds"] == 7),
    "llama_server_deployment": refused({"schema": 1}),
    "llama_server_extra_arguments": deployed(
        ["--no-warmup"], lambda seen: "--no-warmup" in seen.deployments[LEADER]["arguments"]
    ),
    "llama_server_context_size": elsewhere(REDEPLOY),
    "llama_server_parallel": deployed(2, lambda seen: seen.argument(LEADER, "--parallel") == "2"),
    "llama_server_cache_type_k": deployed("q8_0", lambda seen: seen.argument(LEADER, "--cache-type-k") == "q8_0"),
    "llama_server_cache_type_v": deployed("q8_0", lambda seen: seen.argument(LEADER, "--cache-type-v") == "q8_0"),
    "llama_server_batch_size": deployed(256, lambda seen: seen.argument(LEADER, "--batch-size") == "256"),
    "llama_server_ubatch_size": deployed(128, lambda seen: seen.argument(LEADER, "--ubatch-size") == "128"),
    "llama_server_flash_attention": deployed("on", lambda seen: seen.argument(LEADER, "--flash-attn") == "on"),
    "llama_server_address": deployed(
        "127.0.0.1", lambda seen: seen.deployments[LEADER]["listen"]["address"] == "127.0.0.1", LEADER
    ),
    "llama_server_port": deployed(8099, lambda seen: seen.deployments[LEADER]["listen"]["port"] == 8099),
    "llama_server_allow_public_address": elsewhere(REFUSALS),
    "llama_server_allowed_addresses": deployed(
        ["10.9.0.0/16"], lambda seen: seen.deployments[LEADER]["allow"] == ["10.9.0.0/16"], LEADER
    ),
    "llama_server_api_key": deployed("walked-key", lambda seen: seen.facts[LEADER]["api_key"] == "walked-key"),
    "llama_server_threads": deployed(2, lambda seen: seen.argument(LEADER, "--threads") == "2", LEADER),
    "llama_server_restart": elsewhere(WALKED),
    "llama_server_timeout": elsewhere(WALKED),
    "placement_cluster": refused("walked"),
    "placement_hosts": refused([LEADER]),
    "placement_exclude": elsewhere(REDEPLOY),
    "placement_reserve_bytes": deployed(
        100 << 20, lambda seen: seen.facts[WORKER]["placement_tally"]["memory"]["reserve_bytes"] == 100 << 20, WORKER
    ),
    # The group llama_leader has another.
    "placement_leader": compiled(WORKER, lambda seen: seen.plan["leader"] == WORKER),
    "placement_model_host": refused(WORKER),
    "placement_spread": elsewhere(SETTINGS),
    "placement_split": deployed(
        {LEADER: 3, WORKER: 2, OTHER: 4},
        lambda seen: {one["host"]: layers(one) for one in seen.plan["devices"]} == {WORKER: 2, OTHER: 4},
    ),
    "placement_prompt_tokens": deployed(640, lambda seen: seen.plan["policy"]["prompt_tokens"] == 640),
    "placement_answer_tokens": deployed(320, lambda seen: seen.plan["policy"]["answer_tokens"] == 320),
    "placement_measure_links": elsewhere(REDEPLOY),
    "placement_max_devices": deployed(8, lambda seen: seen.plan["policy"]["max_devices"] == 8),
    "placement_standby": elsewhere(STANDBY),
    "placement_margin": deployed(0.125, lambda seen: seen.plan["policy"]["margin"] == 0.125),
    "placement_model": refused({"schema": 1}),
    "placement_choice": refused({"schema": 1}),
    # What is served follows the plan, and the plan these, which come before llama_server_*.
    "placement_context_size": compiled(1792, lambda seen: seen.plan["policy"]["context_size"] == 1792),
    "placement_parallel": compiled(3, lambda seen: seen.plan["policy"]["parallel"] == 3),
    "placement_cache_type_k": compiled("q8_0", lambda seen: seen.plan["policy"]["cache_type_k"] == "q8_0"),
    "placement_cache_type_v": compiled("q8_0", lambda seen: seen.plan["policy"]["cache_type_v"] == "q8_0"),
    "placement_batch_size": compiled(512, lambda seen: seen.plan["policy"]["batch_size"] == 512),
    "placement_ubatch_size": compiled(64, lambda seen: seen.plan["policy"]["ubatch_size"] == 64),
    "placement_flash_attention": compiled("on", lambda seen: seen.plan["policy"]["flash_attention"] == "on"),
    # The address that it would have anyway, but as its owner's own wish.
    "placement_address": compiled(
        "{{ ansible_host }}",
        lambda seen: (
            seen.facts[OTHER]["placement_tally"]["network"]["address"] == seen.plan["addresses"][OTHER]["address"]
        ),
        OTHER,
    ),
    "placement_port": compiled(50098, lambda seen: seen.plan["addresses"][OTHER]["port"] == 50098, OTHER),
    "placement_api_port": refused(8099),
    "placement_threads": compiled(2, lambda seen: seen.plan["threads"][OTHER] == 2, OTHER),
    "placement_devices": compiled(["CPU"], lambda seen: seen.facts[OTHER]["placement_tally"]["lend"] == ["CPU"], OTHER),
    "placement_disk_path": refused("/srv"),
    "placement_builds_path": refused("/srv/builds"),
    "placement_programs": refused({"package": "walked"}),
    "placement_report": elsewhere("molecule/default/tests/test_plan.py"),
    "rpc_server_cluster": refused("walked"),
    "rpc_server_address": elsewhere(REFUSALS),
    "rpc_server_port": deployed(50099, lambda seen: seen.deployments[OTHER]["listen"]["port"] == 50099, OTHER),
    "rpc_server_allowed_addresses": deployed(
        ["10.213.20.250"], lambda seen: "10.213.20.250" in seen.deployments[WORKER]["allow"]
    ),
    "rpc_server_allow_public_address": elsewhere(REFUSALS),
    "rpc_server_threads": deployed(2, lambda seen: seen.argument(WORKER, "--threads") == "2", WORKER),
    "rpc_server_devices": deployed(
        ["CPU"], lambda seen: seen.facts[WORKER]["placement_tally"]["lend"] == ["CPU"], WORKER
    ),
    "rpc_server_cache": deployed(False, lambda seen: seen.deployments[OTHER]["cache"] is None, OTHER),
    "rpc_server_cache_days": deployed(3, lambda seen: seen.deployments[WORKER]["cache"]["days"] == 3),
    "rpc_server_cache_max_bytes": deployed(
        5 << 30, lambda seen: seen.deployments[WORKER]["cache"].get("bytes") == 5 << 30, WORKER
    ),
    "rpc_server_agent_port": deployed(50097, lambda seen: seen.deployments[OTHER]["healing"]["port"] == 50097, OTHER),
    "rpc_server_dcgm_exporter": deployed(True, lambda seen: seen.deployments[OTHER]["healing"]["dcgm"], OTHER),
    "rpc_server_tls": elsewhere(ENCRYPTED),
    "rpc_server_deployment": refused({"schema": 1}),
    "tensor_cache_cluster": refused("walked"),
    "tensor_cache_plan": refused({"schema": 1}),
    "tensor_cache_deployment": refused({"schema": 1}),
    "tensor_cache_model_path": refused("/walked.gguf"),
    "tensor_cache_manifest_directory": refused("/walked"),
    "tensor_cache_spread": elsewhere(WEIGHTS),
    "tensor_cache_parallel": elsewhere(WEIGHTS),
    "tensor_cache_verify": elsewhere(WEIGHTS),
    "tensor_cache_urls": elsewhere(WEIGHTS),
    "tensor_cache_url_token": elsewhere(WEIGHTS),
    "tensor_cache_port": elsewhere(WEIGHTS),
    "tensor_cache_offer_seconds": elsewhere(WEIGHTS),
    "tensor_cache_packages": elsewhere(WEIGHTS),
}


def as_ini(value: Any) -> Any:
    """What an INI inventory makes of a value: a boolean or a number is text."""
    return json.dumps(value) if isinstance(value, (bool, int, float)) else value


def inventory(run: str) -> dict:
    """The inventory that sets the variables of one run: of the group, and of hosts."""
    group, hosts = {}, {}
    for name, case in VARIABLES.items():
        if case.run == run:
            (hosts.setdefault(case.host, {}) if case.host else group)[name] = as_ini(case.value)
    return {"llama_cluster": {"vars": group, "hosts": hosts}}
