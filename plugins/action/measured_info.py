# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.placement.record import recorded
from ansible_collections.drover.llama.plugins.module_utils.serving.proof import held_part
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "plan": {"type": "dict", "required": True},
            "model": {"type": "dict", "required": True},
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "choice": {"type": "dict"},
            "build": {"type": "int"},
            "completion": {"type": "dict", "required": True},
            "workers": {"type": "list", "elements": "dict", "default": []},
            "found": {"type": "list", "elements": "raw", "default": []},
        }
    )

    def answer(self, given):
        tallies = [read_tally(worker.get("tally")) for worker in given["workers"]]
        measured = recorded(
            given["plan"],
            given["model"],
            given["hosts"],
            given["completion"],
            {tally["host"]: held_part(tally, [])["held_bytes"] for tally in tallies},
            given["found"],
            int(time.time()),
            choice=given["choice"],
            build=given["build"],
        )
        return {"measured": measured}
