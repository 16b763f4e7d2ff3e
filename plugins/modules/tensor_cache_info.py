#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tensor_cache_info
short_description: See which tensors a worker has in its cache
version_added: "0.2.0"
description:
  - Tells by names and sizes what is in the cache of llama.cpp's RPC servers on a host. No file is read.
options:
  directory:
    description: The cache. It need not exist.
    type: path
    default: /var/cache/drover/rpc
  max_bytes:
    description: What the cache may take. 0 lets it fill the disk but for a twentieth of what is free.
    type: int
    default: 0
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.tensor_cache_plan
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See what is cached
  drover.llama.tensor_cache_info:
  register: found
"""

RETURN = r"""
cache:
  description: What is in the cache.
  returned: success
  type: dict
  contains:
    schema:
      description: Always C(1).
      returned: success
      type: int
      sample: 1
    directory:
      description: The cache.
      returned: success
      type: str
      sample: /var/cache/drover/rpc
    tensors:
      description: Size of each tensor, by its hash.
      returned: success
      type: dict
      sample:
        8d0f3a55c21b9e07: 33030144
    other_bytes:
      description: Size of what is no tensor, such as those that are being fetched.
      returned: success
      type: int
      sample: 0
    free_bytes:
      description: What the disk has free.
      returned: success
      type: int
      sample: 21474836480
    most_bytes:
      description: O(max_bytes), or null where it is 0.
      returned: success
      type: int
      sample:
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.weights.folder import cached_document


def main():
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": "/var/cache/drover/rpc"},
            "max_bytes": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    cache = cached_document(module.params["directory"], module.params["max_bytes"] or None)
    module.exit_json(changed=False, cache=cache)


if __name__ == "__main__":
    main()
