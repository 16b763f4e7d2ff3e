#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: placement
short_description: Plan which hosts hold which layers of a model
version_added: "0.1.0"
description:
  - Works out, before anything is touched, which host leads, which hosts lend their memory, which layers go on each, how
    many bytes that takes and how fast it will be, and writes it down as arguments of C(llama-server).
  - Minimises the predicted time of one token, subject to the memory of every host. The same input gives the same plan.
  - A model that does not fit is no failure of this module. It returns a plan whose RV(plan.feasible) is false, which
    says what is missing and what would help.
  - Touches no host. Run it once, on the controller.
options:
  model:
    description: The model, as RV(drover.llama.gguf_info#module:gguf) returned it.
    type: dict
    required: true
  hosts:
    description:
      - One tally for each host, as RV(drover.llama.memory_info#module:tally) returned it.
      - A tally may also hold C(exclude), which leaves the host out (true, or the reason), and C(port), the port of its
        RPC server (50052 by default).
    type: list
    elements: dict
    required: true
  leader:
    description:
      - The name of the host that must lead.
      - By default the one is elected with which a token takes the least time.
    type: str
  model_host:
    description: The name of the host that has the model's file already and needs no disk space for it.
    type: str
  context_size:
    description: Tokens of context of all slots together.
    type: int
    default: 4096
  parallel:
    description: Number of slots, which share O(context_size) evenly.
    type: int
    default: 1
  cache_type_k:
    description: Data type of the keys in the KV cache.
    type: str
    default: f16
    choices: [f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1]
  cache_type_v:
    description: Data type of the values in the KV cache. The quantised ones need O(flash_attention).
    type: str
    default: f16
    choices: [f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1]
  batch_size:
    description: Most tokens that are handed to the model at once.
    type: int
    default: 2048
  ubatch_size:
    description: Most tokens that are computed at once. Compute buffers grow with it.
    type: int
    default: 512
  flash_attention:
    description: Whether to use flash attention.
    type: str
    default: auto
    choices: [auto, "on", "off"]
  max_devices:
    description: Most devices to use, of the 16 that llama.cpp allows.
    type: int
    default: 16
  spread:
    description:
      - With V(auto), as few hosts take part as pay.
      - With V(all), every host that is not excluded holds at least one layer, and all work about equally long.
    type: str
    default: auto
    choices: [auto, all]
  split:
    description:
      - Your own split, as the number of layers for each host. The leader keeps the first ones, the other hosts follow
        in the order given, and the output layer counts as one.
      - It is honoured, or refused with the reason.
    type: dict
  previous:
    description: The running plan. It is kept when it still fits and is within 5 % of the best.
    type: dict
  margin:
    description: Share of the usable memory of each device that the plan leaves free.
    type: float
    default: 0.05
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.gguf_info
  - module: drover.llama.memory_info
  - plugin: drover.llama.plan_table
    plugin_type: filter
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Plan over all hosts of the play
  drover.llama.placement:
    model: "{{ model.gguf }}"
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    context_size: 8192
  register: placement
  run_once: true
  delegate_to: localhost

- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ placement.plan | drover.llama.plan_table }}"
  run_once: true

- name: Give every host a part, with a leader of your choice
  drover.llama.placement:
    model: "{{ model.gguf }}"
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    leader: pi-1
    spread: all
  run_once: true
  delegate_to: localhost

- name: Use your own split of a model with 32 blocks
  drover.llama.placement:
    model: "{{ model.gguf }}"
    hosts: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    leader: pi-1
    split:
      pi-1: 12
      pi-2: 11
      pi-3: 10
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description: The plan. All sizes are bytes, all times seconds.
  returned: success
  type: dict
  contains:
    feasible:
      description: Whether the model fits.
      returned: success
      type: bool
      sample: true
    mode:
      description: V(single) when the leader works alone, V(rpc) when workers take part, null when it does not fit.
      returned: success
      type: str
      sample: rpc
    leader:
      description: The host that runs C(llama-server), null when the model does not fit.
      returned: success
      type: str
      sample: pi-1
    leader_blocks:
      description: Number of blocks, from the first, that stay on the leader's CPU.
      returned: success
      type: int
      sample: 14
    devices:
      description: The devices that hold layers, in llama.cpp's order.
      returned: success
      type: list
      elements: dict
      contains:
        host:
          description: The host that the device is in.
          returned: success
          type: str
          sample: pi-2
        endpoint:
          description: Address and port of its RPC server, null for a GPU of the leader.
          returned: success
          type: str
          sample: 192.168.1.12:50052
        device:
          description: V(RPC0), V(RPC1) and so on as llama.cpp numbers them; V(GPU0) and so on for GPUs of the leader.
          returned: success
          type: str
          sample: RPC0
        device_index:
          description: Number of the device among those of its host.
          returned: success
          type: int
          sample: 0
        first_block:
          description: The first layer on the device; the number of blocks when it holds the output layer alone.
          returned: success
          type: int
          sample: 14
        block_count:
          description: Number of blocks on the device.
          returned: success
          type: int
          sample: 18
        holds_output:
          description: Whether the device holds the output layer, too.
          returned: success
          type: bool
          sample: true
        weight_bytes:
          description: Weights on the device.
          returned: success
          type: int
          sample: 2748712960
        kv_bytes:
          description: KV cache on the device.
          returned: success
          type: int
          sample: 301989888
        compute_bytes:
          description: Compute buffer on the device.
          returned: success
          type: int
          sample: 271056896
        total_bytes:
          description: All three together.
          returned: success
          type: int
          sample: 3321759744
        usable_bytes:
          description: What the device can lend, before O(margin).
          returned: success
          type: int
          sample: 3758096384
    host:
      description: What the leader's own CPU holds, null when the model does not fit.
      returned: success
      type: dict
      contains:
        weight_bytes:
          description: Token embedding and blocks that stay there.
          returned: success
          type: int
          sample: 2174486528
        kv_bytes:
          description: KV cache of those blocks.
          returned: success
          type: int
          sample: 234881024
        compute_bytes:
          description: Compute buffer.
          returned: success
          type: int
          sample: 125829120
        total_bytes:
          description: All three together.
          returned: success
          type: int
          sample: 2535196672
        usable_bytes:
          description: What the leader can use, before O(margin).
          returned: success
          type: int
          sample: 3758096384
        holds_output:
          description: Whether the output layer is there, too, which it is when there are no devices.
          returned: success
          type: bool
          sample: false
    arguments:
      description: Arguments of C(llama-server) that make it so. The model's path, address, port and key are not in it.
      returned: success
      type: list
      elements: str
      sample: ["--fit", "off", "--rpc", "192.168.1.12:50052", "--tensor-split", "19", "--n-gpu-layers", "19"]
    predicted:
      description: Predicted speed, null when the model does not fit.
      returned: success
      type: dict
      contains:
        seconds_per_token:
          description: Seconds to generate one token in one slot.
          returned: success
          type: float
          sample: 0.69
        tokens_per_second:
          description: The same, as a rate.
          returned: success
          type: float
          sample: 1.45
        prompt_tokens_per_second:
          description: Tokens of a prompt that are processed in a second, a rough guess.
          returned: success
          type: float
          sample: 9.3
        load_bytes_over_network:
          description: Weights that are sent to workers when nothing of them is in a tensor cache.
          returned: success
          type: int
          sample: 2748712960
    settings:
      description: The settings of C(llama-server) that the plan is for, by the names of the options of this module.
      returned: success
      type: dict
      sample: {"context_size": 8192, "parallel": 1}
    model:
      description: The model that the plan is for.
      returned: success
      type: dict
      sample: {"name": "Meta Llama 3.1 8B Instruct", "quantization": "Q4_K_M", "block_count": 32}
    layer_weight_bytes:
      description: Weights of every layer, the output layer last.
      returned: success
      type: list
      elements: int
      sample: [147464192, 147464192, 410271744]
    spare:
      description: The hosts that hold no layers, each with the C(reason).
      returned: success
      type: list
      elements: dict
      sample: [{"host": "pi-4", "reason": "not needed: the plan is faster without it"}]
    missing_bytes:
      description: When it does not fit, the least memory that would have to be added to one host; otherwise 0.
      returned: success
      type: int
      sample: 0
    remedies:
      description: When it does not fit, what would make it fit, the cheapest first.
      returned: success
      type: list
      elements: dict
      sample: []
    reasons:
      description: One readable line for each decision.
      returned: success
      type: list
      elements: str
      sample: ["pi-1 leads because it is pinned."]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.footprint import settings
from ansible_collections.drover.llama.plugins.module_utils.placement import planner


def main():
    cache_types = list(settings.CACHE_TYPES)
    module = AnsibleModule(
        argument_spec={
            "model": {"type": "dict", "required": True},
            "hosts": {"type": "list", "elements": "dict", "required": True},
            "leader": {"type": "str"},
            "model_host": {"type": "str"},
            "context_size": {"type": "int", "default": 4096},
            "parallel": {"type": "int", "default": 1},
            "cache_type_k": {"type": "str", "default": "f16", "choices": cache_types},
            "cache_type_v": {"type": "str", "default": "f16", "choices": cache_types},
            "batch_size": {"type": "int", "default": 2048},
            "ubatch_size": {"type": "int", "default": 512},
            "flash_attention": {"type": "str", "default": "auto", "choices": list(settings.FLASH_ATTENTION)},
            "max_devices": {"type": "int", "default": planner.MAX_DEVICES},
            "spread": {"type": "str", "default": "auto", "choices": list(planner.SPREADS)},
            "split": {"type": "dict"},
            "previous": {"type": "dict"},
            "margin": {"type": "float", "default": planner.DEFAULT_MARGIN},
        },
        supports_check_mode=True,
    )
    try:
        plan = planner.make_plan(**module.params)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, plan=plan)


if __name__ == "__main__":
    main()
