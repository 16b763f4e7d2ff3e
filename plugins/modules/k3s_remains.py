#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_remains
short_description: Take off what K3s leaves behind when it is stopped
version_added: "0.2.0"
description:
  - Ends the pods that go on when K3s is stopped, and takes off their mounts, network interfaces, routes, firewall
    rules, sets of addresses and control groups. What others have of these stays.
  - Runs on Linux. Files are left to others.
options:
  pods:
    description: The network of the cluster's pods.
    type: str
    default: 10.42.0.0/16
attributes:
  check_mode:
    description: Can run in check mode and tells what it would take off.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
notes:
  - Run it as root, when the service is stopped.
seealso:
  - module: drover.llama.k3s_host_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: End the pods and take off what they had
  drover.llama.k3s_remains:
"""

RETURN = r"""
removed:
  description: What was taken off, or would be.
  returned: success
  type: list
  elements: str
  sample: ["interface cni0", "mount /run/k3s/containerd/io.containerd.grpc.v1.cri/sandboxes/0a1b/shm"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.k3s.clearing import Clearing


def main():
    module = AnsibleModule(argument_spec={"pods": {"type": "str", "default": "10.42.0.0/16"}}, supports_check_mode=True)
    try:
        removed = Clearing(module.run_command, pretend=module.check_mode).clear(module.params["pods"])
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
