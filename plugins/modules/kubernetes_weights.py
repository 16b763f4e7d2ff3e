#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_weights
short_description: Fill the tensor caches of workers' nodes
version_added: "0.2.0"
description:
  - Waits for the short-lived pods of RV(drover.llama.kubernetes_manifests#module:placing), which are applied. Has the
    one on the leader's node read the model and offer it to the others, works out what each worker is to have, and has
    all fetch what they lack at the same time.
  - What cannot be placed does not fail the task, since the leader sends it. It is told in RV(told).
  - In check mode there is no pod to ask, so do not run it then.
options:
  placing:
    description: What M(drover.llama.kubernetes_manifests) returned.
    type: dict
    required: true
  timeout:
    description:
      - How many seconds to wait for the pod on the leader's node, which may have to bring the model from the web first.
    type: int
    default: 1800
extends_documentation_fragment:
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_api
seealso:
  - module: drover.llama.tensor_cache_plan
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Run the pods that place
  kubernetes.core.k8s:
    kubeconfig: ~/.kube/config
    resource_definition: "{{ made.placing.objects }}"

- name: Fill the caches
  drover.llama.kubernetes_weights:
    kubeconfig: ~/.kube/config
    placing: "{{ made.placing }}"
  register: weights
"""

RETURN = r"""
told:
  description: Sentences about what was not placed, and why.
  returned: success
  type: list
  elements: str
  sample: []
fetched_bytes:
  description: Bytes of tensors that have come to caches.
  returned: success
  type: int
  sample: 10737418240
config_map:
  description:
    - The ConfigMap that says what each cache is to have, to be applied; null where something went wrong that may go
      well another time.
  returned: success
  type: dict
  sample: {}
"""
