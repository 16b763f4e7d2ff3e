#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_cpp_archive_info
short_description: Look into an archive of llama.cpp before it goes to a host
version_added: "0.2.0"
description:
  - Reads a release archive of llama.cpp and returns which hosts its programs run on, such as their architecture and the
    versions of glibc and libstdc++ that they need.
  - Refuses an archive that is damaged, has not both C(llama-server) and the RPC server in it, holds programs of 32 bits
    or for more than one architecture, or would write outside of its own folder.
  - Nothing is unpacked. Of what is in the archive only headers are kept, so an archive of any size takes little memory.
  - Run it on the controller, where the archive is.
options:
  path:
    description:
      - Path of the archive, C(.tar.gz), C(.tar.xz) or C(.zip), and C(.tar.zst) where Python is 3.14 or newer.
    type: path
    required: true
  sha256:
    description:
      - The sha256 that the archive must have.
    type: str
  label:
    description:
      - What the build is called. Without it, the archive's one top folder says so, which upstream names C(llama-TAG).
    type: str
  id:
    description:
      - The name that the build's folder gets on hosts. Without it, the file's own if that is such a name, as of what
        hosts have compiled, or else O(label) and the begin of the archive's sha256.
    type: str
  url:
    description:
      - Where the archive came from, to be returned as it is.
    type: str
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.llama_cpp_info
  - module: drover.llama.llama_cpp_offers
  - module: drover.llama.llama_cpp_choice
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Look into an archive
  drover.llama.llama_cpp_archive_info:
    path: /srv/mirror/llama-b11669-bin-ubuntu-arm64.tar.gz
    sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
    label: b11669
  delegate_to: localhost
  register: inspected

- name: Say where it runs
  ansible.builtin.debug:
    msg: "For {{ inspected.archive.architecture }} with glibc {{ inspected.archive.glibc }} and newer"
"""

RETURN = r"""
archive:
  description: What the archive holds.
  returned: success
  type: dict
  contains:
    id:
      description: The value of O(id), or what stands for it.
      returned: success
      type: str
      sample: b11669-60303ae2
    label:
      description: The value of O(label), or what stands for it.
      returned: success
      type: str
      sample: b11669
    file:
      description: Name of the file.
      returned: success
      type: str
      sample: llama-b11669-bin-ubuntu-arm64.tar.gz
    path:
      description: The value of O(path).
      returned: success
      type: str
      sample: /srv/mirror/llama-b11669-bin-ubuntu-arm64.tar.gz
    url:
      description: The value of O(url).
      returned: success
      type: str
      sample:
    sha256:
      description: The file's sha256.
      returned: success
      type: str
      sample: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
    size_bytes:
      description: The file's size.
      returned: success
      type: int
      sample: 15728640
    architecture:
      description: What processors its programs are for, as uname(1) names it.
      returned: success
      type: str
      sample: aarch64
    glibc:
      description: The lowest version of glibc that will do, or null when it needs none.
      returned: success
      type: str
      sample: "2.38"
    libstdcxx:
      description: The lowest version of GLIBCXX that will do, or null when it needs none or brings its own libstdc++.
      returned: success
      type: str
      sample: 3.4.32
    libraries:
      description:
        - Libraries that something in it needs, that are not in it, and that are no part of glibc, libstdc++ or libgcc.
      returned: success
      type: list
      elements: str
      sample:
        - libgomp.so.1
    backends:
      description: The backends that its programs have, by its libraries; C(CPU) comes first.
      returned: success
      type: list
      elements: str
      sample:
        - CPU
        - Vulkan
      version_added: "0.2.0"
    root:
      description: The one folder that everything in it is in.
      returned: success
      type: str
      sample: llama-b11669
    programs:
      description: Names in the archive, as C(server) that of C(llama-server), and as C(rpc_server).
      returned: success
      type: dict
      sample:
        server: llama-b11669/llama-server
        rpc_server: llama-b11669/ggml-rpc-server
    kind:
      description: Always null; archives that Drover compiled have a kind of host here.
      returned: success
      type: str
      sample:
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.builds.archive import inspect_archive
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "sha256": {"type": "str"},
            "label": {"type": "str"},
            "id": {"type": "str"},
            "url": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, archive=inspect_archive(**module.params))
    except DroverError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
