# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proof_info
short_description: See whether every planned worker takes part
version_added: "0.2.0"
description:
  - Holds what workers hold in memory, and who is connected to them, against the plan. A leader that drops a worker may
    go on without it, and its answers do not tell.
  - Only computes. Run it after a first completion, on what M(drover.llama.memory_info) returns then.
options:
  plan:
    description: The plan that the cluster runs by.
    type: dict
    required: true
  workers:
    description:
      - What M(drover.llama.memory_info) returned on each worker after the completion, asked for its RPC port. One that
        is missing counts as one that does not take part.
    type: list
    elements: dict
    required: true
  hosts:
    description: The hosts to look at, where others are no hosts of the inventory. By default all of the plan.
    type: list
    elements: str
  required:
    description: Whether to fail, with the sentences in RV(missing), when a worker does not take part.
    type: bool
    default: false
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.completion_info
  - module: drover.llama.memory_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See what every worker holds, and who is connected to it
  drover.llama.memory_info:
    host: "{{ inventory_hostname }}"
    ports: [50052]
    bandwidth: false
  register: held

- name: Hold them against the plan
  drover.llama.proof_info:
    plan: "{{ placement.plan }}"
    workers: "{{ ['pi-2', 'pi-3'] | map('extract', hostvars, 'held') }}"
    required: true
  run_once: true
"""

RETURN = r"""
loading:
  description:
    - One line on what has come over the workers' connections with the leader, against what the plan predicted of a
      start. It says what the start has sent only right after it. Empty where a worker's kernel does not tell.
  returned: success
  version_added: "0.2.0"
  type: str
  sample: "Loading   sent 6.1 MiB to the workers (predicted: 5.9 MiB)"
missing:
  description: A sentence for each worker that does not take part as planned, with what to do; empty when all do.
  returned: success
  type: list
  elements: str
  sample:
    - >-
      pi-2 holds 12 MiB where the plan puts 1.9 GiB of weights: see in the log of drover-server@main.service on pi-1 why
      pi-2 was left out.
"""
