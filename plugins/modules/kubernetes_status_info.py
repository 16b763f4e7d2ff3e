# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_status_info
short_description: Say how a cluster in Kubernetes is
version_added: "0.2.0"
description:
  - Which parts are up, what they hold, and how fast a short completion is.
options:
  cluster:
    description: Name of Drover's cluster.
    type: str
    default: main
  namespace:
    description: The namespace that the cluster is in.
    type: str
    required: true
  plans:
    description: Running plans that were found on hosts outside, of which the first counts, since its host leads.
    type: list
    elements: dict
    default: []
  outside:
    description: How hosts outside are, as M(drover.llama.cluster_status_info) takes it in O(ignore:states).
    type: list
    elements: dict
    default: []
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
- name: See how the cluster is
  drover.llama.kubernetes_status_info:
    kubeconfig: ~/.kube/config
    namespace: drover
  register: status
"""

RETURN = r"""
lines:
  description: A head, a line for each node, and how fast the leader answered.
  returned: success
  type: list
  elements: str
  sample: []
problems:
  description: What is wrong, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
healthy:
  description: Whether nothing is wrong.
  returned: success
  type: bool
  sample: true
states:
  description: How each part is, with its pod, its restarts and its last end.
  returned: success
  type: list
  elements: dict
  sample: []
"""
