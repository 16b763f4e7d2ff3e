# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status_info
short_description: Say how a running cluster is
version_added: "0.2.0"
description:
  - Puts together what the hosts of a cluster say of themselves, as lines that a person can read, and names what is
    wrong.
  - Touches no host. Run it once.
options:
  plan:
    description: The running plan, as RV(drover.llama.memory_info#module:plan) returned it on the leader.
    type: dict
    required: true
  states:
    description: How each host is, in the order in which the lines are to name them.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The host's name in the plan.
        type: str
        required: true
      tally:
        description: What it can lend and holds, as RV(drover.llama.memory_info#module:tally) returned it.
        type: dict
        default: {}
      programs:
        description: Its build, as RV(drover.llama.llama_cpp_info#module:llama_cpp) returned it.
        type: dict
        default: {}
      deployed:
        description: >-
          The part that its deployment gives it, V(worker) say. A worker that is down has none in the running plan of a
          cluster that heals itself.
        type: str
      stands_by:
        description: Whether it stands by for the leader, or leads in its place.
        type: bool
      listens:
        description: Whether its RPC server listens.
        type: bool
        default: false
      held_bytes:
        description: Memory that the cluster holds there. By default what O(states[].tally) says.
        type: int
      problem:
        description: What is wrong with its part, in one sentence.
        type: str
      completion:
        description: Of the leader, its proof, as RV(drover.llama.completion_info#module:completion) returned it.
        type: dict
  measured:
    description: What was measured of its starts, as RV(drover.llama.memory_info#module:measured) returned it on hosts.
    version_added: "0.2.0"
    type: list
    elements: raw
    default: []
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.memory_info
  - module: drover.llama.llama_cpp_info
  - module: drover.llama.completion_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Put together how the cluster is
  drover.llama.cluster_status_info:
    plan: "{{ hostvars['pi-1'].memory.plan }}"
    states:
      - host: pi-1
        tally: "{{ hostvars['pi-1'].memory.tally }}"
        programs: "{{ hostvars['pi-1'].binaries.llama_cpp }}"
        completion: "{{ hostvars['pi-1'].proof.completion }}"
      - host: pi-2
        tally: "{{ hostvars['pi-2'].memory.tally }}"
        programs: "{{ hostvars['pi-2'].binaries.llama_cpp }}"
        listens: "{{ hostvars['pi-2'].worker.listens }}"
  register: status
  run_once: true

- name: Fail when something is wrong
  ansible.builtin.assert:
    that: status.healthy
    fail_msg: "{{ status.problems }}"
  run_once: true
"""

RETURN = r"""
lines:
  description:
    - A head, a line for each host, how fast the leader answered, and what was measured when it was started, against
      what was predicted.
  returned: success
  type: list
  elements: str
  sample:
    - "host             part     state     build        memory  layers"
    - "pi-1             leader   up        11669      16.32 MB  blocks 0-5"
    - "pi-2             worker   up        11669      10.50 MB  blocks 6-7 + output"
    - "18.2 tokens per second in a completion of 8 tokens"
    - "Measured: 19.1 tokens/s generated (predicted: 21.0), 83 tokens/s of a prompt of 68 (predicted: 95)"
    - "Ready 4 s after it was started"
    - "Memory of pi-2: 10.5 MiB held (planned: 11.2 MiB)"
problems:
  description: What is wrong, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
healthy:
  description: Whether nothing is wrong.
  returned: success
  type: bool
  sample: true
"""
