#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hub_info
short_description: Find a model on the Hugging Face Hub
version_added: "0.2.0"
description:
  - Asks the Hub, or a mirror of it, which files of a repository are a model, where they are and which sha256 they have.
  - The addresses name the commit that the revision stands for now.
options:
  repository:
    description: The repository, C(OWNER/NAME).
    type: str
    required: true
  quantization:
    description:
      - The quantization of the model, such as V(Q4_K_M), as it stands in the names of its files.
      - Without it and without O(file) the repository must have one model.
    type: str
    default: ""
  file:
    description: The path of the model in the repository, in place of O(quantization); of a split one the first file's.
    type: str
    default: ""
  revision:
    description: A branch, a tag or a commit.
    type: str
    default: main
  endpoint:
    description: Where the Hub is.
    type: str
    default: https://huggingface.co
  token:
    description: A token, for models that are gated or private. It is sent to O(endpoint) only. An empty one means none.
    type: str
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.gguf_download
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Find a model
  drover.llama.hub_info:
    repository: bartowski/Meta-Llama-3.1-8B-Instruct-GGUF
    quantization: Q4_K_M
  delegate_to: localhost
  register: found
"""

RETURN = r"""
commit:
  description: The commit that O(revision) stands for.
  returned: success
  type: str
  sample: bf5b95e96dac0462e2a09145ec66cae9a3f12067
url:
  description: Where the model is; of a split one the first file.
  returned: success
  type: str
  sample: https://huggingface.co/OWNER/NAME/resolve/bf5b95e96dac0462e2a09145ec66cae9a3f12067/model-Q4_K_M.gguf
names:
  description: Names of its files, in the order of the shards.
  returned: success
  type: list
  elements: str
  sample: [model-Q4_K_M.gguf]
sha256:
  description: Their checksums.
  returned: success
  type: list
  elements: str
  sample: [377c217a035b7e87c5f6a8c1bbf50877e4c6edb8a7aecbc1445e39d5f7a38a3d]
file_bytes:
  description: Their sizes.
  returned: success
  type: list
  elements: int
  sample: [4920739232]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf.hub import ENDPOINT, resolve


def main():
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "str", "required": True},
            "quantization": {"type": "str", "default": ""},
            "file": {"type": "str", "default": ""},
            "revision": {"type": "str", "default": "main"},
            "endpoint": {"type": "str", "default": ENDPOINT},
            "token": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = resolve(
            given["repository"],
            given["quantization"],
            given["file"],
            given["revision"],
            given["endpoint"],
            given["token"] or None,
        )
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
