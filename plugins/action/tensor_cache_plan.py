# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.weights.manifest import read_manifest
from ansible_collections.drover.llama.plugins.module_utils.weights.outlook import outlook
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "plan": {"type": "dict", "required": True},
            "manifest": {"type": "dict", "required": True},
            "caches": {"type": "dict", "default": {}},
            "spread": {"type": "int", "default": 1},
        }
    )

    def answer(self, given):
        return outlook(
            read_plan(given["plan"]),
            read_manifest(given["manifest"]) if given["manifest"] else {},
            given["caches"],
            given["spread"],
        )
