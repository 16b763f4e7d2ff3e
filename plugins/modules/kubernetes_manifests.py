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
    range has no room for fails the task.
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
  settings_of_hosts:
    description:
      - What owners of hosts wish. Everything has a default, also for hosts that are not listed.
      - A wish that cannot be had fails the module by name.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The name of the host.
        type: str
        required: true
      rpc_server_cache:
        description: Whether its RPC server keeps tensors over 10 MiB on disk.
        type: bool
        default: true
      rpc_server_cache_days:
        description: Days without being read after which such a tensor is deleted, unless a cluster plans with it.
        type: int
        default: 30
      rpc_server_cache_max_bytes:
        description: What such tensors may take on its disk. 0 sets no bound.
        type: int
        default: 0
      rpc_server_allowed_addresses:
        description: The addresses that may connect to it besides the leader's.
        type: list
        elements: str
        default: []
      rpc_server_allow_public_address:
        description: Whether it may listen on an address that the Internet can reach.
        type: bool
        default: false
      llama_server_address:
        description: The address of the API if the host leads. Empty is the one that the plan knows the host by.
        type: str
        default: ""
      llama_server_port:
        description: The port of the API if the host leads.
        type: int
        default: 8080
      llama_server_allow_public_address:
        description: Whether the API may be on an address that the Internet can reach.
        type: bool
        default: false
      llama_server_api_key_file:
        description: The file with the keys of the API. Empty is C(/etc/drover/CLUSTER/api_key).
        type: str
        default: ""
      llama_server_threads:
        description: Threads that compute if the host leads. 0 takes what the plan says.
        type: int
        default: 0
      llama_server_extra_arguments:
        description:
          - More arguments for C(llama-server), flags in their long form.
          - One that Drover decides itself, that lets clients act on the host, or that the build does not know is
            refused.
        type: list
        elements: str
        default: []
  secret_version:
    description: A text that changes with the keys of the API.
    type: str
    default: ""
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
"""
