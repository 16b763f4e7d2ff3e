# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway
short_description: Say what the gateways of a cluster do
version_added: "0.2.0"
description:
  - Works out what a host does through which clients come, such as where it listens, who may lead, and which paths are
    passed on. The role C(gateway) writes that down for HAProxy.
  - Touches no host, and knows no key.
options:
  host:
    description: The name of the host that is a gateway.
    type: str
    required: true
  plan:
    description: The plan that the cluster runs by.
    type: dict
    required: true
  deployments:
    description: What runs, by host, as RV(drover.llama.deployment#module:deployments) returned it.
    type: dict
    required: true
  tally:
    description: What RV(drover.llama.memory_info#module:tally) returned on the host.
    type: dict
    required: true
  settings:
    description: What the host's owner wishes.
    type: dict
    default: {}
    suboptions:
      gateway_address:
        description: Where it listens. Empty is the host's address in the cluster's network.
        type: str
        default: ""
      gateway_port:
        description: The port there.
        type: int
        default: 8443
      gateway_tls:
        description: Whether it speaks TLS.
        type: bool
        default: true
      gateway_names:
        description: What else clients call it by, for its certificate.
        type: list
        elements: str
        default: []
      gateway_cors_origins:
        description: Web pages that may ask, such as V(https://chat.example).
        type: list
        elements: str
        default: []
      gateway_most_bytes:
        description: How large a request may be.
        type: int
        default: 16777216
      gateway_hold_seconds:
        description: How long a request waits while nobody leads.
        type: int
        default: 60
      gateway_timeout:
        description: How many seconds an answer may say nothing.
        type: int
        default: 3600
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.deployment
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Say what this gateway does
  drover.llama.gateway:
    host: "{{ inventory_hostname }}"
    plan: "{{ placement.plan }}"
    deployments: "{{ deployed.deployments }}"
    tally: "{{ stock.tally }}"
    settings:
      gateway_port: 443
  register: gateway
"""

RETURN = r"""
gateway:
  description: What it does.
  returned: success
  type: dict
  sample:
    cluster: main
    host: pi-1
    listen:
      address: 192.168.1.20
      port: 8443
    tls: true
    url: https://192.168.1.20:8443
    names: ["192.168.1.20", "pi-1"]
    leaders:
      - host: pi-1
        address: 192.168.1.20
        port: 8080
        health_port:
    get_paths: ["/v1/models"]
    post_paths: ["/v1/chat/completions"]
    most_bytes: 16777216
    hold_seconds: 60
    timeout_seconds: 3600
    cors_origins: []
"""
