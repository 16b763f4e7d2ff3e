# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.serving import device_drop_in
from ansible_collections.drover.llama.plugins.module_utils.serving.deployment import read_deployment


def _device_drop_in(deployment):
    try:
        return device_drop_in.device_drop_in(read_deployment(deployment))
    except DroverError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self):
        return {"device_drop_in": _device_drop_in}
