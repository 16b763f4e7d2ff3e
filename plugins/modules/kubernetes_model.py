# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_model
short_description: Read a model where a pod has it, or send it there
version_added: "0.2.0"
description:
  - Waits for a courier pod of M(drover.llama.kubernetes_stock_info). Without O(path), reads the header of the model
    that is in its volume; with it, sends the files of the controller there which the volume lacks.
  - A file that was sent appears whole or not at all.
  - In check mode there is no pod to ask, so do not run it then.
options:
  pod:
    description: The manifest of the courier pod, which is applied.
    type: dict
    required: true
  file:
    description: The first file of the model within the volume.
    type: str
    required: true
  path:
    description: The same on the controller. By default nothing is sent.
    type: path
  files:
    description: The files, as M(drover.llama.gguf_info) returned them of O(path).
    type: list
    elements: dict
    default: []
  sha256:
    description: A checksum for each of them.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds to wait.
    type: int
    default: 180
extends_documentation_fragment:
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_api
seealso:
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Send the model
  drover.llama.kubernetes_model:
    kubeconfig: ~/.kube/config
    pod: "{{ stock.courier_pods['kube-1'] }}"
    file: model.gguf
    path: /srv/models/model.gguf
    files: "{{ header.files }}"
"""

RETURN = r"""
sent:
  description: Names of the files that were sent.
  returned: success
  type: list
  elements: str
  sample: []
gguf:
  description: The header, as M(drover.llama.gguf_info) returns it.
  returned: success
  type: dict
  sample: {}
files:
  description: The files of the model.
  returned: success
  type: list
  elements: dict
  sample: []
"""
