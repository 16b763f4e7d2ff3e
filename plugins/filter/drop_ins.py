# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.serving import drop_ins
from ansible_collections.drover.llama.plugins.module_utils.serving.deployment import read_deployment


def _drop_ins(deployment, memory=None):
    try:
        return drop_ins.drop_ins(read_deployment(deployment), memory)
    except DroverError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self):
        return {"drop_ins": _drop_ins}
