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
    many bytes that takes and how fast it will be, and by which addresses the hosts reach each other.
  - Minimises the predicted time of a request with a prompt and an answer, subject to the memory of every host. Among
    plans within 3 % it takes the one of the fewest machines, and then the one that sends the fewest bytes at a start.
    The same input gives the same plan.
  - A model that does not fit is no failure of this module. It returns a plan whose RV(plan.feasible) is false, which
    says in RV(plan.shortfall) what is missing and what would help.
  - Touches no host. Run it once.
options:
  model:
    description: The model, as RV(drover.llama.gguf_info#module:gguf) returned it.
    type: dict
    required: true
  hosts:
    description:
      - One tally for each host, as RV(drover.llama.memory_info#module:tally) returned it. A host whose tally has
        C(exclude) or C(obstacles) is left out.
    type: list
    elements: dict
    required: true
  leader:
    description:
      - The name of the host that must lead.
      - By default the one is elected with which the request takes the least time.
    type: str
  cluster:
    description: The name of the cluster, at most 31 lower-case letters, digits and hyphens that begin with a letter.
    version_added: "0.2.0"
    type: str
    default: main
  choice:
    description:
      - Which build the hosts get, as RV(drover.llama.llama_cpp_choice#module:choice) returned it. It says which devices
        that build drives on each host, and leaves out the hosts that cannot have it.
      - Without it, the devices that every tally holds count.
    version_added: "0.2.0"
    type: dict
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
        in the order given, and the output layer counts as one. A name such as V(box/CUDA0) is of one device that a
        worker lends.
      - It is honoured, or refused with the reason.
    type: dict
  prompt_tokens:
    description: Tokens of prompt in the request that the plan is to be quick at.
    version_added: "0.2.0"
    type: int
    default: 512
  answer_tokens:
    description: Tokens of answer in the request that the plan is to be quick at.
    version_added: "0.2.0"
    type: int
    default: 256
  standby:
    description:
      - How many hosts stand by to lead when the leader dies. They are the ones that could lead best without it.
      - With it, three hosts or more must take part, unless O(members_vote=false).
    version_added: "0.2.0"
    type: int
    default: 0
  members_vote:
    description:
      - Whether one that stands by leads by the word of most hosts. In Kubernetes the API tells who leads, and two
        nodes are enough.
    version_added: "0.2.0"
    type: bool
    default: true
  previous:
    description:
      - The plans that were found on the hosts, as RV(drover.llama.memory_info#module:plan) returned them.
      - The running one is kept when it is for this very model, still fits and is within 5 % of the best.
    type: list
    elements: dict
    default: []
  measured:
    description:
      - What was measured of the cluster's starts, as RV(drover.llama.memory_info#module:measured) returned it on hosts.
        It corrects what is predicted of these hosts, for this very model, build and hardware.
    version_added: "0.2.0"
    type: list
    elements: raw
    default: []
  margin:
    description: Share of the usable memory of each device that the plan leaves free, from 0 to 0.99.
    type: float
    default: 0.05
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
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
"""

RETURN = r"""
running:
  description: The one of O(previous) that RV(plan) takes the place of, null when none of them is a plan of O(cluster).
  returned: success
  type: dict
  version_added: "0.2.0"
  sample: null
places_the_same:
  description:
    - Whether hosts that run RV(running) have nothing to do for RV(plan). Compared are the model's file, the policy, who
      leads, what is on each device, threads and addresses.
  returned: success
  type: bool
  version_added: "0.2.0"
  sample: true
plan:
  description: The plan. All sizes are bytes, all times seconds.
  returned: success
  type: dict
  contains:
    schema:
      description: The version of this document.
      returned: success
      version_added: "0.2.0"
      type: int
      sample: 1
    cluster:
      description: The name of the cluster.
      returned: success
      version_added: "0.2.0"
      type: str
      sample: main
    engine:
      description: The program that serves the model.
      returned: success
      version_added: "0.2.0"
      type: str
      sample: llama.cpp
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
          description: Its name on the leader, V(RPC0), V(RPC1) and so on; of a GPU of its own RV(plan.devices[].id).
          returned: success
          type: str
          sample: RPC0
        id:
          description: Its name on its own host, V(CPU), V(CUDA0), V(Vulkan0) and so on.
          returned: success
          version_added: "0.2.0"
          type: str
          sample: CPU
        kind:
          description: What drives it, V(cpu), V(cuda), V(rocm), V(vulkan) or V(metal).
          returned: success
          version_added: "0.2.0"
          type: str
          sample: cpu
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
        load_bytes_once_cached:
          description: What of them is sent at every start, since workers cache tensors of more than 10 MiB only.
          returned: success
          version_added: "0.2.0"
          type: int
          sample: 143253504
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
        experts_on_cpu:
          description:
            - Of how many of its first blocks the leader's CPU keeps the experts, which are then no part of its
              RV(plan.devices[].weight_bytes).
          returned: success
          version_added: "0.2.0"
          type: int
          sample: 0
        streams:
          description: Whether the leader's CPU may send it, for a prompt, weights that it keeps.
          returned: success
          version_added: "0.2.0"
          type: bool
          sample: false
        overhead_bytes:
          description: What the process takes of a GPU besides, for the driver's context and workspaces.
          returned: success
          version_added: "0.2.0"
          type: int
          sample: 0
        total_bytes:
          description: All of these together.
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
    endpoints:
      description: The RPC servers that take part, in the order in which C(llama-server) is told them.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: dict
      sample: [{"host": "pi-2", "address": "192.168.1.12", "port": 50052, "devices": ["CPU"]}]
    threads:
      description: For each host that takes part, the threads to compute with.
      returned: success
      version_added: "0.2.0"
      type: dict
      sample: {"pi-1": 4, "pi-2": 4}
    addresses:
      description: For each host that takes part, the address and the RPC port that the others reach it by.
      returned: success
      version_added: "0.2.0"
      type: dict
      sample: {"pi-1": {"address": "192.168.1.11", "port": 50052}, "pi-2": {"address": "192.168.1.12", "port": 50052}}
    network:
      description: The network that all hosts share, null when addresses were set that are in none.
      returned: success
      version_added: "0.2.0"
      type: str
      sample: 192.168.1.0/24
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
        request_seconds:
          description: Seconds of the request that the plan was made for, with O(prompt_tokens) and O(answer_tokens).
          returned: success
          version_added: "0.2.0"
          type: float
          sample: 239.2
        load_bytes_over_network:
          description: Weights that are sent to workers when nothing of them is in a tensor cache.
          returned: success
          type: int
          sample: 2748712960
    leaders:
      description: With O(standby), who may lead, in this order, RV(plan.leader) first.
      returned: with O(standby)
      version_added: "0.2.0"
      type: list
      elements: str
      sample: ["pi-1", "pi-3"]
    policy:
      description: What the plan was made for, by the names of the options of this module.
      returned: success
      version_added: "0.2.0"
      type: dict
      sample: {"context_size": 8192, "parallel": 1, "spread": "auto", "leader": null}
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
    shortfall:
      description: Why it does not fit, null when it does.
      returned: success
      version_added: "0.2.0"
      type: dict
      contains:
        kind:
          description:
            - V(memory) or V(disk) when there is too little; V(leader) when no host can lead; V(layer) when a layer is
              too large for a host, or memory is not what would help; V(split) when your split cannot be.
            - V(model) when llama.cpp does not serve such a model; V(build) when the build does not work like this;
              V(standby) when too few hosts could stand by.
          returned: success
          type: str
          sample: memory
        text:
          description: One sentence, with what to do.
          returned: success
          type: str
          sample: "2.4 GiB of memory are missing; what would help: 2.4 GiB more memory on pi-1."
        bytes:
          description: How many bytes are missing, 0 where none are.
          returned: success
          type: int
          sample: 2576980377
    warnings:
      description: What to watch out for, a sentence each.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: str
      sample: []
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
