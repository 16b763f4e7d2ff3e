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
  - The addresses are those that the plan will choose, in a network that all hosts share.
  - The result is kept on the host until the next boot, and recalled for the same addresses.
options:
  host:
    description:
      - Which of O(tallies) is this host's own.
    type: str
    required: true
  tallies:
    description:
      - One tally for each host, as RV(drover.llama.memory_info#module:tally) returned it. Four of the other hosts are
        enough to know one's own cable.
    type: list
    elements: dict
    required: true
  leader:
    description:
      - The host that is going to lead, if that is known. It is one of the four then.
    type: str
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
- name: Measure the ways between all hosts
  drover.llama.link_info:
    host: "{{ inventory_hostname }}"
    tallies: "{{ ansible_play_hosts | map('extract', hostvars, 'placement_tally') }}"
  register: link
"""

RETURN = r"""
tally:
  description:
    - The host's own tally with what was measured in its C(network), C(round_trip_seconds) to the nearest of the others
      and back, and C(speed_mbps) of the widest way, headers counted as in a card's speed.
    - Both are null when none of them answers, and where there is nothing to measure, since the host takes no part, is
      the only one, or shares no network with the others.
  returned: success
  type: dict
  sample:
    host: pi-1
    network:
      round_trip_seconds: 0.00021
      speed_mbps: 918
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.document import read_tally
from ansible_collections.drover.llama.plugins.module_utils.hosts.link import own_link


def main():
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "tallies": {"type": "list", "elements": "dict", "required": True},
            "leader": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        tallies = [read_tally(tally) for tally in wanted["tallies"]]
        tally = own_link(wanted["host"], tallies, wanted["leader"], may_write=not module.check_mode)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, tally=tally)


if __name__ == "__main__":
    main()
