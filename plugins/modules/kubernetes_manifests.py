# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_manifests
short_description: Make the manifests of a plan
version_added: "0.2.0"
description:
  - From a plan over nodes to what their pods run, and to the objects that Kubernetes is given. What a quota or a limit
    range has no room for fails the task, and so does a leader that cannot have the volume of the model's claim.
options:
  plan:
    description: The plan, as M(drover.llama.placement) returned it.
    type: dict
    required: true
  tallies:
    description: What M(drover.llama.kubernetes_tally_info) returned.
    type: list
    elements: dict
    required: true
  programs:
    description: The same.
    type: dict
    default: {}
  model:
    description: The model as the pod of the leader has it.
    type: dict
    required: true
    suboptions:
      path:
        description: Its first file there.
        type: str
        required: true
      alias:
        description: The name under which the API offers it.
        type: str
        required: true
      files:
        description: Its files, each with C(path) and C(bytes).
        type: list
        elements: dict
        required: true
  stock:
    description: The stock of the nodes, as M(drover.llama.kubernetes_stock_info) returned it.
    type: list
    elements: dict
    required: true
  gguf:
    description: The model, as M(drover.llama.gguf_info) returned it.
    type: dict
    required: true
  listeners:
    description:
      - By host outside, the RV(drover.llama.memory_info#module:listeners) there. A port that it is to listen on and
        another program holds is refused.
    type: dict
    default: {}
  secret_version:
    description: A text that changes with the keys of the API.
    type: str
    default: ""
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_api
  - drover.llama.kubernetes_wishes
  - drover.llama.settings_of_hosts
seealso:
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Make the manifests
  drover.llama.kubernetes_manifests:
    kubeconfig: ~/.kube/config
    settings: "{{ settings }}"
    plan: "{{ placement.plan }}"
    tallies: "{{ tallied.tallies }}"
    programs: "{{ tallied.programs }}"
    stock: "{{ stock.stock }}"
    model:
      path: /var/lib/drover/models/model.gguf
      alias: model
      files: []
    gguf: "{{ model.gguf }}"
  register: made
"""

RETURN = r"""
deployments:
  description: What runs on each node.
  returned: success
  type: dict
  sample: {}
manifests:
  description: The objects, in the order in which they are applied.
  returned: success
  type: list
  elements: dict
  sample: []
superfluous:
  description: The objects that are there and not wanted any more, in the order in which they are taken off.
  returned: success
  type: list
  elements: dict
  sample: [{"kind": "Deployment", "name": "drover-main-worker-kube-2"}]
placing:
  description:
    - What it takes to fill the workers' tensor caches before the leader starts, for M(drover.llama.kubernetes_weights).
  returned: success
  type: dict
  contains:
    due:
      description: Whether there is anything to be done; not where they were filled for the same already.
      type: bool
      returned: success
    told:
      description: Sentences about what is not going to be placed.
      type: list
      elements: str
      returned: success
    objects:
      description: The short-lived objects that it takes, in the order in which they are applied.
      type: list
      elements: dict
      returned: when due
  sample: {"due": false, "told": []}
notes:
  description:
    - What is left to the owners of the nodes, such as their firewalls where pods use their network, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""
