# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tensor_cache_plan
short_description: Say which tensors each worker is to have in its cache
version_added: "0.2.0"
description:
  - Works out, by a plan and the manifest of its model, which tensors every worker is going to hold and its RPC server
    caches, what of it is missing, and what a start of the leader then still sends.
  - llama.cpp caches weights of more than 10 MiB. Smaller ones travel at every start.
  - Only computes. Run it once.
options:
  plan:
    description: The plan, as RV(drover.llama.placement#module:plan) has it.
    type: dict
    required: true
  manifest:
    description:
      - The manifest of the plan's model, as RV(drover.llama.model_manifest#module:manifest) has it.
      - An empty one means that none could be made, and then the workers are to have nothing.
    type: dict
    required: true
  caches:
    description:
      - What each worker has cached, as RV(drover.llama.tensor_cache_info#module:cache) has it, by the host's name.
      - A worker that is not among them has no cache, and is sent everything.
    type: dict
    default: {}
  spread:
    description: On how many workers each cached tensor is to be. With 2, losing a worker costs no transfer.
    type: int
    default: 1
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.model_manifest
  - module: drover.llama.tensor_cache_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See what is to be placed
  drover.llama.tensor_cache_plan:
    plan: "{{ placement.plan }}"
    manifest: "{{ hostvars['pi-1'].model.manifest }}"
    caches: "{{ dict(['pi-2', 'pi-3'] | zip(['pi-2', 'pi-3'] | map('extract', hostvars, ['found', 'cache']))) }}"
    spread: 2
  register: placing
  run_once: true
"""

RETURN = r"""
weights:
  description: What each worker's cache is to have, by the host's name.
  returned: success
  type: dict
  contains:
    HOST:
      description: The tensors for one worker.
      returned: success
      type: dict
      contains:
        held:
          description: Those that it is going to hold, with C(hash), C(sha256), C(shard), C(offset) and C(bytes).
          returned: success
          type: list
          elements: dict
        spare:
          description: Those of other workers, for when one of them is lost.
          returned: success
          type: list
          elements: dict
missing_bytes:
  description: What is to be fetched, by the host's name.
  returned: success
  type: dict
  sample:
    pi-2: 1342177280
load_bytes_over_network:
  description: Weights that the leader sends at a start.
  returned: success
  type: dict
  contains:
    now:
      description: With what is in the caches now.
      returned: success
      type: int
      sample: 1427902464
    placed:
      description: Once everything is placed; tensors of 10 MiB and less, and those of workers without a cache.
      returned: success
      type: int
      sample: 85725184
    empty:
      description: With empty caches.
      returned: success
      type: int
      sample: 1427902464
"""
