# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import fields

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.gateway.configuration import configure
from ansible_collections.drover.llama.plugins.module_utils.gateway.settings import Settings
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.serving.deployment import read_deployment
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.deployment_options import option_of


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "host": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "deployments": {"type": "dict", "required": True},
            "tally": {"type": "dict", "required": True},
            "settings": {
                "type": "dict",
                "default": {},
                "options": {field.name: option_of(field) for field in fields(Settings)},
            },
        }
    )

    def answer(self, given):
        deployments = {host: read_deployment(each) for host, each in given["deployments"].items()}
        settings = Settings.from_dict(given["settings"])
        plan, tally = read_plan(given["plan"]), read_tally(given["tally"])
        return {"gateway": configure(given["host"], plan, deployments, tally, settings)}
