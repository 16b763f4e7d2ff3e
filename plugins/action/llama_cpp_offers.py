# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.builds.choice import METHODS
from ansible_collections.drover.llama.plugins.module_utils.builds.offers import gather
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "method": {"type": "str", "choices": ["auto", *METHODS], "default": "auto"},
            "tag": {"type": "str", "default": ""},
            "archive_names": {"type": "dict", "default": {}},
            "archive_sha256": {"type": "dict", "default": {}},
            "require_sha256": {"type": "bool", "default": True},
            "cache": {"type": "path", "required": True},
            "bundle": {"type": "path"},
            "source": {"type": "str", "default": ""},
            "source_sha256": {"type": "str", "default": ""},
        }
    )

    def answer(self, given):
        return {"offers": gather(**given)}
