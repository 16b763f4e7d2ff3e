# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that ask the brain, within Ansible's own process: no connection, no Python to start, no files to carry."""

from __future__ import annotations

import json

from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.plugins.filter.core import to_json
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError


class BrainAction(ActionBase):
    """Base of the actions that compute on the controller, and change nothing.

    A subclass has ``arguments``, an ``ArgumentSpecValidator`` of the options that its module documents, and
    ``answer(given)``, which makes of the checked options what is returned. A ``DroverError`` fails the task with its
    sentence. What is returned is not searched for the values of ``no_log`` options, so there must be none.
    """

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # As modules get them: plain values, without what templates, vaults and tags make of them.
        checked = self.arguments.validate(json.loads(to_json(self._task.args)))
        if checked.error_messages:
            return {**result, "failed": True, "msg": self._refusal(checked.errors)}
        try:
            return {**result, "changed": False, **self.answer(checked.validated_parameters)}
        except DroverError as error:
            return {**result, "failed": True, "msg": str(error)}

    def _refusal(self, errors):
        """The first of the validation's errors, as ``AnsibleModule`` says it."""
        if isinstance(errors[0], UnsupportedError):
            return f"Unsupported parameters for ({self._task.action}) module: {errors.msg}"
        return errors.msg
