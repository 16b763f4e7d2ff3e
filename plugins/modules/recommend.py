# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recommend
short_description: Say which models a fleet can run
version_added: "0.2.0"
description:
  - Plans every model of a catalogue onto the hosts, as M(drover.llama.placement) would, and says which fit, on which
    hosts and at which predicted speed.
  - The catalogue holds some forty files of open models between 0.5 and 671 billion parameters. Their sizes are those
    published, to three digits. Before anything is installed, the header of the real file decides.
  - Touches no host. Run it once.
options:
  hosts:
    description: One tally for each host, as RV(drover.llama.memory_info#module:tally) returned it.
    type: list
    elements: dict
    required: true
  leader:
    description: The name of the host that must lead. By default the one with which a request takes the least time.
    type: str
  context_size:
    description: Tokens of context to plan for; fewer where a model was trained for fewer.
    type: int
    default: 8192
  minimum_tokens_per_second:
    description: How fast a model must be to be among the best.
    type: float
    default: 3.0
  margin:
    description: Share of the usable memory of each device that stays free.
    type: float
    default: 0.05
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.placement
  - module: drover.llama.memory_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Ask which models these hosts can run
  drover.llama.recommend:
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    minimum_tokens_per_second: 5
  register: answer
  run_once: true

- name: Show the answer
  ansible.builtin.debug:
    msg: "{{ answer.lines }}"
  run_once: true
"""

RETURN = r"""
recommendation:
  description: The answer. Sizes are bytes.
  returned: success
  type: dict
  contains:
    best:
      description: At most three models, the strongest first, each in its best quantisation that is fast enough.
      returned: success
      type: list
      elements: dict
      sample:
        - model: Llama 3.1 8B
          quantization: Q4_K_M
          repository: bartowski/Meta-Llama-3.1-8B-Instruct-GGUF
          file: Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
          bytes: 4920000000
          context_size: 8192
          hosts: [pi-1, pi-2]
          tokens_per_second: 3.4
          prompt_tokens_per_second: 12.5
          strength: 8030261248.0
    fits:
      description: All files that fit, the strongest first, with the same fields.
      returned: success
      type: list
      elements: dict
      sample: []
    next:
      description: The next stronger model that does not fit, with RV(recommendation.next.missing_bytes) and
        RV(recommendation.next.remedies), or null.
      returned: success
      type: dict
      contains:
        missing_bytes:
          description: The least memory that would have to be added to one host.
          returned: success
          type: int
          sample: 2576980377
        remedies:
          description: What would make it fit, the cheapest first.
          returned: success
          type: list
          elements: dict
          sample: []
lines:
  description: The same as lines that a person can read.
  returned: success
  type: list
  elements: str
  sample: ["1. Llama 3.1 8B Q4_K_M (4.6 GiB): about 3.4 tokens/s on pi-1, pi-2"]
"""
