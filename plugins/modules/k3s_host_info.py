#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_host_info
short_description: Look at a host as far as K3s is concerned
version_added: "0.2.0"
description:
  - Looks at what decides whether K3s runs on a host and how, such as control groups, parts of the kernel, ports,
    addresses and what of K3s is there already. It judges nothing, M(drover.llama.k3s_plan) does.
  - Runs on Linux.
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root. Other users do not see who holds a port.
seealso:
  - module: drover.llama.k3s_plan
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Look at the host
  drover.llama.k3s_host_info:
  register: looked
"""

RETURN = r"""
survey:
  description: What was found; a document with a C(schema), sizes in bytes.
  returned: success
  type: dict
  sample:
    schema: 1
    hostname: pi-1
    cgroup: {version: 2, controllers: [cpu, cpuset, memory, pids]}
    default_route: {interface: eth0, kind: ethernet}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.k3s.survey import take_survey


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, survey=take_survey(Tree()))


if __name__ == "__main__":
    main()
