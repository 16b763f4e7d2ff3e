# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.serving.proof import held_part, missing_parts
from ansible_collections.drover.llama.plugins.module_utils.telling.loading import loading_text
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "plan": {"type": "dict", "required": True},
            "workers": {"type": "list", "elements": "dict", "required": True},
            "hosts": {"type": "list", "elements": "str"},
            "required": {"type": "bool", "default": False},
        }
    )

    def answer(self, given):
        plan = read_plan(given["plan"])
        held = {}
        for worker in given["workers"]:
            tally = read_tally(worker.get("tally"))
            held[tally["host"]] = held_part(tally, worker.get("connections") or [])
        missing = missing_parts(plan, held, given["hosts"])
        if missing and given["required"]:
            raise DroverError(" ".join(missing))
        loading = loading_text(plan, [worker.get("received_bytes") for worker in given["workers"]])
        return {"missing": missing, "loading": loading}
