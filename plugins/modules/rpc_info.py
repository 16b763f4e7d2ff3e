#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rpc_info
short_description: Ask a llama.cpp RPC server who it is
version_added: "0.1.0"
description:
  - Greets a llama.cpp RPC server and returns its protocol version and what its devices report.
  - Tells a server that works for another client from one that is dead, and both from a foreign program.
  - Do not use it on a server that a leader works with. The server serves one client at a time, and a probe waits in its
    short queue. M(drover.llama.port_info) tells on the worker itself whether the server listens.
options:
  address:
    description:
      - Address or name of the server.
    type: str
    required: true
  port:
    description:
      - Port of the server.
    type: int
    default: 50052
  timeout:
    description:
      - Seconds to wait in all.
    type: float
    default: 2
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.port_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Greet the worker from the leader
  drover.llama.rpc_info:
    address: 192.168.1.21
  register: worker

- name: Refuse a worker that does not answer
  ansible.builtin.assert:
    that: worker.rpc.state == 'idle'
    fail_msg: "{{ worker.rpc.problem }}"

- name: Wait up to five seconds for a server on another port
  drover.llama.rpc_info:
    address: pi-2.local
    port: 50053
    timeout: 5
  register: worker
"""

RETURN = r"""
rpc:
  description: The server.
  returned: success
  type: dict
  contains:
    state:
      description:
        - V(idle) when it answered; V(busy) when it took the connection and said nothing, as it does while it works for
          another client; V(dead) when the host refused the connection; V(unreachable) when there is no way to it;
          V(foreign) when something else listens there.
      returned: success
      type: str
      sample: idle
    problem:
      description: What is wrong and what to do, in one sentence, or null for an idle server.
      returned: success
      type: str
      sample: >-
        192.168.1.21:50052 refuses connections, so no RPC server runs there; start it, or look with
        "journalctl -u 'drover-rpc@*'" on that host why it ended.
    version:
      description: Version of the protocol that it speaks, or null when it did not tell.
      returned: success
      type: dict
      sample:
        major: 8
        minor: 0
        patch: 0
    devices:
      description:
        - The devices as the server reports them. For a CPU that is the machine's memory, whatever is in use and
          whatever the limits are; M(drover.llama.memory_info) tells what can be lent.
      returned: success
      type: list
      elements: dict
      sample:
        - index: 0
          total_bytes: 8454160384
          free_bytes: 8454160384
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.rpc import wire


def main():
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": wire.PORT},
            "timeout": {"type": "float", "default": wire.SECONDS},
        },
        supports_check_mode=True,
    )
    rpc = wire.probe(module.params["address"], module.params["port"], module.params["timeout"])
    module.exit_json(changed=False, rpc=rpc)


if __name__ == "__main__":
    main()
