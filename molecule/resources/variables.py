# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the roles' pages, a value to set it to in an inventory, and what must then be seen.

Most are set at once and looked at in what one run of site.yml leaves (``deployed``), or in what plan.yml decides when
the hosts are to compile llama.cpp (``compiled``). What cannot be set beside the others is set by a test that has a run
of its own anyhow (``elsewhere``). tests/unit/checks/test_variables.py holds this table against the argument specs: a
variable that is not here, or no longer there, fails.
"""

from __future__ import annotations

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

    def argument(self, host: str, flag: str) -> str | None:
        """What follows a flag in what a host's service runs with, or None."""
        arguments = self.deployments[host]["arguments"]
        return arguments[arguments.index(flag) + 1] if flag in arguments else None


@dataclass(frozen=True)
class Case:
    """A value for a variable: of the whole cluster or of ``host`` only; ``look`` tells whether it took effect."""

    run: str  # deployed, compiled, elsewhere or undecided
    value: Any = None
    look: Callable[[Seen], bool] | None = None
    host: str | None = None
    where: str = ""  # the file that has the test, or what is undecided


def deployed(value: Any, look: Callable[[Seen], bool], host: str | None = None) -> Case:
    """Set in the one inventory with which site.yml deploys again."""
    return Case("deployed", value, look, host)


def compiled(value: Any, look: Callable[[Seen], bool], host: str | None = None) -> Case:
    """Set in the one inventory with which plan.yml says how llama.cpp would be compiled."""
    return Case("compiled", value, look, host)


def elsewhere(where: str) -> Case:
    """Set by a test, or for a test, in this file."""
    return Case("elsewhere", where=where)


def undecided(why: str) -> Case:
    """Nothing looks at it yet: its test fails and says why."""
    return Case("undecided", where=why)


def recipe(seen: Seen) -> dict:
    """How the leader would compile llama.cpp."""
    return seen.facts[LEADER]["llama_cpp_choice"]["hosts"][LEADER]["recipe"]


def layers(device: dict) -> int:
    """What a device of a plan holds, as placement_split counts it."""
    return device["block_count"] + device["holds_output"]


REFUSALS = "molecule/refusals/tests/test_refusals.py"
TRANSFERS = "molecule/refusals/tests/test_transfers.py"
ARCHIVE = "molecule/archive/tests/test_archive.py"
SOURCE = "molecule/source/converge.yml"
REDEPLOY = "molecule/redeploy/converge.yml"
SETTINGS = "molecule/resources/inventory/group_vars/llama_cluster.yml"
TAKES_FROM_ANOTHER = "it follows another variable: say which of the two counts when both are set"
BY_PLAYBOOKS = "the playbooks set it: refuse it by name in an inventory, or let it take effect"

VARIABLES = {
    "gguf_model_path": elsewhere(SETTINGS),
    "gguf_model_url": elsewhere(TRANSFERS),
    "gguf_model_leader_path": elsewhere(TRANSFERS),
    "gguf_model_sha256": elsewhere(TRANSFERS),
    "gguf_model_token": elsewhere(TRANSFERS),
    "gguf_model_directory": elsewhere(TRANSFERS),
    "llama_cpp_method": elsewhere(SOURCE),
    "llama_cpp_tag": elsewhere(SOURCE),
    "llama_cpp_mirror_url": elsewhere(ARCHIVE),
    "llama_cpp_archive_names": undecided("set it to another name on the mirror, in the scenario archive"),
    "llama_cpp_archive_sha256": elsewhere(ARCHIVE),
    "llama_cpp_require_sha256": undecided("set it to false beside an empty llama_cpp_archive_sha256"),
    "llama_cpp_source": elsewhere(SOURCE),
    "llama_cpp_source_sha256": elsewhere(SOURCE),
    "llama_cpp_cpu": compiled("native", lambda seen: "native" in recipe(seen)["kind"]),
    "llama_cpp_backends": compiled(["vulkan"], lambda seen: "-DGGML_VULKAN=ON" in recipe(seen)["cmake_options"]),
    "llama_cpp_cmake_options": compiled(["-DWALKED=ON"], lambda seen: "-DWALKED=ON" in recipe(seen)["cmake_options"]),
    "llama_cpp_build_jobs": compiled(3, lambda seen: recipe(seen)["jobs"] == 3),
    "llama_cpp_bundle": elsewhere("molecule/offline/tests/test_offline.py"),
    "llama_cpp_cache": elsewhere(SOURCE),
    "llama_cpp_directory": undecided("set it in a scenario that has builds of its own, not packages"),
    "llama_cpp_keep_builds": elsewhere("molecule/upgrade/tests/test_upgrade.py"),
    "llama_cpp_hosts": undecided(BY_PLAYBOOKS),
    "llama_cpp_user": undecided("set it, llama_server_user and rpc_server_user where nothing was deployed"),
    "llama_server_model": undecided(BY_PLAYBOOKS),
    "llama_server_alias": deployed("walked", lambda seen: seen.argument(LEADER, "--alias") == "walked"),
    "llama_server_plan": undecided(BY_PLAYBOOKS),
    "llama_server_arguments": undecided(BY_PLAYBOOKS),
    "llama_server_extra_arguments": deployed(
        ["--no-warmup"], lambda seen: "--no-warmup" in seen.deployments[LEADER]["arguments"]
    ),
    "llama_server_context_size": deployed(1536, lambda seen: seen.plan["policy"]["context_size"] == 1536),
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
    "llama_server_api_key": deployed("walked-key", lambda seen: seen.facts[LEADER]["api_key"] == "walked-key"),
    "llama_server_threads": deployed(2, lambda seen: seen.argument(LEADER, "--threads") == "2", LEADER),
    "llama_server_restart": undecided("compare the server's MainPID before and after a second run"),
    "llama_server_timeout": undecided("set it to 1 with a model that takes longer to load, and look for the sentence"),
    "llama_server_binary": undecided(BY_PLAYBOOKS),
    "llama_server_build": undecided(BY_PLAYBOOKS),
    "llama_server_user": undecided("as llama_cpp_user"),
    "placement_exclude": elsewhere(REDEPLOY),
    "placement_reserve_bytes": deployed(
        100 << 20, lambda seen: seen.facts[WORKER]["placement_tally"]["memory"]["reserve_bytes"] == 100 << 20, WORKER
    ),
    "placement_leader": elsewhere(REFUSALS),
    "placement_model_host": undecided(BY_PLAYBOOKS),
    "placement_spread": elsewhere(SETTINGS),
    "placement_split": deployed(
        {LEADER: 3, WORKER: 2, OTHER: 4},
        lambda seen: {one["host"]: layers(one) for one in seen.plan["devices"]} == {WORKER: 2, OTHER: 4},
    ),
    "placement_measure_links": elsewhere(REDEPLOY),
    "placement_max_devices": deployed(8, lambda seen: seen.plan["policy"]["max_devices"] == 8),
    "placement_margin": deployed(0.125, lambda seen: seen.plan["policy"]["margin"] == 0.125),
    "placement_model": undecided(BY_PLAYBOOKS),
    "placement_context_size": undecided(TAKES_FROM_ANOTHER),
    "placement_parallel": undecided(TAKES_FROM_ANOTHER),
    "placement_cache_type_k": undecided(TAKES_FROM_ANOTHER),
    "placement_cache_type_v": undecided(TAKES_FROM_ANOTHER),
    "placement_batch_size": undecided(TAKES_FROM_ANOTHER),
    "placement_ubatch_size": undecided(TAKES_FROM_ANOTHER),
    "placement_flash_attention": undecided(TAKES_FROM_ANOTHER),
    "placement_address": undecided(TAKES_FROM_ANOTHER),
    "placement_port": undecided(TAKES_FROM_ANOTHER),
    "placement_disk_path": undecided(TAKES_FROM_ANOTHER),
    "placement_report": elsewhere("molecule/default/tests/test_plan.py"),
    "rpc_server_address": elsewhere(REFUSALS),
    "rpc_server_port": deployed(50099, lambda seen: seen.deployments[OTHER]["listen"]["port"] == 50099, OTHER),
    "rpc_server_allowed_addresses": deployed(
        ["10.213.20.250"], lambda seen: "10.213.20.250" in seen.deployments[WORKER]["allow"]
    ),
    "rpc_server_allow_public_address": elsewhere(REFUSALS),
    "rpc_server_threads": deployed(2, lambda seen: seen.argument(WORKER, "--threads") == "2", WORKER),
    "rpc_server_cache": deployed(False, lambda seen: seen.deployments[OTHER]["cache"] is None, OTHER),
    "rpc_server_cache_days": deployed(3, lambda seen: seen.deployments[WORKER]["cache"]["days"] == 3),
    "rpc_server_binary": undecided(BY_PLAYBOOKS),
    "rpc_server_build": undecided(BY_PLAYBOOKS),
    "rpc_server_user": undecided("as llama_cpp_user"),
}


def inventory(run: str) -> dict:
    """The inventory that sets the variables of one run: of the group, and of hosts."""
    group, hosts = {}, {}
    for name, case in VARIABLES.items():
        if case.run == run:
            (hosts.setdefault(case.host, {}) if case.host else group)[name] = case.value
    return {"llama_cluster": {"vars": group, "hosts": hosts}}
