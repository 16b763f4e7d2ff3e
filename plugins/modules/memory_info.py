#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_info
short_description: Tally what a host can lend to a cluster
version_added: "0.1.0"
description:
  - Returns what a host can lend to a llama.cpp cluster, such as memory, processor, GPUs, disk and network, as one
    document that M(drover.llama.placement) takes as it is.
  - Memory that the cluster's own services hold counts as available, so that a second run sees the same host as the
    first. What other clusters of Drover hold or have planned on the host does not.
  - Swap, zram and huge pages are never counted. Limits of control groups, old and new, are respected.
  - Runs on Linux. For macOS it is written and was not run yet.
options:
  host:
    description:
      - The name of the host in the plan. Without it, the name that the host gives itself.
    type: str
  cluster:
    description:
      - The name of the cluster.
    type: str
    default: main
  exclude:
    description:
      - Whether the host is left out, or why, in words of your own.
      - A boolean, or text. V(false), V(no), V(off), V(0) and an empty text mean that it takes part, V(true), V(yes),
        V(on) and V(1) that it does not, and so does any other text, which the plan then gives as the reason.
    type: raw
    default: ""
  reserve_bytes:
    description:
      - Memory to leave to the host's own work.
      - Without it, and with 0, a tenth of the memory, but at least 192 MiB and at most 4 GiB.
    type: int
  threads:
    description:
      - How many threads the host computes with. Without it, and with 0, the plan chooses.
    type: int
  devices:
    description:
      - The devices that the host lends as a worker, by the names that C(llama-server --list-devices) gives them, and
        V(CPU), in this order. Without it, all GPUs and then the processor.
    type: list
    elements: str
    default: []
    version_added: "0.2.0"
  address:
    description:
      - The IPv4 address that the other hosts should reach this one by. It must be one of the host's own.
      - Without it, the plan chooses a network that all hosts share.
    type: str
  port:
    description:
      - The port of its RPC server.
    type: int
    default: 50052
  disk_path:
    description:
      - The folder that models are going to be put into. The free space of its nearest parent that exists is measured,
        and the GGUF files that are there already are named.
    type: path
    default: /var/lib/drover
  builds_path:
    description:
      - The folder of the builds of llama.cpp that Drover keeps, as of M(drover.llama.llama_cpp_info). The one in force
        is asked for RV(tally.devices).
    type: path
    default: /opt/llama.cpp
    version_added: "0.2.0"
  programs:
    description:
      - Given, llama.cpp is looked for, too, as M(drover.llama.llama_cpp_info) does, in O(builds_path) and where else
        programs are. A host that takes no part is not asked.
    type: dict
    version_added: "0.2.0"
    suboptions:
      use_current:
        description: As O(drover.llama.llama_cpp_info#module:use_current).
        type: bool
        default: true
      package:
        description: As O(drover.llama.llama_cpp_info#module:package).
        type: str
  bandwidth:
    description:
      - Whether to measure how fast the host reads its memory.
      - It takes a fraction of a second, once. The figure is kept in C(/run/drover/bandwidth.json) until the next boot
        or until the processor, its usable cores, its caches or the memory's size change. In check mode it is not kept.
      - A card of NVIDIA's is measured, too, by the library of its driver, while no service of O(cluster) uses it and
        1.3 GB of it are free. That figure is kept in C(/run/drover/UUID.json).
    type: bool
    default: true
  ports:
    description:
      - TCP ports of which to tell who listens on them and who is connected to them, as M(drover.llama.port_info) does.
    type: list
    elements: int
    default: []
  needs:
    description:
      - The packages that the host's part takes. One whose program is not there, on a host without apt, is one of
        RV(tally.obstacles).
    type: list
    elements: str
    choices: [nftables, stunnel4, haproxy, openssl]
    default: [nftables]
    version_added: "0.2.0"
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root. Other users cannot see the addresses and the memory of all processes.
seealso:
  - module: drover.llama.gguf_info
  - module: drover.llama.llama_cpp_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Tally what the host can lend
  drover.llama.memory_info:
  register: stock

- name: Say how much it is
  ansible.builtin.debug:
    msg: "{{ stock.tally.memory.usable_bytes | human_readable }} on {{ stock.tally.cpu.model }}"

- name: Leave 2 GiB to the owner, and use the second network card
  drover.llama.memory_info:
    host: "{{ inventory_hostname }}"
    reserve_bytes: 2147483648
    address: 10.10.0.7
  register: stock

- name: Leave a host out, and say why
  drover.llama.memory_info:
    host: "{{ inventory_hostname }}"
    exclude: on loan to the neighbours
  register: stock

- name: Look for llama.cpp, too
  drover.llama.memory_info:
    host: "{{ inventory_hostname }}"
    programs:
      package: llama.cpp-tools-extra
  register: stock

- name: Look only whether a model will fit on the disk
  drover.llama.memory_info:
    disk_path: /srv/models
    bandwidth: false
  register: stock
"""

RETURN = r"""
tally:
  description: What the host can lend. All sizes are bytes.
  returned: success
  type: dict
  contains:
    schema:
      description: Version of this document.
      returned: success
      type: int
      sample: 1
    host:
      description: O(host), or the name that the host gives itself.
      returned: success
      type: str
      sample: pi-1
    machine:
      description:
        - A digest that two machines do not share, so that one with two names is recognised, or null where the machine
          has no id. The ids and hardware addresses that it is made of cannot be told from it.
      returned: success
      type: str
      sample: 5a0ee1f34c1fbb2c03b77dfb42a0f1b9e6f4cf9ac6f1a5fb3b0f5d5cb1d06c65
    exclude:
      description: Why the host is left out, or an empty text if it takes part.
      returned: success
      type: str
      sample: ""
    obstacles:
      description:
        - Why Drover cannot run on the host at all, one sentence each with what to do about it; empty if it can. No
          systemd, no root, a container without namespaces and a program that it takes and apt cannot bring are such
          obstacles.
      returned: success
      type: list
      elements: str
      sample: []
    architecture:
      description: Architecture of the host.
      returned: success
      type: str
      sample: aarch64
    os:
      description: The operating system, as C(/etc/os-release) names it.
      returned: success
      type: dict
      sample:
        id: debian
        version_id: "13"
    cpu:
      description: The processor.
      returned: success
      type: dict
      contains:
        model:
          description: A name that a person knows.
          returned: success
          type: str
          sample: Raspberry Pi 5 Model B Rev 1.0 (Cortex-A76)
        cores:
          description: Threads that services may use, within the quota of their control group.
          returned: success
          type: int
          sample: 4
        physical_cores:
          description: Cores without SMT siblings.
          returned: success
          type: int
          sample: 4
        fast_cores:
          description: Those of them of the fastest class, where the processor has fast and slow ones, else all.
          returned: success
          type: int
          sample: 4
        isa:
          description:
            - Instruction sets of interest that every core has. Of V(sse3), V(ssse3), V(avx), V(avx2), V(fma), V(f16c),
              V(avx_vnni), V(avx512f), V(avx512_vnni), V(avx512_bf16) and V(amx_int8) on x86; of V(neon), V(dotprod),
              V(fp16), V(i8mm), V(sve) and V(bf16) on ARM.
          returned: success
          type: list
          elements: str
          sample:
            - neon
            - dotprod
            - fp16
    memory:
      description: The memory.
      returned: success
      type: dict
      contains:
        total_bytes:
          description: Memory of the host.
          returned: success
          type: int
          sample: 8454160384
        available_bytes:
          description: Memory that is free or that the kernel can take back, RV(tally.memory.arc_bytes) among it.
          returned: success
          type: int
          sample: 5873434624
        arc_bytes:
          description: What ZFS gives back of its cache when memory is needed.
          returned: success
          type: int
          sample: 0
        limit_bytes:
          description: The control group limit on services that leaves the least room, or null without one.
          returned: success
          type: int
          sample:
        limit_used_bytes:
          description: What the processes within that limit hold and the kernel cannot take back, or null without one.
          returned: success
          type: int
          sample:
        held_bytes:
          description: Anonymous and shared memory that the services of O(cluster) hold now.
          returned: success
          type: int
          sample: 2147483648
        others_bytes:
          description: What other clusters have planned on the host and do not hold yet. It is not lent a second time.
          returned: success
          type: int
          sample: 0
        huge_pages_bytes:
          description: Memory set aside for huge pages, which is never lent.
          returned: success
          type: int
          sample: 0
        reserve_bytes:
          description: Memory left to the host's own work.
          returned: success
          type: int
          sample: 845416038
        usable_bytes:
          description:
            - What the host can lend, RV(tally.memory.available_bytes) plus RV(tally.memory.held_bytes), or what the
              limit leaves when others' use is taken off it if that is less, minus RV(tally.memory.others_bytes) and
              RV(tally.memory.reserve_bytes).
          returned: success
          type: int
          sample: 7175502234
    bandwidth_bytes_per_second:
      description: Bytes of memory that all cores together read in a second, or null when it was not measured.
      returned: success
      type: int
      sample: 11811160064
    gpus:
      description: The GPUs, whatever drives them.
      returned: success
      type: list
      elements: dict
      contains:
        id:
          description: The driver's own name for it, a UUID or its place on the PCI bus.
          returned: success
          version_added: "0.2.0"
          type: str
          sample: GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b
        name:
          description: Name of the GPU.
          returned: success
          type: str
          sample: NVIDIA GeForce RTX 3060
        kind:
          description: Which of llama.cpp's backends drives it best, V(cuda), V(rocm), V(vulkan) or V(metal).
          returned: success
          type: str
          sample: cuda
        unified:
          description: Whether its memory is the host's own, which is then to be counted once.
          returned: success
          type: bool
          sample: false
        compute_capability:
          description: What CUDA calls its generation, or null.
          returned: success
          version_added: "0.2.0"
          type: str
          sample: "8.6"
        nodes:
          description: The files of C(/dev) that a program needs to use it, each with the group that may, or null.
          returned: success
          version_added: "0.2.0"
          type: list
          elements: dict
          sample: [{"path": "/dev/nvidia0", "group": null}]
        total_bytes:
          description: Its memory.
          returned: success
          type: int
          sample: 12884901888
        held_bytes:
          description: What the services of O(cluster) hold of it now.
          returned: success
          type: int
          sample: 0
        usable_bytes:
          description:
            - Its free memory and what the services of O(cluster) hold. When it is unified, how much of
              RV(tally.memory.usable_bytes) it can take.
          returned: success
          type: int
          sample: 12582912000
        bandwidth_bytes_per_second:
          description:
            - Bytes a second of a copy within its memory, read and written, or null when that was not measured,
              as on all but NVIDIA's with memory of their own.
          returned: success
          version_added: "0.2.0"
          type: int
          sample: 331000000000
    gpu_problem:
      description: Why a GPU that must be there is not among RV(tally.gpus), and what to do; null where all is well.
      returned: success
      version_added: "0.2.0"
      type: str
      sample: null
    passed_over:
      description:
        - What that build lists besides RV(tally.devices), and no layers are put on. C(gpu) is one of RV(tally.gpus), or
          null, and C(reason) a sentence, or null for a second way to a card that is among the devices.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: dict
      sample: [{"id": "Vulkan0", "kind": "vulkan", "gpu": "GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b", "reason": null}]
    devices:
      description:
        - What layers can be put on with the build of llama.cpp that is installed on the host. The processor is the
          first; GPUs follow if the build drives them.
      returned: success
      type: list
      elements: dict
      contains:
        id:
          description: Its name in that build, V(CPU), V(CUDA0), V(Vulkan1) and so on.
          returned: success
          type: str
          sample: CPU
        kind:
          description: What drives it, V(cpu), V(cuda), V(rocm), V(vulkan) or V(metal).
          returned: success
          type: str
          sample: cpu
        name:
          description: Its model.
          returned: success
          type: str
          sample: Raspberry Pi 5 Model B Rev 1.0 (Cortex-A76)
        gpu:
          description: RV(tally.gpus[].id) of a GPU, or null.
          returned: success
          version_added: "0.2.0"
          type: str
          sample:
        unified:
          description: Whether a GPU works with the memory of the processor, which is then to be counted once.
          returned: success
          type: bool
          sample: false
        total_bytes:
          description: Its memory.
          returned: success
          type: int
          sample: 8454160384
        usable_bytes:
          description: What of it can be used.
          returned: success
          type: int
          sample: 7175502234
        overhead_bytes:
          description: What a process takes of that beside the model, for the context and workspaces of a GPU.
          returned: success
          version_added: "0.2.0"
          type: int
          sample: 0
        bandwidth_bytes_per_second:
          description: Bytes of its memory that it reads in a second, or null when that was not measured.
          returned: success
          type: float
          sample: 11811160064
    disk:
      description: The disk.
      returned: success
      type: dict
      contains:
        path:
          description: The value of O(disk_path).
          returned: success
          type: str
          sample: /var/lib/drover
        free_bytes:
          description: Free space there.
          returned: success
          type: int
          sample: 48318382080
        models:
          description: The GGUF files there, and the bytes of each.
          returned: success
          type: dict
          sample:
            model-Q4_K_M.gguf: 4920739232
    network:
      description: The network.
      returned: success
      type: dict
      contains:
        address:
          description: O(address), or null without it.
          returned: success
          type: str
          sample:
        addresses:
          description: The IPv4 addresses of the host. Those of interfaces without a cable are left out.
          returned: success
          type: list
          elements: dict
          contains:
            address:
              description: The address.
              returned: success
              type: str
              sample: 192.168.1.21
            prefix:
              description: How many bits of it name the network.
              returned: success
              type: int
              sample: 24
            network:
              description: The network that is reached directly from it.
              returned: success
              type: str
              sample: 192.168.1.0/24
            interface:
              description: Its interface.
              returned: success
              type: str
              sample: eth0
            kind:
              description: V(ethernet), V(wireless), V(virtual), V(tunnel), V(bridge) without a card, or V(loopback).
              returned: success
              type: str
              sample: ethernet
            speed_mbps:
              description: Speed in Mbit/s as a card says, or null. What has no card has none.
              returned: success
              type: int
              sample: 1000
            mtu:
              description: Largest packet, or null when it cannot be told.
              returned: success
              type: int
              sample: 1500
            private:
              description: Whether the Internet cannot reach the address.
              returned: success
              type: bool
              sample: true
        arrived_at:
          description: The address that Ansible's SSH connection arrives at, or null.
          returned: success
          type: str
          sample: 192.168.1.21
        default_interface:
          description: The interface of the default route, or null.
          returned: success
          type: str
          sample: eth0
    threads:
      description: O(threads), or null when the plan is to choose.
      returned: success
      type: int
      sample:
    lend:
      description: O(devices).
      returned: success
      version_added: "0.2.0"
      type: list
      elements: str
      sample: []
    port:
      description: O(port).
      returned: success
      type: int
      sample: 50052
plan:
  description: The plan of O(cluster) that the host leads now, or null when it leads none.
  returned: success
  type: dict
  sample:
    leader: old-server
    mode: rpc
deployment:
  description: What the host runs for O(cluster) now, or null when it runs nothing.
  returned: success
  type: dict
  sample:
    cluster: main
    part: worker
runs:
  description:
    - Whether the service of RV(deployment) runs, and was started after that, its units and the files that it needs were
      written. A run of a playbook that was broken off may have written them and not restarted it.
  returned: success
  type: bool
  sample: true
complete:
  description:
    - Whether the service of RV(deployment) starts after a boot, and what Drover adds to its unit is there, such as the
      memory that it may take at most by RV(tally.memory); whether a leader has its key, which root may change and the
      service may read, and nobody else; and whether what heals it, if anything does, answers.
  returned: success
  type: bool
  sample: true
listeners:
  description: Who listens on O(ports), as RV(drover.llama.port_info#module:listeners).
  returned: success
  type: list
  elements: dict
  sample: []
connections:
  description: Who is connected to O(ports), as RV(drover.llama.port_info#module:connections).
  returned: success
  type: list
  elements: dict
  sample: []
members:
  description:
    - Of a leader of a cluster that heals itself, a digest of what it needs to plan anew, to be compared with
      C(lasting) of RV(drover.llama.deployment#module:members). Null elsewhere.
  returned: success
  type: str
  sample: 0b5fd2e1a7c94f3d
  version_added: "0.2.0"
secret:
  description:
    - A digest of the secret that this host has of a cluster that heals itself, by which hosts are known to have the
      same. Null where there is none, or one that is damaged.
  returned: success
  type: str
  sample: 7d1c50be92a4
  version_added: "0.2.0"
turn:
  description:
    - Whose turn it is to change O(cluster) on this host, or was last since its boot, see M(drover.llama.turn).
      Null where it was nobody's.
  returned: success
  type: dict
  contains:
    run:
      description: The run of a playbook.
      type: str
      returned: success
    who:
      description: Who has started it, and where.
      type: str
      returned: success
  version_added: "0.2.0"
measured:
  description:
    - What starts of O(cluster) that this host has led have shown, as RV(drover.llama.measured_info#module:measured)
      returned it, or null. It is not checked here.
  returned: success
  type: raw
  version_added: "0.2.0"
  sample: null
received_bytes:
  description: What has come over the connections in RV(connections), or null where the kernel does not tell.
  returned: success
  version_added: "0.2.0"
  type: int
  sample: 151388160
programs:
  description: Given O(programs), what there is of llama.cpp. Null without, and of a host that takes no part.
  returned: success
  version_added: "0.2.0"
  type: dict
  contains:
    llama_cpp:
      description: As RV(drover.llama.llama_cpp_info#module:llama_cpp).
      returned: success
      type: dict
    platform:
      description: As RV(drover.llama.llama_cpp_info#module:platform).
      returned: success
      type: dict
weights:
  description: How the tensor cache of RV(deployment) stands, or null where weights were never placed.
  returned: success
  version_added: "0.2.0"
  type: dict
  contains:
    spread:
      description: On how many workers each tensor was to be when it was last filled.
      returned: success
      type: int
      sample: 1
    lacking_bytes:
      description: What of that is missing and has room.
      returned: success
      type: int
      sample: 0
standby:
  description:
    - Of a host that stands by to lead O(cluster), the C(deployment) by which it would do so, if its service runs by it,
      C(members) (a digest, as RV(members)), whether it is C(complete) and C(leads) now, and the C(plan) by which it
      does. Null on any other.
  returned: success
  version_added: "0.2.0"
  type: dict
  sample:
installed:
  description:
    - A digest of what the role C(host) has put on here for O(cluster), to be compared with that of
      RV(drover.llama.runtime_archive#module:runtime.digest). Null when anything of it is missing.
  returned: success
  type: str
  sample: 6f1ed002ab559585f3c1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.builds.find import find_llama_cpp
from ansible_collections.drover.llama.plugins.module_utils.builds.platform import read_platform
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.deployments import read_deployments
from ansible_collections.drover.llama.plugins.module_utils.hosts.listener import find_connections, find_listeners
from ansible_collections.drover.llama.plugins.module_utils.hosts.obstacles import NEEDS
from ansible_collections.drover.llama.plugins.module_utils.hosts.received import received_bytes
from ansible_collections.drover.llama.plugins.module_utils.hosts.tally import (
    BUILDS_PATH,
    CLUSTER,
    DISK_PATH,
    PORT,
    take_tally,
)
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.placement.running import running_plan
from ansible_collections.drover.llama.plugins.module_utils.runtime.decisions import decision, in_force, read_document
from ansible_collections.drover.llama.plugins.module_utils.runtime.found_standby import found_standby
from ansible_collections.drover.llama.plugins.module_utils.runtime.installed import installed_digest
from ansible_collections.drover.llama.plugins.module_utils.runtime.running import complete, runs
from ansible_collections.drover.llama.plugins.module_utils.runtime.secret import secret_digest
from ansible_collections.drover.llama.plugins.module_utils.runtime.turns import kept_turn
from ansible_collections.drover.llama.plugins.module_utils.serving.cluster import Cluster
from ansible_collections.drover.llama.plugins.module_utils.serving.tunnel import reached_at
from ansible_collections.drover.llama.plugins.module_utils.weights.standing import standing


def main():
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str"},
            "cluster": {"type": "str", "default": CLUSTER},
            "exclude": {"type": "raw", "default": ""},
            "reserve_bytes": {"type": "int"},
            "threads": {"type": "int"},
            "devices": {"type": "list", "elements": "str", "default": []},
            "address": {"type": "str"},
            "port": {"type": "int", "default": PORT},
            "disk_path": {"type": "path", "default": DISK_PATH},
            "builds_path": {"type": "path", "default": BUILDS_PATH},
            "programs": {
                "type": "dict",
                "options": {"use_current": {"type": "bool", "default": True}, "package": {"type": "str"}},
            },
            "bandwidth": {"type": "bool", "default": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "needs": {"type": "list", "elements": "str", "choices": list(NEEDS), "default": ["nftables"]},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    cluster = wanted["cluster"]
    try:
        tally = take_tally(
            Tree(),
            host=wanted["host"],
            cluster=cluster,
            exclude=wanted["exclude"],
            # A setting that is passed on without being set is 0 or empty.
            reserve_bytes=wanted["reserve_bytes"] or None,
            threads=wanted["threads"] or None,
            lend=wanted["devices"],
            address=wanted["address"] or None,
            port=wanted["port"],
            disk_path=wanted["disk_path"],
            builds_path=wanted["builds_path"],
            measure=wanted["bandwidth"],
            may_write=not module.check_mode,
            needs=wanted["needs"],
        )
        takes_part = not (tally["exclude"] or tally["obstacles"])
        deployment = read_deployments(Tree()).get(cluster)
        # What a cluster that heals itself has decided since it was deployed is what runs.
        decided = decision(Cluster(cluster)) if deployment else None
        if deployment:
            deployment = in_force(Cluster(cluster), deployment)
        members = read_document(Cluster(cluster).members_path)
        found = {
            "tally": tally,
            "plan": (decided or {}).get("plan") or running_plan(cluster),
            "turn": kept_turn(Tree(), Cluster(cluster)),
            "secret": secret_digest(Cluster(cluster)),
            "members": members.get("lasting") if isinstance(members, dict) else None,
            "measured": read_document(Cluster(cluster).measured_path),
            "deployment": deployment,
            "runs": runs(Tree(), Cluster(cluster), deployment),
            "complete": complete(Tree(), Cluster(cluster), deployment, tally["memory"]),
            "listeners": find_listeners(Tree(), wanted["ports"]),
            "connections": find_connections(Tree(), wanted["ports"]),
            # What has come through the tunnel is handed over by one more connection, within this machine.
            "received_bytes": received_bytes(wanted["ports"], reached_at(deployment or {})),
            "weights": standing(Cluster(cluster), deployment),
            "installed": installed_digest(Tree(), Cluster(cluster)),
            "standby": found_standby(Tree(), cluster, tally["memory"]),
            "programs": programs(wanted, not module.check_mode) if wanted["programs"] and takes_part else None,
        }
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


def programs(wanted, may_write):
    """What there is of llama.cpp, by the options of the module."""
    asked = wanted["programs"]
    return {
        "llama_cpp": find_llama_cpp(
            builds_path=wanted["builds_path"], use_current=asked["use_current"], may_write=may_write
        ),
        "platform": read_platform(Tree(), asked["package"]),
    }


if __name__ == "__main__":
    main()
