# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import platform

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.serving.controller import has_ended, run_of, who_runs
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator({"others": {"type": "list", "elements": "str", "default": []}})

    def answer(self, given):
        # Each task is a child of the one process that is the run.
        mine = run_of(platform.node(), os.getppid())
        return {
            "run": mine,
            "who": who_runs(platform.node()),
            "ended": [run for run in given["others"] if has_ended(run, mine)],
        }
