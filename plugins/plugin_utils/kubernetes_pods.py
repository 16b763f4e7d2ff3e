# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short-lived pods: wait until they run, run commands in them, and give them files."""

from __future__ import annotations

from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pod_faults import pod_faults
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pods import DROVER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import place
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import complaint


class Pod:
    """The pod ``name`` of one container, called ``part``, by a connection that nobody else uses meanwhile."""

    def __init__(self, api, namespace, name, part):
        self._api, self._namespace, self._part = api, namespace, part
        self.name = name

    def started(self, timeout):
        """The pod's object, once it runs. Raises DroverError when it does not within so many seconds."""

        def look():
            pod = self._api.get(f"{place('Pod', self._namespace)}/{self.name}")
            runs = ((pod or {}).get("status") or {}).get("phase") == "Running"
            late = f"The pod {self.name} did not run within {timeout} seconds: look at it with kubectl."
            faults = pod_faults([pod], self._api.events(self._namespace)) if pod and not runs else {}
            return pod if runs else None, faults, late

        return wait_for(look, timeout)

    def run(self, command, timeout, **given):
        """What the command printed. ``given``: see ``Api.execute``. Raises DroverError with what it complained of."""
        code, said, complained = self._api.execute(self._namespace, self.name, self._part, command, timeout, **given)
        if code:
            raise DroverError(complaint(complained) or f"{self.name} ended with code {code}: look at its log.")
        return said

    def takes(self, target, size, note, file, tell, timeout):
        """Have ``size`` bytes of ``file`` at ``target``, unless what was made of ``note`` is there; tell whether they
        were sent. ``tell`` is called with how many of how many are."""
        command = [*DROVER, "receive", "--to", target, "--bytes", str(size), "--note", note]
        return self.run(command, timeout, send=(file, size, tell)).startswith("send")
