# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: measured_info
short_description: Write down what a start has shown, for the plans to come
version_added: "0.2.0"
description:
  - Puts what a completion right after a start has told of the speed, and what the workers hold, beside what was
    predicted of them, as one more run of the document RV(measured). With it M(drover.llama.placement) predicts better.
  - Only computes.
options:
  plan:
    description: The plan that was started.
    type: dict
    required: true
  model:
    description: The model, as RV(drover.llama.gguf_info#module:gguf) returned it.
    type: dict
    required: true
  hosts:
    description: The tallies of the hosts, as RV(drover.llama.memory_info#module:tally) returned them for the plan.
    type: list
    elements: dict
    required: true
  choice:
    description: Which build the hosts have, as RV(drover.llama.llama_cpp_choice#module:choice) returned it.
    type: dict
  build:
    description: The number that the build tells, which counts where O(choice) names none.
    type: int
  completion:
    description:
      - What RV(drover.llama.completion_info#module:completion) was right after the start. Its prompt should have more
        than a few tokens, since it tells how fast prompts are read.
    type: dict
    required: true
  workers:
    description: What M(drover.llama.memory_info) returned on each worker after the completion.
    type: list
    elements: dict
    default: []
  found:
    description: What was measured before, as RV(drover.llama.memory_info#module:measured) returned it on hosts.
    type: list
    elements: raw
    default: []
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.completion_info
  - module: drover.llama.placement
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Measure how fast it answers
  drover.llama.completion_info:
    url: http://192.168.1.20:8080
    api_key_file: /etc/drover/main/api_key
    prompt: Tell a long story of a drover who takes his cattle over the hills to the market.
    max_tokens: 24
  register: proof

- name: Write it down
  drover.llama.measured_info:
    plan: "{{ placement.plan }}"
    model: "{{ model.gguf }}"
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    build: 11669
    completion: "{{ proof.completion }}"
  register: start
  run_once: true
"""

RETURN = r"""
measured:
  description: The document, null when the completion told no speed.
  returned: success
  type: dict
  contains:
    schema:
      description: The version of this document.
      returned: success
      type: int
      sample: 1
    cluster:
      description: The name of the cluster.
      returned: success
      type: str
      sample: main
    runs:
      description:
        - The starts, the latest last. Each has when (C(at), seconds since 1970), of which model, build, machines and
          C(layout) it was, C(measured) and C(predicted) speeds, and C(held_bytes) of each worker.
      returned: success
      type: list
      elements: dict
      sample: []
"""
