#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tensor_cache
short_description: Place tensors in a worker's cache before llama.cpp sends them
version_added: "0.3.0"
description:
  - Fetches the tensors that a worker is going to hold, and that its RPC server caches, in ranges of the model's files.
    A start of the leader then sends only what is not cached.
  - Each tensor appears whole and checked by its sha256, or not at all. What was broken off is gone on with the next
    time.
  - Room is made by deleting what no cluster on the host wants, that which was planned longest ago first. What finds no
    room is left out.
  - Run it as the user whom the cache belongs to.
options:
  weights:
    description: What the cache is to have, as RV(drover.llama.tensor_cache_plan#module:weights) has it for the host.
    type: dict
    required: true
  sources:
    description:
      - Where the tensors can be fetched from, the nearest first. When one fails, the next takes over.
      - Needed only where something is missing.
    type: list
    elements: dict
    default: []
    suboptions:
      files:
        description: A URL for each file of the model, on a server that gives ranges.
        type: list
        elements: str
      cache:
        description: The URL below which another worker offers the tensors of its cache.
        type: str
      token:
        description: A bearer token for that server.
        type: str
  directory:
    description: The cache. It is made if it does not exist.
    type: path
    default: /var/cache/drover/rpc
  max_bytes:
    description: What the cache may take. 0 lets it fill the disk but for a twentieth of what is free.
    type: int
    default: 0
  parallel:
    description: Tensors to fetch at once.
    type: int
    default: 4
  verify:
    description: Whether to read what is there already, and to fetch anew what is damaged.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
    details:
      - Damaged files are found by their sizes only.
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
seealso:
  - module: drover.llama.tensor_cache_plan
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Place what this worker is going to hold
  drover.llama.tensor_cache:
    weights: "{{ placing.weights[inventory_hostname] }}"
    sources:
      - files: ["http://192.168.1.20:50060/model.gguf"]
        token: "{{ one_time_secret }}"
  become: true
  become_user: drover
"""

RETURN = r"""
present_bytes:
  description: Size of the tensors that were there.
  returned: success
  type: int
  sample: 0
fetched_bytes:
  description: Size of the tensors that were fetched, or would be.
  returned: success
  type: int
  sample: 1342177280
left_out_bytes:
  description: Size of the tensors that found no room; the leader sends them.
  returned: success
  type: int
  sample: 0
damaged:
  description: Names of files that were deleted because they were not what their name says.
  returned: success
  type: list
  elements: str
  sample: []
pruned:
  description: Names of files that were deleted to make room.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.weights.document import missing_tensors, read_weights
from ansible_collections.drover.llama.plugins.module_utils.weights.folder import tensor_sizes
from ansible_collections.drover.llama.plugins.module_utils.weights.placing import place
from ansible_collections.drover.llama.plugins.module_utils.weights.sources import read_sources


def main():
    module = AnsibleModule(
        argument_spec={
            "weights": {"type": "dict", "required": True},
            "sources": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "files": {"type": "list", "elements": "str"},
                    "cache": {"type": "str"},
                    "token": {"type": "str", "no_log": True},
                },
            },
            "directory": {"type": "path", "default": "/var/cache/drover/rpc"},
            "max_bytes": {"type": "int", "default": 0},
            "parallel": {"type": "int", "default": 4},
            "verify": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        weights = read_weights(given["weights"])
        sources = read_sources(given["sources"], len(weights["files"])) if given["sources"] else []
        if module.check_mode:
            done = would_do(weights, given["directory"])
        else:
            most = given["max_bytes"] or None
            done = place(weights, given["directory"], sources, most, given["parallel"], given["verify"])
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done["fetched_bytes"] or done["damaged"] or done["pruned"]), **done)


def would_do(weights, directory):
    sizes = tensor_sizes(directory)
    every = [*weights["held"], *weights["spare"]]
    missing = sum(tensor["bytes"] for tensor in missing_tensors(weights, sizes))
    return {
        "present_bytes": sum(tensor["bytes"] for tensor in every) - missing,
        "fetched_bytes": missing,
        "left_out_bytes": 0,
        "damaged": [
            tensor["hash"] for tensor in every if sizes.get(tensor["hash"], tensor["bytes"]) != tensor["bytes"]
        ],
        "pruned": [],
    }


if __name__ == "__main__":
    main()
