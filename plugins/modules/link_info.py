#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link_info
short_description: Measure how far and how wide the way to other hosts is
version_added: "0.2.0"
description:
  - Sends sixteen small and sixteen large ICMP echoes to each of some hosts, as ping does, and tells the round trip and
    the speed of the way there. Nothing has to run or to listen on those hosts.
  - The result is kept on the host until the next boot, and recalled for the same addresses.
options:
  address:
    description:
      - The host's own address, which the others reach it by. The result is kept for it.
    type: str
    required: true
  peers:
    description:
      - IPv4 addresses of other hosts. A few are enough to know one's own cable.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root, or where the kernel lets users send echoes (C(net.ipv4.ping_group_range)).
  - A firewall that drops ICMP hides a host; then both figures are null, and the planner goes by the speed of the card.
seealso:
  - module: drover.llama.memory_info
  - module: drover.llama.placement
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Measure the way to the leader
  drover.llama.link_info:
    address: 192.168.1.22
    peers:
      - 192.168.1.21
  register: way
"""

RETURN = r"""
link:
  description: The host's own link, as seen over the best of the ways, and every way.
  returned: success
  type: dict
  contains:
    round_trip_seconds:
      description: Seconds to the nearest peer and back, or null when none answers.
      returned: success
      type: float
      sample: 0.00021
    speed_mbps:
      description: Megabits a second of the widest way, headers counted as in a card's speed, or null.
      returned: success
      type: int
      sample: 918
    peers:
      description: For each peer its RV(link.peers[].address), C(round_trip_seconds) and C(speed_mbps).
      returned: success
      type: list
      elements: dict
      contains:
        address:
          description: The peer's address.
          returned: success
          type: str
          sample: 192.168.1.21
        round_trip_seconds:
          description: Seconds to it and back, or null.
          returned: success
          type: float
          sample: 0.00021
        speed_mbps:
          description: Megabits a second, or null.
          returned: success
          type: int
          sample: 918
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.hosts.link import links


def main():
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "peers": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    found = links(wanted["address"], wanted["peers"], may_write=not module.check_mode)
    module.exit_json(changed=False, link=found)


if __name__ == "__main__":
    main()
