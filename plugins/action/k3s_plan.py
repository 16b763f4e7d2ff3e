# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.k3s.plan import choose_version, make_plan
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "settings": {"type": "dict", "required": True},
            "channels": {"type": "list", "elements": "dict", "default": []},
            "upgrading": {"type": "bool", "default": False},
        }
    )

    def answer(self, given):
        settings, hosts = given["settings"], given["hosts"]
        version = choose_version(settings["version"], settings["channel"], given["channels"], hosts)
        wished = {**settings, "version": version.tag}
        return {"plan": make_plan(wished, hosts, time.time(), given["upgrading"])}
