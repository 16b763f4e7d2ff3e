#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_info
short_description: Tell who listens on a host's TCP ports, and who is connected
version_added: "0.1.0"
description:
  - Looks up who listens on TCP ports of the host and who is connected to them, in the tables of the kernel. No
    connection is made, so a server that serves one client at a time is not disturbed.
  - Runs on Linux.
options:
  ports:
    description:
      - The ports to look up.
    type: list
    elements: int
    required: true
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root. Other users see that somebody listens, but not who.
seealso:
  - module: drover.llama.rpc_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See who listens on the RPC port
  drover.llama.port_info:
    ports:
      - 50052
  register: rpc_port

- name: Refuse a port that another program holds
  ansible.builtin.assert:
    that: rpc_port.listeners | rejectattr('unit', 'equalto', 'drover-rpc@main.service') | length == 0
    fail_msg: "Port 50052 is held by {{ rpc_port.listeners | map(attribute='command') | join(', ') }}."

- name: Prove that the leader is connected
  ansible.builtin.assert:
    that: rpc_port.connections | selectattr('peer', 'equalto', '192.168.1.20') | length == 1
"""

RETURN = r"""
listeners:
  description: Who listens, in the order of ports and addresses; empty when nobody does.
  returned: success
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      returned: success
      type: int
      sample: 50052
    address:
      description: The address that is listened on; V(0.0.0.0) and V(::) mean every one.
      returned: success
      type: str
      sample: 192.168.1.21
    pid:
      description: Id of the process, or null when it cannot be seen.
      returned: success
      type: int
      sample: 1423
    command:
      description: The program as it was started, or null when it cannot be seen.
      returned: success
      type: str
      sample: /usr/libexec/aarch64-linux-gnu/llama/bin/ggml-rpc-server
    unit:
      description: The systemd unit of the process, or null when it belongs to none.
      returned: success
      type: str
      sample: drover-rpc@main.service
connections:
  description: Who is connected, in the order of ports and peers, each of these once; empty when nobody is.
  returned: success
  type: list
  elements: dict
  contains:
    port:
      description: The port of this host.
      returned: success
      type: int
      sample: 50052
    peer:
      description: The address that the other side sends from.
      returned: success
      type: str
      sample: 192.168.1.20
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.listener import (
    find_connections,
    find_listeners,
)
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree


def main():
    module = AnsibleModule(
        argument_spec={"ports": {"type": "list", "elements": "int", "required": True}},
        supports_check_mode=True,
    )
    try:
        listeners = find_listeners(Tree(), module.params["ports"])
        connections = find_connections(Tree(), module.params["ports"])
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, listeners=listeners, connections=connections)


if __name__ == "__main__":
    main()
