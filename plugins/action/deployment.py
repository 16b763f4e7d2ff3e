# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.healing.members import make_members
from ansible_collections.drover.llama.plugins.module_utils.healing.standby import make_standbys
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.serving.cluster import Cluster
from ansible_collections.drover.llama.plugins.module_utils.serving.deploy import deploy, lone_worker
from ansible_collections.drover.llama.plugins.module_utils.serving.due import hosts_due, standbys_due
from ansible_collections.drover.llama.plugins.module_utils.serving.ports import require_ports
from ansible_collections.drover.llama.plugins.module_utils.serving.settings import Settings, settings_by_host
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.deployment_options import MODEL, SETTINGS
from ansible_collections.drover.llama.plugins.plugin_utils.packed_runtime import packed_runtime


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "plan": {"type": "dict"},
            "tallies": {"type": "list", "elements": "dict", "default": []},
            "model": {"type": "dict", "options": MODEL},
            "lend_to": {"type": "str"},
            "choice": {"type": "dict"},
            "gguf": {"type": "dict"},
            "model_host": {"type": "str"},
            "standby_models": {"type": "dict", "default": {}},
            "gateways": {"type": "list", "elements": "dict", "default": []},
            "programs": {"type": "dict", "default": {}},
            "settings_of_hosts": SETTINGS,
            "found": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host": {"type": "str", "required": True},
                    "installed": {"type": "str"},
                    "deployment": {"type": "dict"},
                    "complete": {"type": "bool", "default": False},
                    "listeners": {"type": "list", "elements": "dict", "default": []},
                    "plan": {"type": "dict"},
                    "weights": {"type": "dict"},
                    "members": {"type": "str"},
                    "secret": {"type": "str"},
                    "standby": {"type": "dict"},
                },
            },
            "spread": {"type": "int", "default": 0},
            "collection_path": {"type": "path"},
        },
        required_one_of=[("plan", "lend_to")],
        mutually_exclusive=[("plan", "lend_to")],
        required_by={"plan": ["model"]},
    )

    def answer(self, given):
        deployments = make_deployments(given)
        # Packing it takes a moment, which only a run that goes on to change hosts needs.
        digest = packed_runtime(given["collection_path"])["digest"] if given["collection_path"] else None
        members = make_the_members(given, deployments)
        lasting = members.get("lasting")
        standbys = standbys_due(the_standbys(given), given["found"])
        due = hosts_due(deployments, given["plan"], given["found"], digest, given["spread"], lasting, standbys)
        leaders = {host: each for host, each in deployments.items() if each["part"] == "leader"}
        leaders.update({host: each["deployment"] for host, each in standbys.items()})
        listeners = {each["host"]: each["listeners"] for each in given["found"]}
        require_ports([*deployments.values(), *(each["deployment"] for each in standbys.values())], listeners)
        return {"deployments": deployments, "members": members, "standbys": standbys, "leaders": leaders, "due": due}


def the_standbys(given):
    """What hosts that stand by are to have, by the options of the module."""
    plan = given["plan"]
    if plan is None or given["gguf"] is None or "leaders" not in plan:
        return {}
    lacking = [host for host in plan["leaders"][1:] if host not in given["standby_models"]]
    if lacking:
        raise DroverError(f"{', '.join(lacking)} is to stand by, and standby_models does not say where its model is.")
    return make_standbys(
        plan,
        given["gguf"],
        [read_tally(tally) for tally in given["tallies"]],
        given["programs"],
        given["standby_models"],
        settings_by_host(given["settings_of_hosts"]),
        given["choice"],
        given["model_host"] or None,
        [read_tally(tally) for tally in given["gateways"]],
    )


def make_the_members(given, deployments):
    """What the leader needs to plan anew, by the options of the module; empty where nothing heals itself."""
    if given["plan"] is None or given["gguf"] is None:
        return {}
    wishes = settings_by_host(given["settings_of_hosts"])
    return (
        make_members(
            given["plan"],
            given["gguf"],
            given["tallies"],
            {host: given["programs"].get(host, {}) for host in deployments},
            given["model"],
            wishes,
            deployments,
            given["choice"],
            given["model_host"] or None,
        )
        or {}
    )


def make_deployments(given):
    """Host -> deployment, by the options of the module."""
    wishes = settings_by_host(given["settings_of_hosts"])
    tallies = [read_tally(tally) for tally in given["tallies"]]
    if given["plan"] is not None:
        plan, model = read_plan(given["plan"]), given["model"]
        gateways = [read_tally(tally) for tally in given["gateways"]]
        return deploy(plan, tallies, given["programs"], model, wishes, choice=given["choice"], gateways=gateways)
    if len(tallies) != 1:
        raise DroverError(f"lend_to is for one host, and there are {len(tallies)} tallies: give that host's.")
    host = tallies[0]["host"]
    settings = Settings.from_dict(wishes.get(host, {}), host)
    return {host: lone_worker(Cluster(given["lend_to"]), tallies[0], given["programs"].get(host, {}), settings)}
