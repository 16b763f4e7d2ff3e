# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.gguf.look import look
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction


class ActionModule(BrainAction):
    """A file on the controller, where most models are, is read within Ansible's own process; all else by the module."""

    _requires_connection = True

    arguments = ArgumentSpecValidator(
        {
            "path": {"type": "path"},
            "url": {"type": "str"},
            "token": {"type": "str"},
            "sha256": {"type": "dict", "default": {}},
        },
        mutually_exclusive=[("path", "url")],
        required_one_of=[("path", "url")],
    )

    def run(self, tmp=None, task_vars=None):
        # What a task says of its environment, such as a proxy, is for the module; so is a token, which it hides.
        of_a_file = self._task.args.keys() <= {"path", "sha256"}
        here = self._connection.transport == "local" and not self._connection.become
        if of_a_file and here and not self._task.async_val:
            return super().run(tmp, task_vars)
        return self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)

    def answer(self, given):
        return look(*(given[name] for name in ("path", "url", "token", "sha256")))
