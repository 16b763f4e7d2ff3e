# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.footprint import settings
from ansible_collections.drover.llama.plugins.module_utils.placement import planner, policy, running
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction

CACHE_TYPES = list(settings.CACHE_TYPES)
NOT_OF_THE_POLICY = ("model", "hosts", "cluster", "choice", "previous", "model_host", "measured", "members_vote")


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "model": {"type": "dict", "required": True},
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "leader": {"type": "str"},
            "model_host": {"type": "str"},
            "cluster": {"type": "str", "default": "main"},
            "choice": {"type": "dict"},
            "context_size": {"type": "int", "default": 4096},
            "parallel": {"type": "int", "default": 1},
            "cache_type_k": {"type": "str", "default": "f16", "choices": CACHE_TYPES},
            "cache_type_v": {"type": "str", "default": "f16", "choices": CACHE_TYPES},
            "batch_size": {"type": "int", "default": 2048},
            "ubatch_size": {"type": "int", "default": 512},
            "flash_attention": {"type": "str", "default": "auto", "choices": list(settings.FLASH_ATTENTION)},
            "max_devices": {"type": "int", "default": policy.MAX_DEVICES},
            "spread": {"type": "str", "default": "auto", "choices": list(policy.SPREADS)},
            "split": {"type": "dict"},
            "prompt_tokens": {"type": "int", "default": policy.DEFAULT_PROMPT_TOKENS},
            "answer_tokens": {"type": "int", "default": policy.DEFAULT_ANSWER_TOKENS},
            "standby": {"type": "int", "default": 0},
            "members_vote": {"type": "bool", "default": True},
            "previous": {"type": "list", "elements": "dict", "default": []},
            "measured": {"type": "list", "elements": "raw", "default": []},
            "margin": {"type": "float", "default": policy.DEFAULT_MARGIN},
        }
    )

    def answer(self, given):
        wishes = {name: value for name, value in given.items() if name not in NOT_OF_THE_POLICY}
        plan = planner.make_plan(
            given["model"],
            given["hosts"],
            # An empty text or dictionary is what a variable holds that nobody set.
            policy.Policy.from_dict(
                {**wishes, "leader": wishes["leader"] or None, "split": layers_by_host(wishes["split"])}
            ),
            cluster=given["cluster"],
            previous=given["previous"],
            choice=given["choice"],
            model_host=given["model_host"] or None,
            measured=given["measured"],
            members_vote=given["members_vote"],
        )
        known = running.running_under(running.running_plans(given["previous"], given["cluster"]), plan["leader"])
        return {"plan": plan, "running": known, "places_the_same": running.places_the_same(known, plan)}


def layers_by_host(split):
    """The split with its numbers as numbers: within a dictionary, the argument spec leaves text as it is."""
    converted = {
        host: int(layers) if isinstance(layers, str) and layers.strip().isdigit() else layers
        for host, layers in (split or {}).items()
    }
    return converted or None
