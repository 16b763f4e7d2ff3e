# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.runtime.archive import cache_archive
from ansible_collections.drover.llama.plugins.module_utils.runtime.installed import expected_digest
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator({"collection_path": {"type": "path", "required": True}})

    def answer(self, given):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path, version = cache_archive(given["collection_path"], os.path.join(cache, "drover"))
        digest = expected_digest(path, given["collection_path"])
        return {"runtime": {"path": path, "version": version, "digest": digest}}
