#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_firewall
short_description: Let the nodes of a cluster of K3s in
version_added: "0.2.0"
description:
  - Has exactly what is wanted open in ufw and firewalld, where one of them is active, and notes down what it has
    opened, to close it again. Rules that were there before stay.
  - Runs on Linux.
options:
  openings:
    description:
      - What is to be open, each a dictionary with C(source), an address or a network, null for anyone; C(port), null
        for all; and C(protocol). Without any, everything is closed again.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Can run in check mode and tells whether something would be opened or closed.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
notes:
  - Run it as root.
seealso:
  - module: drover.llama.k3s_plan
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Let the nodes in
  drover.llama.k3s_firewall:
    openings: "{{ k3s_plan.hosts[inventory_hostname].openings }}"
"""

RETURN = r"""#"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.runtime.foreign_firewalls import EVERYWHERE, Opening
from ansible_collections.drover.llama.plugins.module_utils.runtime.opened import keep_open

NOTES = "/var/lib/rancher/k3s/drover-firewall.json"


def main():
    module = AnsibleModule(
        argument_spec={"openings": {"type": "list", "elements": "dict", "default": []}}, supports_check_mode=True
    )
    wanted = [
        Opening(one["source"], EVERYWHERE[0], one["port"], "drover k3s", one["protocol"])
        for one in module.params["openings"]
    ]
    try:
        changed = keep_open(NOTES, wanted, pretend=module.check_mode)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
