# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.images.builds import METHODS
from ansible_collections.drover.llama.plugins.module_utils.images.made import plan_images
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "architectures": {"type": "list", "elements": "str", "required": True},
            "name": {"type": "str", "required": True},
            "method": {"type": "str", "choices": list(METHODS), "default": "auto"},
            "builds": {"type": "list", "elements": "path", "default": []},
            "offers": {"type": "dict", "default": {"archives": [], "bundle": []}},
            "base": {"type": "str", "default": ""},
            "packages": {"type": "list", "elements": "str", "default": []},
            "mirror": {"type": "str", "default": ""},
            "apt_options": {"type": "list", "elements": "str", "default": []},
            "refresh": {"type": "bool", "default": False},
            "work": {"type": "path", "required": True},
            "cache": {"type": "path", "required": True},
            "builder": {"type": "dict", "required": True},
            "runtime": {"type": "dict", "required": True},
        }
    )

    def answer(self, given):
        offers, builder, runtime = (given.pop(name) for name in ("offers", "builder", "runtime"))
        return {"images": plan_images(given, offers, builder, runtime)}
