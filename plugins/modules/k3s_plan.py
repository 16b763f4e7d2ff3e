# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_plan
short_description: Plan a cluster of K3s for all its hosts
version_added: "0.2.0"
description:
  - Decides who begins, who joins after whom, with which settings, and in which order versions are changed.
  - Fails with everything that is in the way, a sentence each, before anything is changed.
  - Only computes, from what M(drover.llama.k3s_host_info) returned.
options:
  hosts:
    description:
      - The hosts in the order of the inventory, each a dictionary with C(name), C(part) (V(server) or V(agent)),
        C(survey) as M(drover.llama.k3s_host_info) returns it, and C(settings), the host's own wishes.
    type: list
    elements: dict
    required: true
  settings:
    description: What is wished of the cluster, by the names of the role's variables without C(k3s_), and
      C(restoring), whether its state is taken back from a backup.
    type: dict
    required: true
  channels:
    description: The channels of releases, as K3s's channel server lists them; needed when no version is wished and
      none runs.
    type: list
    elements: dict
    default: []
  upgrading:
    description: Whether hosts may get another version than they have.
    type: bool
    default: false
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.k3s_host_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Plan
  drover.llama.k3s_plan:
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'k3s_wish') }}"
    settings: "{{ k3s_cluster_wish }}"
  register: planned
  run_once: true
"""

RETURN = r"""
plan:
  description:
    - What was decided. C(begins) is the server that begins the cluster, null when one runs; C(joins) are those that
      join, one after another; C(upgrade) has the C(servers) and C(agents) whose version changes, in their order.
  returned: success
  type: dict
  sample:
    schema: 1
    version: v1.34.4+k3s1
    datastore: sqlite
    begins: server-1
    joins: []
"""
