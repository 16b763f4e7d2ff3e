# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_image_info
short_description: Tell whether a node has its image, and how it would get it without a registry
version_added: "0.2.0"
description:
  - Finds the containerd of a Kubernetes node, asks it for its images, and says by which commands the image of this
    node's architecture is loaded.
options:
  document:
    description: The content of C(images.json). Without it, that of O(folder) is read.
    type: dict
  folder:
    description: A folder on the node that has C(images.json) and the archives, such as a stick. The archive is checked.
    type: path
  way:
    description:
      - V(k3s), V(containerd) and V(microk8s) import by the tool of that name, V(k3s_folder) puts the archive into K3s's
        folder of images. V(auto) goes by what the node has.
    type: str
    choices: [auto, k3s, k3s_folder, containerd, microk8s]
    default: auto
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.llama_image_recipes
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See whether the node has what is on the stick
  drover.llama.llama_image_info:
    folder: /media/stick
  register: asked
"""

RETURN = r"""
loading:
  description: How the image gets here.
  returned: success
  type: dict
  contains:
    way:
      description: One of the choices of O(way).
      returned: success
      type: str
      sample: k3s
    image:
      description: The image for this node; see M(drover.llama.llama_image_archive).
      returned: success
      type: dict
      sample:
        architecture: arm64
        file: drover-llama-b11669-arm64-2c26b46b68ff.tar
    loaded:
      description: Whether the node has it already.
      returned: success
      type: bool
      sample: false
    target:
      description: The archive's path in K3s's folder, or null.
      returned: success
      type: str
      sample:
    load:
      description: The command that imports it, without the archive's path, or null.
      returned: success
      type: list
      elements: str
      sample: [k3s, ctr, --namespace, k8s.io, images, import]
    pin:
      description: The commands that keep it from being removed as unused.
      returned: success
      type: list
      elements: list
      sample: []
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.images.loading import WAYS, describe_loading


def run(command):
    """Exit code and output of the command."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "document": {"type": "dict"},
            "folder": {"type": "path"},
            "way": {"type": "str", "choices": list(WAYS), "default": "auto"},
        },
        required_one_of=[("document", "folder")],
        supports_check_mode=True,
    )
    given = module.params
    try:
        loading = describe_loading(given["way"], given["document"], given["folder"], Tree(), run)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, loading=loading)


if __name__ == "__main__":
    main()
