# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.drover.llama.plugins.module_utils.builds.steps import steps_left
from ansible_collections.drover.llama.plugins.plugin_utils.told import told_progress

# Small things are done soon.
FIRST_DELAY, LAST_DELAY = 1.0, 10.0
# A router starts anew in a minute, and a job that was begun goes on without the network.
LOST_SECONDS = 600.0


class ActionModule(ActionBase):
    """Waits for a job as Ansible itself does with ``poll``, which tells nothing of how far it is."""

    arguments = ArgumentSpecValidator(
        {
            "job": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "folder": {"type": "path"},
            "pattern": {"type": "str", "default": "*"},
            "bytes": {"type": "int"},
            "steps": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 86400},
        },
        required_one_of=[("folder", "steps")],
        mutually_exclusive=[("folder", "steps")],
        required_together=[("folder", "bytes")],
    )

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        checked = self.arguments.validate(self._task.args)
        if checked.error_messages:
            return {**result, "failed": True, "msg": checked.errors.msg}
        given = checked.validated_parameters
        name = f"{task_vars['inventory_hostname']}: {given['name']}"
        progress = told_progress(name, "step" if given["steps"] else "", time.monotonic)
        jobs = self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))
        answered = time.monotonic()
        ends, delay, steps = answered + given["timeout"], FIRST_DELAY, None
        while True:
            try:
                state = self._job(given["job"], "status", jobs, task_vars)
                if state.get("finished") or state.get("failed"):
                    self._job(given["job"], "cleanup", jobs, task_vars)
                    return {**result, **state}
                if progress.is_due():
                    done, steps = self._measure(given, steps, task_vars)
                    if done is not None:
                        progress(done, steps if given["steps"] else given["bytes"])
                answered = time.monotonic()
            except AnsibleError:
                if time.monotonic() > answered + LOST_SECONDS:
                    raise
                self._connection.reset()
            if time.monotonic() > ends:
                return {**result, "failed": True, "msg": f"{given['name']} took more than {given['timeout']} s."}
            time.sleep(delay)
            delay = min(2 * delay, LAST_DELAY)

    def _job(self, job, mode, folder, task_vars):
        """What Ansible knows of the job, from its folder of jobs."""
        wanted = {"jid": job, "mode": mode, "_async_dir": folder}
        return self._execute_module("ansible.legacy.async_status", wanted, task_vars=task_vars)

    def _measure(self, given, steps, task_vars):
        """How much is done, and how many steps there are in all if they are counted; ``steps`` were, at first."""
        if given["folder"] is not None:
            wanted = {"paths": [given["folder"]], "patterns": [given["pattern"]], "hidden": True}
            found = self._execute_module("ansible.builtin.find", wanted, task_vars=task_vars)
            return None if found.get("failed") else sum(file["size"] for file in found["files"]), None
        said = self._execute_module("ansible.builtin.command", {"argv": given["steps"]}, task_vars=task_vars)
        left = steps_left(said.get("stdout", ""))
        if left is None:
            return None, steps
        steps = max(left, steps or 0)
        return steps - left, steps
