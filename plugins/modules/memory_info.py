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
  - Returns what a host can lend to a llama.cpp cluster, such as memory, processor, GPUs, disk and network.
  - Memory that Drover's own services hold counts as available, so that a second run sees the same host as the first.
  - Swap, zram and huge pages are never counted. Limits of control groups, old and new, are respected.
  - Runs on Linux. For macOS it is written and was not run yet.
options:
  reserve_bytes:
    description:
      - Memory to leave to the host's own work.
      - Without it, a tenth of the memory, but at least 192 MiB and at most 4 GiB.
    type: int
  address:
    description:
      - The IPv4 address that the other hosts should reach this one by. It must be one of the host's own.
      - Without it, the private address that Ansible's SSH connection arrives at; then that of the default route; then
        any other. Private addresses come before public ones.
    type: str
  disk_path:
    description:
      - Where files are going to be put. The free space of its nearest parent that exists is measured.
    type: path
    default: /var/lib/drover
  bandwidth:
    description:
      - Whether to measure how fast the host reads its memory.
      - It takes about 0.1 seconds once. The figure is kept in C(/run/drover/bandwidth.json) until the next boot, or
        until the processor, its usable cores or the memory's size change. In check mode it is not kept.
    type: bool
    default: true
  units:
    description:
      - The systemd units whose memory counts as available.
    type: list
    elements: str
    default:
      - drover-rpc.service
      - drover-server.service
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root. Other users cannot see the addresses and the memory of all processes.
seealso:
  - module: drover.llama.gguf_info
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
    reserve_bytes: 2147483648
    address: 10.10.0.7
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
    host:
      description: Name that the host gives itself.
      returned: success
      type: str
      sample: pi-1
    address:
      description: The address that the other hosts should reach this one by, or null when it has none.
      returned: success
      type: str
      sample: 192.168.1.21
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
          description: Memory that is free or that the kernel can take back.
          returned: success
          type: int
          sample: 5873434624
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
          description: Anonymous and shared memory that O(units) hold now.
          returned: success
          type: int
          sample: 2147483648
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
              limit leaves when others' use is taken off it if that is less, minus RV(tally.memory.reserve_bytes).
          returned: success
          type: int
          sample: 7175502234
    bandwidth_bytes_per_second:
      description: Bytes of memory that all cores together read in a second, or null when it was not measured.
      returned: success
      type: int
      sample: 11811160064
    gpus:
      description: The GPUs.
      returned: success
      type: list
      elements: dict
      contains:
        name:
          description: Name of the GPU.
          returned: success
          type: str
          sample: NVIDIA GeForce RTX 3060
        kind:
          description: Which of llama.cpp's backends drives it, V(cuda), V(rocm) or V(metal).
          returned: success
          type: str
          sample: cuda
        unified:
          description: Whether its memory is the host's own, which is then to be counted once.
          returned: success
          type: bool
          sample: false
        total_bytes:
          description: Its memory.
          returned: success
          type: int
          sample: 12884901888
        held_bytes:
          description: What O(units) hold of it now.
          returned: success
          type: int
          sample: 0
        usable_bytes:
          description: Its free memory and what O(units) hold.
          returned: success
          type: int
          sample: 12582912000
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
    network:
      description: The network card behind RV(tally.address).
      returned: success
      type: dict
      contains:
        address:
          description: The same as RV(tally.address).
          returned: success
          type: str
          sample: 192.168.1.21
        interface:
          description: Name of the interface, or null without one.
          returned: success
          type: str
          sample: eth0
        speed_mbps:
          description: Speed of the link in Mbit/s, or null when the card does not tell.
          returned: success
          type: int
          sample: 1000
        mtu:
          description: Largest packet, or null without an interface.
          returned: success
          type: int
          sample: 1500
        private:
          description: Whether the Internet cannot reach the address.
          returned: success
          type: bool
          sample: true
plan:
  description: The plan that the host leads now, from C(/etc/drover/plan.json), or null when it leads none.
  returned: success
  type: dict
  sample:
    leader: old-server
    mode: rpc
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.tally import DISK_PATH, UNITS, take_tally
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.placement.running import running_plan


def main():
    module = AnsibleModule(
        argument_spec={
            "reserve_bytes": {"type": "int"},
            "address": {"type": "str"},
            "disk_path": {"type": "path", "default": DISK_PATH},
            "bandwidth": {"type": "bool", "default": True},
            "units": {"type": "list", "elements": "str", "default": list(UNITS)},
        },
        supports_check_mode=True,
    )
    try:
        tally = take_tally(
            Tree(),
            units=module.params["units"],
            reserve_bytes=module.params["reserve_bytes"],
            address=module.params["address"],
            disk_path=module.params["disk_path"],
            measure=module.params["bandwidth"],
            may_write=not module.check_mode,
        )
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, tally=tally, plan=running_plan())


if __name__ == "__main__":
    main()
