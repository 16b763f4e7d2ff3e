# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf.store import survey
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pod_faults import pod_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pods import DROVER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.settings import MODEL_FOLDER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect, place
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import complaint
from ansible_collections.drover.llama.plugins.plugin_utils.told import told_progress

COURIER = "courier"
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
        api, metadata = connect(given), given["pod"]["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        started(api, namespace, name, given["timeout"])
        if given["path"] is None:
            command = [*DROVER, "inspect", "--model", f"{MODEL_FOLDER}/{given['file']}"]
            return json.loads(run(api, namespace, name, command, READ_SECONDS))
        folder = os.path.dirname(os.path.expanduser(given["path"]))
        # Of the target nothing is known here: whoever receives compares the notes.
        sources = survey("/nonexistent", given["files"], given["sha256"])["sources"]
        sent = []
        for file in given["files"]:
            source, size = os.path.join(folder, file["name"]), file["file_bytes"]
            target = os.path.join(MODEL_FOLDER, os.path.dirname(given["file"]), file["name"])
            command = [*DROVER, "receive", "--to", target, "--bytes", str(size), "--note", sources[file["name"]]]
            send = source, size, told_progress(file["name"])
            if run(api, namespace, name, command, SEND_SECONDS, send).startswith("send"):
                sent.append(file["name"])
        return {"changed": bool(sent), "sent": sent}


def run(api, namespace, name, command, timeout, send=None):
    """What the command printed. Raises DroverError with what it complained of."""
    code, said, complained = api.execute(namespace, name, COURIER, command, timeout, send)
    if code:
        raise DroverError(complaint(complained) or f"{name} ended with code {code}: look at its log.")
    return said


def started(api, namespace, name, timeout):
    """Wait until the pod runs. Raises DroverError when it does not."""

    def look():
        pod = api.get(f"{place('Pod', namespace)}/{name}")
        runs = ((pod or {}).get("status") or {}).get("phase") == "Running"
        late = f"The pod {name} did not run within {timeout} seconds: look at it with kubectl."
        return runs or None, pod_faults([pod], api.events(namespace)) if pod else {}, late

    wait_for(look, timeout)
