#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gguf_download
short_description: Fetch a file of a model from the web
version_added: "0.2.0"
description:
  - Fetches a file to where it belongs. It appears there whole and with the right checksum, or not at all.
  - What breaks off is gone on with, also by a later run, where the server gives ranges.
  - Another process that fetches the same, such as what a playbook left that was broken off, is waited for.
  - A file that is there already with this checksum is left alone, and then no server is asked.
options:
  url:
    description:
      - Where the file is. Redirects are followed, and busy servers are asked again.
      - Its query, where a presigned URL has its signature, is never part of a message. Ansible itself shows and logs
        the options of a task, so give such a task C(no_log).
    type: str
    required: true
  path:
    description: Where it goes. Beside it lie what has come of it until it is whole, and a note of its checksum.
    type: path
    required: true
  sha256:
    description: Its checksum.
    type: str
    required: true
  token:
    description: A bearer token. It is sent to the server of O(url) only. An empty one means none.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the host.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
seealso:
  - module: drover.llama.hub_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Fetch a model
  drover.llama.gguf_download:
    url: https://example.org/models/model-Q4_K_M.gguf
    path: /var/lib/drover/models/model-Q4_K_M.gguf
    sha256: 377c217a035b7e87c5f6a8c1bbf50877e4c6edb8a7aecbc1445e39d5f7a38a3d
"""

RETURN = r"""
path:
  description: O(path).
  returned: success
  type: str
  sample: /var/lib/drover/models/model-Q4_K_M.gguf
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf.download import download
from ansible_collections.drover.llama.plugins.module_utils.gguf.store import checked_sum, holds


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        sha256 = checked_sum(given["sha256"])
        changed = not holds(given["path"], sha256, may_note=not module.check_mode)
        if changed and not module.check_mode:
            download(given["url"], given["path"], given["token"] or None, sha256)
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, path=given["path"])


if __name__ == "__main__":
    main()
