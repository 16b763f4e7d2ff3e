# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_stock_info
short_description: Take stock of a Kubernetes cluster
version_added: "0.2.0"
description:
  - Sees whether what is wished can be had there (permissions, namespace, ports, the claim of the model), and which
    nodes can lend what.
  - What is in the way fails the task in one sentence, before anything was changed.
options:
  required:
    description:
      - Whether what the settings name has to be there, such as the claim of the model, accounts, classes and Secrets.
        Of what the user of the kubeconfig may not see, nothing is said.
      - Without it, a cluster can be taken off, and manifests be written for one that is yet to get them.
    type: bool
    default: true
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
- name: See what the nodes can lend
  drover.llama.kubernetes_stock_info:
    kubeconfig: ~/.kube/config
    settings:
      image: registry.lan/drover-llama@sha256:5d0c8e0f5a2f5a3cf5f2a8f3f5a7ad9f1bb3ac5a1b8f0d9b3b8b6c2a7c9d1e0f
      model:
        file: model.gguf
  register: stock
"""

RETURN = r"""
stock:
  description: What the scheduler has left on each node, and why one takes no part.
  returned: success
  type: list
  elements: dict
  sample: []
programs:
  description: What the image's programs can do, by machine; empty where nobody knows before a pod has run.
  returned: success
  type: dict
  sample: {}
foundation:
  description: The manifests that all pods of the cluster need.
  returned: success
  type: list
  elements: dict
  sample: []
new:
  description: Those of them that are not there.
  returned: success
  type: list
  elements: dict
  sample: []
tally_pods:
  description: The manifests of the pods that measure, one a node.
  returned: success
  type: list
  elements: dict
  sample: []
courier_pods:
  description: For each node, the manifest of a pod that holds the volume of the model.
  returned: success
  type: dict
  sample: {}
sweeper_pods:
  description: The manifests of the pods that take folders off nodes, if empty (C(folders)) or not (C(models)).
  returned: success
  type: dict
  sample: {"folders": [], "models": []}
installed:
  description: The objects of the cluster, in the order in which they are to be taken off.
  returned: success
  type: list
  elements: dict
  sample: [{"kind": "Deployment", "name": "drover-main-leader"}]
owns_namespace:
  description: Whether Drover made the namespace.
  returned: success
  type: bool
  sample: true
previous:
  description: Manifests of the objects that are there, to go back to.
  returned: success
  type: list
  elements: dict
  sample: []
plan:
  description: The plan that runs, or null.
  returned: success
  type: dict
  sample: null
has_key:
  description: Whether there is a key of the API.
  returned: success
  type: bool
  sample: true
has_agents_secret:
  description: Whether there is what the leader and the agents of a cluster that heals itself know each other by.
  returned: success
  type: bool
  sample: true
secret_version:
  description: Changes with the keys of the API.
  returned: success
  type: str
  sample: "4711"
claim_bytes:
  description: The capacity of the claim that the model is in, or null.
  returned: success
  type: int
  sample: null
"""
