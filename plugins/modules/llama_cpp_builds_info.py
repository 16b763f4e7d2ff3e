#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_cpp_builds_info
short_description: Tell which builds of llama.cpp on a host are no longer needed
version_added: "0.2.0"
description:
  - Tells which of the builds that Drover put on a host go, and which stay because a program of theirs runs or a cluster
    is deployed with them. Nothing is removed.
  - Only folders that are named as Drover names builds are ever told of.
options:
  builds_path:
    description: The folder where builds are kept, one folder each.
    type: path
    required: true
  keep:
    description: How many builds stay, the one in force and the latest before it. At least one does.
    type: int
    default: 2
  chosen:
    description: The name of the build in force. Without it, programs from elsewhere are.
    type: str
  programs:
    description: Paths of programs whose builds stay, besides those that run or that a cluster is deployed with.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - Run it as root. Other users cannot see which programs run.
seealso:
  - module: drover.llama.llama_cpp_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See which builds are no longer needed
  drover.llama.llama_cpp_builds_info:
    builds_path: /opt/llama.cpp
    keep: 2
    chosen: b11669-3f2a9c1e
  register: kept

- name: Remove them
  ansible.builtin.file:
    path: "{{ item }}"
    state: absent
  loop: "{{ kept.builds.surplus }}"
"""

RETURN = r"""
builds:
  description: What Drover keeps on the host.
  returned: success
  type: dict
  contains:
    clusters:
      description: Names of the clusters that the host is deployed for, sorted.
      returned: success
      type: list
      elements: str
      sample: [main]
    ours:
      description:
        - Paths in O(builds_path) that are Drover's, which are builds (also unfinished ones) and the link C(current),
          and that folder itself, last, when there is nothing else in it.
      returned: success
      type: list
      elements: str
      sample:
        - /opt/llama.cpp/b11402-9b01d7e4
        - /opt/llama.cpp/b11669-3f2a9c1e
        - /opt/llama.cpp/current
        - /opt/llama.cpp
    surplus:
      description: Paths of the builds that go so that O(keep) stay, the oldest first.
      returned: success
      type: list
      elements: str
      sample: []
    problem:
      description: Why no build goes since what a cluster uses is not known, in one sentence, or null.
      returned: success
      type: str
      sample:
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.builds.prune import kept_builds


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "builds_path": {"type": "path", "required": True},
            "keep": {"type": "int", "default": 2},
            "chosen": {"type": "str"},
            "programs": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    builds = kept_builds(given["builds_path"], given["keep"], given["chosen"], given["programs"])
    if builds["problem"]:
        module.warn(builds["problem"])
    module.exit_json(changed=False, builds=builds)


if __name__ == "__main__":
    main()
