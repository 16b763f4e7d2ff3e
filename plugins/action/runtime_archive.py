# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.packed_runtime import packed_runtime


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator({"collection_path": {"type": "path", "required": True}})

    def answer(self, given):
        return {"runtime": packed_runtime(given["collection_path"])}
