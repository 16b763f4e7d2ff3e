# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.telling.status import problems, status_lines
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "plan": {"type": "dict", "required": True},
            "states": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "tally": {"type": "dict", "default": {}},
                    "programs": {"type": "dict", "default": {}},
                    "deployed": {"type": "str"},
                    "stands_by": {"type": "bool"},
                    "listens": {"type": "bool", "default": False},
                    "held_bytes": {"type": "int"},
                    "problem": {"type": "str"},
                    "completion": {"type": "dict"},
                },
            },
            "measured": {"type": "list", "elements": "raw", "default": []},
        }
    )

    def answer(self, given):
        found = problems(given["plan"], given["states"])
        lines = status_lines(given["plan"], given["states"], given["measured"])
        return {"lines": lines, "problems": found, "healthy": not found}
