#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_manifest
short_description: Make a model's manifest, which says what RPC servers call its tensors
version_added: "0.2.0"
description:
  - Reads a GGUF model whole, where it is, and keeps beside it which of its bytes are which tensor and what llama.cpp's
    RPC servers call them in their caches (C(NAME.gguf.tensors.json)).
  - A model is read once. The manifest counts only while the files are the ones that it was made of.
  - Uses all cores, and the fastest of what the host has, which is a C compiler, numpy, or Python alone. That one takes
    some minutes for each gigabyte on a small machine.
options:
  path:
    description: The model; of a split one the first file.
    type: path
    required: true
  processes:
    description: Processes to read with. 0 takes one for each core.
    type: int
    default: 0
  directory:
    description:
      - A folder to keep the manifest in instead, for a model whose folder is another's.
    type: path
  patient:
    description:
      - Whether to make it with Python alone, too. Where not, and there is neither a compiler nor numpy for a model of
        more than 100 MB, RV(manifest) is null and RV(slow) true.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
    details:
      - A manifest that there is not yet is not made, and null is returned for it.
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
seealso:
  - module: drover.llama.tensor_cache_plan
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Have the manifest of the model
  drover.llama.model_manifest:
    path: /var/lib/drover/models/model.gguf
  register: model
"""

RETURN = r"""
slow:
  description: Whether it was not made since that would take long, see O(patient).
  returned: success
  type: bool
  sample: false
manifest:
  description:
    - The manifest, null in check mode where there is none yet. V(tensors) has C(name), C(layer), C(shard), C(offset),
      C(bytes), C(hash) and C(sha256) of each.
  returned: success
  type: dict
  sample:
    schema: 1
    block_count: 32
    files:
      - name: model.gguf
        file_bytes: 4920739232
        modified: 1721900000123456789
    tensors:
      - name: blk.0.ffn_up.weight
        layer: 0
        shard: 0
        offset: 7840352
        bytes: 33030144
        hash: 8d0f3a55c21b9e07
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.weights.manifest import (
    find_manifest,
    keep_manifest,
    takes_long,
)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "processes": {"type": "int", "default": 0},
            "directory": {"type": "path"},
            "patient": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    path, directory = module.params["path"], module.params["directory"]
    try:
        manifest = find_manifest(path, directory)
        makes = manifest is None and not module.check_mode
        slow = makes and not module.params["patient"] and takes_long(path)
        changed = manifest is None and not slow
        if makes and not slow:
            manifest = keep_manifest(path, module.params["processes"] or None, directory=directory)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, slow=slow, manifest=manifest)


if __name__ == "__main__":
    main()
