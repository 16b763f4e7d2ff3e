# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_archive
short_description: Make the file that hosts run Drover from
version_added: "0.2.0"
description:
  - Packs the collection's Python code into C(drover.pyz), one file that every Python from 3.9 on runs without Ansible.
    Units on hosts are started by it.
  - The file lies on the controller, in the cache of the user who runs Ansible, named by its content. The same code
    gives the same bytes on any machine.
  - Run it once.
options:
  collection_path:
    description:
      - The folder of the collection, which holds its roles and plugins.
      - From a role of the collection, C({{ role_path | dirname | dirname }}).
    type: path
    required: true
extends_documentation_fragment:
  - drover.llama.on_the_controller
attributes:
  check_mode:
    description: Can run in check mode and return the same information.
    support: full
    details:
      - The file is made in check mode, too, so that a task that copies it can tell what it would change. Like Ansible's
        own temporary files, a cache on the controller counts as no change.
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: N/A
    details:
      - This module changes no host.
seealso:
  - module: drover.llama.deployment
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Make the runtime
  drover.llama.runtime_archive:
    collection_path: "{{ role_path | dirname | dirname }}"
  register: made
  run_once: true

- name: Install the runtime
  ansible.builtin.copy:
    src: "{{ made.runtime.path }}"
    dest: /usr/local/lib/drover/drover.pyz
    mode: "0755"
"""

RETURN = r"""
runtime:
  description: The file.
  returned: success
  type: dict
  contains:
    path:
      description: Where it lies on the controller.
      returned: success
      type: str
      sample: /home/me/.cache/drover/6f1ed002ab559585/drover.pyz
    version:
      description: The version of the collection, which C(drover version) prints.
      returned: success
      type: str
      sample: 0.2.0
    digest:
      description:
        - Tells this version of all that the role C(host) installs from every other. A host that has it is told by
          RV(drover.llama.memory_info#module:installed).
      returned: success
      type: str
      sample: 6f1ed002ab559585f3c1
"""
