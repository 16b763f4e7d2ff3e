# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_rollout_info
short_description: Wait until the parts of a plan serve
version_added: "0.2.0"
description:
  - Reads the conditions of Deployments and pods until all are ready. What keeps one from it for a minute fails the task
    in one sentence, such as an image that cannot be pulled.
options:
  namespace:
    description: The namespace that the cluster is in.
    type: str
    required: true
  plan:
    description: The plan, as M(drover.llama.placement) returned it.
    type: dict
    required: true
  nodes:
    description: The nodes of the cluster.
    type: list
    elements: str
    required: true
  timeout:
    description: How many seconds to wait.
    type: int
    default: 1800
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
- name: Wait until all serve
  drover.llama.kubernetes_rollout_info:
    kubeconfig: ~/.kube/config
    namespace: drover
    plan: "{{ placement.plan }}"
    nodes: [kube-1, kube-2]
  register: rollout
"""

RETURN = r"""
states:
  description: How each part is.
  returned: success
  type: list
  elements: dict
  sample: []
"""
