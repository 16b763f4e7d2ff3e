# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_tally_info
short_description: Read what pods have measured on the nodes
version_added: "0.2.0"
description:
  - Waits for the pods that M(drover.llama.kubernetes_stock_info) has made manifests of, and makes of their logs what
    each node lends.
  - Without them, memory that nobody requests counts as free, and speeds are unknown.
options:
  stock:
    description: The stock of the nodes, as M(drover.llama.kubernetes_stock_info) returned it.
    type: list
    elements: dict
    required: true
  programs:
    description: The same of M(drover.llama.kubernetes_stock_info).
    type: dict
    default: {}
  claim_bytes:
    description: The same.
    type: int
  leader:
    description:
      - The node that must be the leader, empty where the plan elects one. Where all nodes lend the same, it lends what
        it has.
    type: str
    default: ""
  measured:
    description: Whether such pods run.
    type: bool
    default: true
  timeout:
    description: How many seconds to wait.
    type: int
    default: 180
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_api
  - drover.llama.kubernetes_wishes
seealso:
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Read what was measured
  drover.llama.kubernetes_tally_info:
    kubeconfig: ~/.kube/config
    settings: "{{ settings }}"
    stock: "{{ stock.stock }}"
  register: tallied
"""

RETURN = r"""
tallies:
  description: What each node lends, as M(drover.llama.memory_info) returns it of a host.
  returned: success
  type: list
  elements: dict
  sample: []
programs:
  description: What the programs can do, by node.
  returned: success
  type: dict
  sample: {}
"""
