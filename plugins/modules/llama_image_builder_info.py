# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_image_builder_info
short_description: Tell for which architectures a machine can make images
version_added: "0.2.0"
description:
  - Tells the architecture of the machine that is to make images, which others it runs by emulation, and from where it
    installs Debian's packages.
options: {}
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.llama_image_recipes
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See what the builder can do
  drover.llama.llama_image_builder_info:
  register: described
"""

RETURN = r"""
builder:
  description: What the machine can do.
  returned: success
  type: dict
  contains:
    architecture:
      description: Its architecture, as images name it.
      returned: success
      type: str
      sample: amd64
    runs:
      description: The architectures whose programs it runs, sorted, by itself and by emulation.
      returned: success
      type: list
      elements: str
      sample:
        - amd64
        - arm64
    mirror:
      description: Debian's archive that it installs from, or null.
      returned: success
      type: str
      sample: http://mirror.example/debian
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.images.builder import describe_builder


def output(command):
    """What the command prints; nothing where it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, builder=describe_builder(Tree(), output))
    except DroverError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
