# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_proof_info
short_description: Prove that a cluster in Kubernetes answers
version_added: "0.2.0"
description:
  - Has the leader's pod ask for a completion, and every worker's pod say what it holds. Needs no way to the API of the
    model but the one to Kubernetes.
options:
  namespace:
    description: The namespace that the cluster is in.
    type: str
    required: true
  plan:
    description: The plan, as M(drover.llama.placement) returned it.
    type: dict
    required: true
  states:
    description: What M(drover.llama.kubernetes_rollout_info) returned.
    type: list
    elements: dict
    required: true
  timeout:
    description: How many seconds to wait.
    type: int
    default: 600
  patience:
    description:
      - How many seconds to wait for workers that do not take part. Where a cluster heals itself one that was lost may
        be about to be taken in again.
    type: int
    default: 0
  replans:
    description:
      - Whether the leader plans by itself from what its pods tell, so that what they hold is held against its own plan;
        then none that holds layers by O(plan) may be missing to it.
    type: bool
    default: false
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_api
seealso:
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Prove that it answers
  drover.llama.kubernetes_proof_info:
    kubeconfig: ~/.kube/config
    namespace: drover
    plan: "{{ placement.plan }}"
    states: "{{ rollout.states }}"
  register: proof
"""

RETURN = r"""
completion:
  description: The completion, as M(drover.llama.completion_info) returns it; null where the leader is no node.
  returned: success
  type: dict
  sample: {}
"""
