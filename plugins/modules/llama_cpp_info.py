#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_cpp_info
short_description: Find llama.cpp on a host
version_added: "0.1.0"
description:
  - Finds C(llama-server) and llama.cpp's RPC server (C(ggml-rpc-server), before 2026 C(rpc-server)) wherever a package,
    a source build or a person put them, and returns their version, build and RPC protocol.
  - Returns RV(llama_cpp.found=false) when one of them is not there, and RV(llama_cpp.problem) when one is there and
    does not run on this host.
  - Returns also what decides which programs run on the host, and which it can get or compile.
options:
  prefix:
    description:
      - A folder to look into first, itself and its C(bin) and C(build/bin). Then come the build in force in
        O(builds_path), C(PATH) and the folders of distributions.
    type: path
  builds_path:
    description:
      - The folder where builds are kept, one folder each, and a link C(current) to the one in force.
      - The programs of that one are returned with the path of its own folder, never through the link.
    type: path
    version_added: "0.2.0"
  use_current:
    description: Whether programs are looked for in the build in force. Otherwise builds are only listed.
    type: bool
    default: true
    version_added: "0.2.0"
  package:
    description:
      - A package to ask the host's package manager for, by name. The lists of packages are not fetched for that.
    type: str
    version_added: "0.2.0"
  probe_rpc:
    description:
      - Whether to start the RPC server for a moment, on a free port of the loopback address, and to ask it for its
        protocol. It takes some hundredths of a second.
    type: bool
    default: true
notes:
  - The flags of the programs are kept in C(/run/drover/programs.json) until the next boot, or until the programs
    change, since asking for them takes time. In check mode they are not kept.
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.rpc_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Look for llama.cpp
  drover.llama.llama_cpp_info:
  register: binaries

- name: Say which it is
  ansible.builtin.debug:
    msg: "Build {{ binaries.llama_cpp.build }}, RPC protocol {{ binaries.llama_cpp.rpc_protocol }}"
  when: binaries.llama_cpp.found

- name: Ask for one certain build, and start nothing
  drover.llama.llama_cpp_info:
    prefix: /opt/llama.cpp/b11669-3f2a9c1e
    probe_rpc: false
  register: binaries

- name: See which builds are there, and what else the host could get
  drover.llama.llama_cpp_info:
    builds_path: /opt/llama.cpp
    package: llama.cpp-tools-extra
  register: survey

- name: Say why an archive for Ubuntu 24.04 is of no use
  ansible.builtin.debug:
    msg: "{{ survey.platform.distribution.name }} has glibc {{ survey.platform.glibc }}"
  when: survey.platform.glibc is version('2.38', '<')
"""

RETURN = r"""
llama_cpp:
  description: What was found.
  returned: success
  type: dict
  contains:
    found:
      description: Whether both programs are there.
      returned: success
      type: bool
      sample: true
    server:
      description: Path of C(llama-server), or null.
      returned: success
      type: str
      sample: /usr/bin/llama-server
    rpc_server:
      description: Path of the RPC server, or null.
      returned: success
      type: str
      sample: /usr/libexec/x86_64-linux-gnu/llama/bin/ggml-rpc-server
    version:
      description: Version of C(llama-server), or null for builds from before llama.cpp had versions.
      returned: success
      type: str
      sample: 0.7.0
    build:
      description: Build number of C(llama-server), or null.
      returned: success
      type: int
      sample: 11669
    commit:
      description: Commit that C(llama-server) was built from, or what its packager put there, or null.
      returned: success
      type: str
      sample: Debian
    rpc_protocol:
      description: Version of the RPC protocol, or null when it was not asked for.
      returned: success
      type: str
      sample: 8.0.0
    backends:
      description: Backends that the RPC server loads; empty when it was not asked or has them built in.
      returned: success
      type: list
      elements: str
      sample:
        - RPC
        - CPU
    devices:
      description:
        - What C(llama-server) offers to compute on besides the CPU, as its C(--list-devices) says; empty when there is
          nothing, or it does not say.
      returned: success
      type: list
      elements: dict
      version_added: "0.2.0"
      contains:
        name:
          description: What C(--device) calls it.
          returned: success
          type: str
          sample: Vulkan0
        description:
          description: What its driver calls it.
          returned: success
          type: str
          sample: AMD Radeon 780M (RADV PHOENIX)
        unified:
          description: Whether it works with the memory of the host, null when that was not told.
          returned: success
          type: bool
          sample: true
        total_bytes:
          description: Its memory.
          returned: success
          type: int
          sample: 17179869184
        free_bytes:
          description: What is free of it now.
          returned: success
          type: int
          sample: 16106127360
    server_flags:
      description: The long flags that C(llama-server --help) names, sorted; empty when it does not say.
      returned: success
      type: list
      elements: str
      sample:
        - --fit
        - --rpc
      version_added: "0.2.0"
    rpc_server_flags:
      description: The long flags that the RPC server's C(--help) names, sorted; empty when it does not say.
      returned: success
      type: list
      elements: str
      sample:
        - --cache
        - --threads
      version_added: "0.2.0"
    problem:
      description: Why a program that is there does not run, and what to do, in one sentence, or null.
      returned: success
      type: str
      sample:
    builds:
      description: Names of the builds in O(builds_path), sorted; empty without it.
      returned: success
      type: list
      elements: str
      sample:
        - b11402-9b01d7e4
        - b11669-3f2a9c1e
      version_added: "0.2.0"
    current:
      description: The one of RV(llama_cpp.builds) that is in force, or null.
      returned: success
      type: str
      sample: b11669-3f2a9c1e
      version_added: "0.2.0"
    build_backends:
      description: For each of RV(llama_cpp.builds), the backends that it has by its libraries.
      returned: success
      type: dict
      sample:
        b11402-9b01d7e4: [CPU]
        b11669-3f2a9c1e: [CPU, Vulkan]
      version_added: "0.2.0"
    build_devices:
      description:
        - For each of RV(llama_cpp.builds) with backends for GPUs that was put there since the one in force was, the
          devices that it lists.
      returned: success
      type: dict
      sample: {}
      version_added: "0.2.0"
    package_backends:
      description: The backends whose libraries the distribution's packages have put there, whether or not they load.
      returned: success
      type: list
      elements: str
      sample: [CPU, Vulkan]
      version_added: "0.2.0"
    prints:
      description:
        - By which the programs and ggml's libraries are known again, by path. One that was replaced by another has
          another print.
      returned: success
      type: dict
      version_added: "0.2.0"
      sample:
        /usr/libexec/x86_64-linux-gnu/llama/bin/ggml-rpc-server: 3f2a9c1e0b7d4e5f8a6c9d0e1f2a3b4c
platform:
  description: What decides which programs run on the host, and which it can get or compile.
  returned: success
  type: dict
  version_added: "0.2.0"
  contains:
    architecture:
      description: Architecture of the host's programs. A kernel of 64 bits may run programs of 32.
      returned: success
      type: str
      sample: aarch64
    system:
      description: The operating system, V(linux) or V(darwin).
      returned: success
      type: str
      sample: linux
    distribution:
      description:
        - The distribution by os-release(5), with C(id), C(version), C(codename), C(like) (what it descends from) and
          C(name). C(version) and C(codename) are empty where it has none.
      returned: success
      type: dict
      sample:
        id: debian
        version: "12"
        codename: bookworm
        like: []
        name: Debian GNU/Linux 12 (bookworm)
    glibc:
      description: Version of the C library, or null when it is another than glibc.
      returned: success
      type: str
      sample: "2.36"
    libstdcxx:
      description: Highest version of GLIBCXX that the host's libstdc++ defines, or null when there is none.
      returned: success
      type: str
      sample: 3.4.30
    cpu_isa:
      description: Instruction sets of interest, as M(drover.llama.memory_info) names them.
      returned: success
      type: list
      elements: str
      sample:
        - neon
        - dotprod
        - fp16
    cpu_model:
      description: The processor by a name that a person knows.
      returned: success
      type: str
      sample: Raspberry Pi 5 Model B Rev 1.0 (Cortex-A76)
    cores:
      description: Threads that services may use.
      returned: success
      type: int
      sample: 4
    gpus:
      description: The kinds of its GPUs, each once, as M(drover.llama.memory_info) has them.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: str
      sample: [cuda]
    gpu_problem:
      description: As RV(drover.llama.memory_info#module:tally.gpu_problem).
      returned: success
      version_added: "0.2.0"
      type: str
      sample: null
    vulkan_driver:
      description: Whether a driver of Vulkan is installed.
      returned: success
      version_added: "0.2.0"
      type: bool
      sample: true
    hip_driver:
      description: Whether the kernel's part of AMD's ROCm is there, and the libraries of its runtime.
      returned: success
      version_added: "0.2.0"
      type: bool
      sample: false
    compute_capabilities:
      description: What CUDA calls the generations of its NVIDIA cards, each once.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: str
      sample: ["8.6"]
    memory_bytes:
      description: Memory in bytes that can be had without stopping a service, less what is left to the host's own work.
      returned: success
      type: int
      sample: 6144000000
    build_tools:
      description: The programs on PATH that llama.cpp can be compiled with.
      returned: success
      version_added: "0.2.0"
      type: list
      elements: str
      sample: [cmake, ninja, g++]
    package:
      description:
        - The package manager as C(manager), V(apt), V(dnf), V(pacman), V(brew) or null; as C(candidate) the version
          of O(package) that it would install, or null; and as C(known) whether it can say, which it cannot before it
          has fetched lists of packages. Only V(apt) was run yet.
      returned: success
      type: dict
      sample:
        manager: apt
        candidate: 0.7.0+dfsg-1
        known: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.builds.find import find_llama_cpp
from ansible_collections.drover.llama.plugins.module_utils.builds.platform import read_platform
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "prefix": {"type": "path"},
            "builds_path": {"type": "path"},
            "use_current": {"type": "bool", "default": True},
            "package": {"type": "str"},
            "probe_rpc": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    llama_cpp = find_llama_cpp(
        prefix=module.params["prefix"],
        builds_path=module.params["builds_path"],
        use_current=module.params["use_current"],
        probe_rpc=module.params["probe_rpc"],
        may_write=not module.check_mode,
    )
    module.exit_json(changed=False, llama_cpp=llama_cpp, platform=read_platform(Tree(), module.params["package"]))


if __name__ == "__main__":
    main()
