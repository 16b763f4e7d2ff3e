# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.advice import recommend
from ansible_collections.drover.llama.plugins.module_utils.placement.policy import DEFAULT_MARGIN
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "leader": {"type": "str"},
            "context_size": {"type": "int", "default": 8192},
            "minimum_tokens_per_second": {"type": "float", "default": recommend.DEFAULT_TOKENS_PER_SECOND},
            "margin": {"type": "float", "default": DEFAULT_MARGIN},
        }
    )

    def answer(self, given):
        recommendation = recommend.recommend(**given)
        return {"recommendation": recommendation, "lines": recommend.recommendation_lines(recommendation)}
