#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gguf_store_info
short_description: See what a host's folder of models holds
version_added: "0.2.0"
description:
  - Tells which files of a model are missing in a folder, whether the disk can take them, and what Drover placed there
    that may be removed.
  - Decides from names, sizes, times and the note beside each file (C(NAME.gguf.source), which says what the file was
    made from). The models themselves are not read, however large they are.
options:
  directory:
    description: The folder. It need not exist.
    type: path
    required: true
  files:
    description: The files of a model where it comes from, as RV(drover.llama.gguf_info#module:files) has them.
    type: list
    elements: dict
    default: []
  sha256:
    description:
      - The sha256 of each of O(files), in their order, or none.
      - Without it a file is known by its size and its time, which a web server does not tell.
    type: list
    elements: str
    default: []
  cluster:
    description:
      - Name of the cluster whose models may be removed. Those of any other cluster on the host are kept.
      - Without it nothing is said of what may be removed.
    type: str
extends_documentation_fragment:
  - drover.llama.changes_nothing
seealso:
  - module: drover.llama.gguf_info
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Read the model's header on the controller
  drover.llama.gguf_info:
    path: /srv/models/model.gguf
  delegate_to: localhost
  register: model

- name: See what of it the leader has
  drover.llama.gguf_store_info:
    directory: /var/lib/drover/models
    files: "{{ model.files }}"
  register: store

- name: Say what must be copied
  ansible.builtin.debug:
    var: store.missing
"""

RETURN = r"""
paths:
  description: The files as they are in the folder once nothing is missing, in the order of O(files).
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      returned: success
      type: str
      sample: /var/lib/drover/models/model.gguf
    bytes:
      description: Its size.
      returned: success
      type: int
      sample: 4920739232
missing:
  description: Names of the files that are not there, or were made from something else.
  returned: success
  type: list
  elements: str
  sample:
    - model.gguf
present_bytes:
  description: Size of the files that are there in full.
  returned: success
  type: int
  sample: 0
sources:
  description: What the note of each file has to say, by file name.
  returned: success
  type: dict
  sample:
    model.gguf: size 4920739232 modified 1721900000
expected_sha256:
  description: The sha256 of each missing file, by file name; empty without O(sha256).
  returned: success
  type: dict
  sample: {}
problem:
  description: Why the disk cannot take what is missing, or null when it can.
  returned: success
  type: str
  sample: /var/lib/drover/models has 1.2 GiB free, and model.gguf needs 4.6 GiB there
removable:
  description: Paths of the models that Drover placed and of their notes, without those that other clusters use.
  returned: success
  type: list
  elements: str
  sample:
    - /var/lib/drover/models/old.gguf
    - /var/lib/drover/models/old.gguf.source
kept:
  description: Models that Drover placed and that another cluster on this host uses.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the model.
      returned: success
      type: str
      sample: /var/lib/drover/models/shared.gguf
    cluster:
      description: Name of that cluster.
      returned: success
      type: str
      sample: night
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf import store


def main():
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "sha256": {"type": "list", "elements": "str", "default": []},
            "cluster": {"type": "str"},
        },
        supports_check_mode=True,
    )
    directory, cluster = module.params["directory"], module.params["cluster"]
    try:
        found = store.survey(directory, module.params["files"], module.params["sha256"])
        removable, kept = store.removable(directory, cluster) if cluster else ([], [])
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, removable=removable, kept=kept, **found)


if __name__ == "__main__":
    main()
