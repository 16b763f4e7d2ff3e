# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_cpp_offers
short_description: Gather which archives of llama.cpp there are for hosts
version_added: "0.2.0"
description:
  - Gathers the archives of llama.cpp that a bundle and a release have for the kinds of hosts at hand, for
    M(drover.llama.llama_cpp_choice) to choose from, and names those that are still to be fetched.
  - Looks into an archive only when some host lacks its build, as M(drover.llama.llama_cpp_archive_info) does.
  - Looks for them on the controller. Its options are the variables of these names of the role
    P(drover.llama.llama_cpp#role).
options:
  hosts:
    description:
      - What M(drover.llama.llama_cpp_info) returned on each host.
      - With none, one host is thought of for every architecture in O(archive_sha256), that has nothing yet.
    type: list
    elements: dict
    required: true
  method:
    description: The way to take. Only what it can use is looked for.
    type: str
    choices: [auto, bundle, archive, source, package]
    default: auto
  tag:
    description: The release of llama.cpp to have.
    type: str
    default: ""
  archive_names:
    description: The name of the release's archive for each architecture.
    type: dict
    default: {}
  archive_sha256:
    description: The sha256 of the archive for each architecture.
    type: dict
    default: {}
  require_sha256:
    description: Whether to refuse archives and sources without a sha256.
    type: bool
    default: true
  cache:
    description: Where the controller keeps archives.
    type: path
    required: true
  bundle:
    description: A folder that the playbook C(drover.llama.bundle) made.
    type: path
  source:
    description: The source to compile. It is not looked into, only that it has a O(tag) and a O(source_sha256).
    type: str
    default: ""
  source_sha256:
    description: The sha256 of the source.
    type: str
    default: ""
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.llama_cpp_archive_info
  - module: drover.llama.llama_cpp_choice
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See which archives of a release are still to be fetched
  drover.llama.llama_cpp_offers:
    hosts: []
    tag: b11669
    archive_names:
      aarch64: llama-b11669-bin-ubuntu-arm64.tar.gz
    archive_sha256:
      aarch64: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
    cache: /var/cache/archives
  register: gathered

- name: Fetch them
  ansible.builtin.get_url:
    url: "https://github.com/ggml-org/llama.cpp/releases/download/b11669/{{ item.file }}"
    dest: "{{ item.path }}"
    checksum: "sha256:{{ item.sha256 }}"
    mode: "0644"
  loop: "{{ gathered.offers.missing }}"
  delegate_to: localhost
"""

RETURN = r"""
offers:
  description: What there is.
  returned: success
  type: dict
  contains:
    bundle:
      description: The archives of O(bundle).
      returned: success
      type: list
      elements: dict
      sample: []
    archives:
      description:
        - The archives of the release that are in O(cache), as M(drover.llama.llama_cpp_archive_info) returns them. Of
          one whose build every host has, only the names and the sha256.
      returned: success
      type: list
      elements: dict
      sample: []
    missing:
      description: What is to be fetched before this module is run again, C(file), C(path) and C(sha256) of each.
      returned: success
      type: list
      elements: dict
      sample:
        - file: llama-b11669-bin-ubuntu-arm64.tar.gz
          path: /var/cache/archives/b11669-60303ae2-llama-b11669-bin-ubuntu-arm64.tar.gz
          sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
"""
