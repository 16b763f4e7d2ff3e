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
options:
  prefix:
    description:
      - A folder to look into first, itself and its C(bin) and C(build/bin). Then come C(PATH) and the folders of
        distributions.
    type: path
  probe_rpc:
    description:
      - Whether to start the RPC server for a moment, on a free port of the loopback address, and to ask it for its
        protocol. It takes some hundredths of a second.
    type: bool
    default: true
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

- name: Prefer a build of one's own, and start nothing
  drover.llama.llama_cpp_info:
    prefix: /opt/llama.cpp/current
    probe_rpc: false
  register: binaries
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
    problem:
      description: Why a program that is there does not run, and what to do, in one sentence, or null.
      returned: success
      type: str
      sample:
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.runtime.binaries import find_llama_cpp


def main():
    module = AnsibleModule(
        argument_spec={"prefix": {"type": "path"}, "probe_rpc": {"type": "bool", "default": True}},
        supports_check_mode=True,
    )
    llama_cpp = find_llama_cpp(prefix=module.params["prefix"], probe_rpc=module.params["probe_rpc"])
    module.exit_json(changed=False, llama_cpp=llama_cpp)


if __name__ == "__main__":
    main()
