# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_job
short_description: Wait for a long job, and tell how far it is
version_added: "0.2.0"
description:
  - Waits for what a task with C(async) and C(poll=0) has begun on the host, as M(ansible.builtin.async_status) does,
    and tells meanwhile, every half a minute on standard error, how much is done and how long the rest will take.
  - A network that fails is waited for, ten minutes at most.
  - Returns what the job returned, and fails when it failed.
options:
  job:
    description: The job, C(ansible_job_id) of what began it.
    type: str
    required: true
  name:
    description: What it is called in what is told.
    type: str
    required: true
  folder:
    description: The folder that the job fills; what is in it is measured.
    type: path
  pattern:
    description: The names of the files in O(folder) that the job makes, as the shell would match them.
    type: str
    default: "*"
  bytes:
    description: How many bytes they have at the end.
    type: int
  steps:
    description: A command that tells in Ninja's words (C(ninja -n)) what is still to be done, and does nothing.
    type: list
    elements: str
  timeout:
    description: How many seconds to wait.
    type: int
    default: 86400
attributes:
  action:
    description: Has an action plugin of its name, which asks the host with modules of Ansible's own.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  check_mode:
    description: Can run in check mode, and waits there, too.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
seealso:
  - module: ansible.builtin.async_status
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Begin the download
  drover.llama.gguf_download:
    url: https://models.example.org/model.gguf
    path: /srv/models/model.gguf
    sha256: 377c217a035b7e87c5f6a8c1bbf50877e4c6edb8a7aecbc1445e39d5f7a38a3d
  async: 86400
  poll: 0
  register: download

- name: Wait until it is there
  drover.llama.wait_for_job:
    job: "{{ download.ansible_job_id }}"
    name: model.gguf
    folder: /srv/models
    pattern: model.gguf.*.part
    bytes: 4920000000
"""

RETURN = r"""
ansible_job_id:
  description: The job; beside it stands what it returned.
  returned: success
  type: str
  sample: j812345678901.4242
"""
