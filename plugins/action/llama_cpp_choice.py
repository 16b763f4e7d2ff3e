# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.builds.choice import METHODS, choose
from ansible_collections.drover.llama.plugins.module_utils.builds.recipe import CPUS
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "method": {"type": "str", "choices": ["auto", *METHODS], "default": "auto"},
            "bundle": {"type": "list", "elements": "dict", "default": []},
            "archives": {"type": "list", "elements": "dict", "default": []},
            "source": {
                "type": "dict",
                "options": {"label": {"type": "str", "required": True}, "sha256": {"type": "str", "default": ""}},
            },
            "options": {
                "type": "dict",
                "options": {
                    "cpu": {"type": "str", "choices": list(CPUS), "default": "generic"},
                    "backends": {"type": "list", "elements": "str", "default": ["cpu"]},
                    "cmake_options": {"type": "list", "elements": "str", "default": []},
                    "jobs": {"type": "int", "default": 0},
                },
            },
        }
    )

    def answer(self, given):
        return {"choice": choose(**given)}
