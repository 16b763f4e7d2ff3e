# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.gguf.store import survey
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pods import DROVER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.settings import MODEL_FOLDER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.short_lived import COURIER
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_pods import Pod
from ansible_collections.drover.llama.plugins.plugin_utils.told import told_progress

# Of hundreds of gigabytes over a slow network.
SEND_SECONDS = 24 * 3600
READ_SECONDS = 300


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            "pod": {"type": "dict", "required": True},
            "file": {"type": "str", "required": True},
            "path": {"type": "path"},
            "files": {"type": "list", "elements": "dict", "default": []},
            "sha256": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 180},
        },
        required_by={"path": ["files"]},
    )

    def answer(self, given):
        metadata = given["pod"]["metadata"]
        pod = Pod(connect(given), metadata["namespace"], metadata["name"], COURIER)
        pod.started(given["timeout"])
        if given["path"] is None:
            command = [*DROVER, "inspect", "--model", f"{MODEL_FOLDER}/{given['file']}"]
            return json.loads(pod.run(command, READ_SECONDS))
        folder = os.path.dirname(os.path.expanduser(given["path"]))
        # Of the target nothing is known here: whoever receives compares the notes.
        sources = survey("/nonexistent", given["files"], given["sha256"])["sources"]
        sent = []
        for each in given["files"]:
            name, size = each["name"], each["file_bytes"]
            target = os.path.join(MODEL_FOLDER, os.path.dirname(given["file"]), name)
            with open(os.path.join(folder, name), "rb") as file:
                if pod.takes(target, size, sources[name], file, told_progress(name), SEND_SECONDS):
                    sent.append(name)
        return {"changed": bool(sent), "sent": sent}
