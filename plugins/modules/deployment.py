# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment
short_description: Say what every host runs by a plan
version_added: "0.2.0"
description:
  - Turns a plan into one deployment for each host, which names the program to run there with all of its arguments, the
    address to listen on, who may connect, and the files that must be there.
  - Arguments are written for the build of llama.cpp that the host has. A flag that it lacks is translated, or refused
    by name.
  - Given O(lend_to) in place of a plan, it makes the deployment of a single RPC server.
  - Touches no host. Run it once.
options:
  plan:
    description: The plan, as RV(drover.llama.placement#module:plan) returned it.
    type: dict
  tallies:
    description: One tally for each host, as RV(drover.llama.memory_info#module:tally) returned it.
    type: list
    elements: dict
    default: []
  model:
    description: The model on the leader. Needed with O(plan).
    type: dict
    suboptions:
      path:
        description: The file to serve, the first one of a model in several files.
        type: str
        required: true
      alias:
        description: The name under which the API offers it.
        type: str
        required: true
      files:
        description: All of its files, each with its C(path) and C(bytes).
        type: list
        elements: dict
        required: true
  lend_to:
    description:
      - In place of O(plan), the name of the cluster that the one host in O(tallies) lends its memory to, for a leader
        that no plan knows. Its address, port and threads are those of its tally.
    type: str
  choice:
    description:
      - What RV(drover.llama.llama_cpp_choice#module:choice) returned, if O(plan) was made by it.
      - The devices of the plan are those of the build that it chose. Once O(programs) says what there is, they are held
        against that.
    type: dict
    version_added: "0.2.0"
  gguf:
    description:
      - The model as RV(drover.llama.gguf_info#module:gguf) has it. Needed for a cluster that is to heal itself, whose
        leader plans with it.
    type: dict
    version_added: "0.2.0"
  model_host:
    description: The host that has the model's file elsewhere, as O(drover.llama.placement#module:model_host).
    type: str
    version_added: "0.2.0"
  standby_models:
    description:
      - Of each host that stands by in O(plan), the model there, as O(model) has it. Needed for a plan with standbys, of
        which O(settings_of_hosts) also has what is wished of a leader.
    type: dict
    default: {}
    version_added: "0.2.0"
  gateways:
    description:
      - What RV(drover.llama.memory_info#module:tally) returned on each host through which clients come. The leader's
        API then lets in nobody else, but for those that its owner names.
    type: list
    elements: dict
    default: []
    version_added: "0.2.0"
  programs:
    description:
      - By host, what RV(drover.llama.llama_cpp_info#module:llama_cpp) returned there.
      - For a host without it, programs are called by their names, and flags are those of the newest llama.cpp.
    type: dict
    default: {}
  found:
    description:
      - What was found on hosts, to tell RV(due). Without it, and without O(collection_path), all are.
      - A port that a host is to listen on and another program holds there is refused.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The name of the host.
        type: str
        required: true
      installed:
        description: What M(drover.llama.memory_info) returned as RV(drover.llama.memory_info#module:installed).
        type: str
      deployment:
        description:
          - The RV(drover.llama.memory_info#module:deployment) there, if its service runs by it, as
            RV(drover.llama.memory_info#module:runs) tells; otherwise nothing.
        type: dict
      complete:
        description: The RV(drover.llama.memory_info#module:complete) there.
        type: bool
        default: false
      listeners:
        description: The RV(drover.llama.memory_info#module:listeners) there, also of the ports that it is to listen on.
        type: list
        elements: dict
        default: []
      plan:
        description: The RV(drover.llama.memory_info#module:plan) there.
        type: dict
      members:
        description: The RV(drover.llama.memory_info#module:members) there.
        type: str
      secret:
        description: The RV(drover.llama.memory_info#module:secret) there.
        type: str
      weights:
        description: The RV(drover.llama.memory_info#module:weights) there.
        type: dict
      standby:
        description: The RV(drover.llama.memory_info#module:standby) there.
        type: dict
  spread:
    description:
      - On how many workers each tensor is to be, see M(drover.llama.tensor_cache_plan). Those in O(found) whose tensor
        cache lacks any are due. 0 where none are placed.
    type: int
    default: 0
  collection_path:
    description:
      - The folder of the collection that installs Drover on hosts. Those in O(found) with anything else are due.
      - Its runtime is packed for that, as M(drover.llama.runtime_archive) does.
    type: path
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
  - drover.llama.settings_of_hosts
seealso:
  - module: drover.llama.placement
  - module: drover.llama.runtime_archive
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Say what every host runs
  drover.llama.deployment:
    plan: "{{ placement.plan }}"
    tallies: "{{ ansible_play_hosts | map('extract', hostvars, 'tally') }}"
    programs: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'llama_cpp'))) }}"
    model:
      path: /var/lib/drover/models/llama.gguf
      alias: Llama 3.1 8B
      files:
        - path: /var/lib/drover/models/llama.gguf
          bytes: 4920739232
    settings_of_hosts:
      - host: pi-2
        rpc_server_cache: false
  register: deployed
  run_once: true

- name: Write down what this host runs
  ansible.builtin.copy:
    content: "{{ deployed.deployments[inventory_hostname] | to_nice_json }}"
    dest: /etc/drover/main/deployment.json
    mode: "0644"

- name: Have a single RPC server for a leader of your own
  drover.llama.deployment:
    lend_to: main
    tallies:
      - "{{ tally }}"
    settings_of_hosts:
      - host: pi-2
        rpc_server_allowed_addresses: [192.168.1.20]
  register: deployed
"""

RETURN = r"""
deployments:
  description: What runs, by host.
  returned: success
  type: dict
  sample:
    pi-2:
      schema: 1
      cluster: main
      host: pi-2
      part: worker
      build:
        version: 0.7.0
        build: 11669
        rpc_protocol: 8.0.0
      program: /usr/libexec/aarch64-linux-gnu/llama/bin/ggml-rpc-server
      arguments: ["--host", "192.168.1.21", "--port", "50052", "--threads", "4", "--cache"]
      environment:
        LLAMA_CACHE: /var/cache/drover
      listen:
        address: 192.168.1.21
        port: 50052
      allow: ["192.168.1.20"]
      files: []
      memory_bytes: 3321759744
      cache:
        directory: /var/cache/drover/rpc
        days: 30
members:
  description:
    - All that the leader needs to plan anew by itself, with C(lasting), a digest of what is not measured every time.
    - Empty for a cluster that does not heal itself, and without O(gguf).
  returned: success
  type: dict
  sample: {}
  version_added: "0.2.0"
standbys:
  description:
    - By host that stands by, the C(deployment) by which it would lead, the C(members) with which it then plans, and
      whether these are C(due), since what was found there by O(found) is another, and not just measured anew.
  returned: success
  type: dict
  sample: {}
  version_added: "0.2.0"
leaders:
  description: What the leader runs, and what would run on each host that stands by, by host.
  returned: success
  type: dict
  sample: {}
  version_added: "0.2.0"
due:
  description:
    - The hosts on which something is to be written, started or stopped before all run what RV(deployments) say, by
      O(found). A host that leads no longer is one of them.
  returned: success
  type: list
  elements: str
  sample:
    - pi-2
"""
