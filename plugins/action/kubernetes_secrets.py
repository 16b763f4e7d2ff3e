# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.secret import (
    agents_secret,
    api_secret,
    token_secret,
)
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CLUSTER, read_settings


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CLUSTER,
            "keys": {"type": "list", "elements": "str", "default": []},
            "token": {"type": "str", "default": ""},
            "agents": {"type": "str", "default": ""},
        }
    )

    def answer(self, given):
        settings, made = read_settings(given), []
        if given["keys"]:
            made.append(api_secret(settings, given["cluster"], given["keys"]))
        if given["token"]:
            made.append(token_secret(settings, given["cluster"], given["token"]))
        if given["agents"]:
            made.append(agents_secret(settings, given["cluster"], given["agents"]))
        return {"secrets": made}
