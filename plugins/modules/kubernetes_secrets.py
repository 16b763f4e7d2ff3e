# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_secrets
short_description: Make the manifests of Secrets
version_added: "0.2.0"
description:
  - Of the keys of the API, of the token that a model is fetched with, and of what the leader and the agents know each
    other by. Run it with C(no_log), since it returns them.
options:
  keys:
    description: The keys that clients may send.
    type: list
    elements: str
    default: []
  token:
    description: A bearer token for the address of the model.
    type: str
    default: ""
  agents:
    description: What the leader and the agents of a cluster that heals itself know each other by.
    type: str
    default: ""
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
  - drover.llama.kubernetes_wishes
seealso:
  - module: kubernetes.core.k8s
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Make the Secret
  drover.llama.kubernetes_secrets:
    settings: "{{ settings }}"
    keys: ["{{ vault_api_key }}"]
  register: made
  no_log: true
"""

RETURN = r"""
secrets:
  description: The manifests.
  returned: success
  type: list
  elements: dict
  sample: []
"""
