# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_cpp_choice
short_description: Choose how every host gets the same build of llama.cpp
version_added: "0.2.0"
description:
  - Chooses one way (packages, an archive, compiling, a bundle) in which all hosts get the same build of llama.cpp, and
    names the hosts that cannot have it, with the reason.
  - Only computes, from what M(drover.llama.llama_cpp_info) and M(drover.llama.llama_cpp_offers) return.
options:
  hosts:
    description:
      - What M(drover.llama.llama_cpp_info) returned on each host, with the host's name as C(host), and as C(keep) how
        many builds are kept there (1 without it).
    type: list
    elements: dict
    required: true
  method:
    description:
      - The way to take.
      - V(auto) takes the first of V(bundle), V(archive), V(source) and V(package) that was given what it needs and
        works for every host, or else the one that leaves the fewest hosts out.
    type: str
    choices: [auto, bundle, archive, source, package]
    default: auto
  bundle:
    description: The archives of a bundle, as M(drover.llama.llama_cpp_offers) returns them.
    type: list
    elements: dict
    default: []
  archives:
    description: Archives as M(drover.llama.llama_cpp_offers) returns them, all of one build.
    type: list
    elements: dict
    default: []
  source:
    description: The source to compile.
    type: dict
    suboptions:
      label:
        description: The release of llama.cpp that it is.
        type: str
        required: true
      sha256:
        description: The sha256 of its tarball.
        type: str
        default: ""
  options:
    description: How to compile.
    type: dict
    suboptions:
      cpu:
        description: Whether for every processor of an architecture or for the build host's own.
        type: str
        choices: [generic, native]
        default: generic
      backends:
        description:
          - What to compute on, of V(cpu), V(cuda), V(vulkan) and V(hip), and V(auto) for what drives a host's GPUs.
        type: list
        elements: str
        default: [cpu]
      cmake_options:
        description: CMake options of your own, added last.
        type: list
        elements: str
        default: []
      jobs:
        description: Compilers that run at the same time. V(0) goes by the build host's cores and memory.
        type: int
        default: 0
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.llama_cpp_info
  - module: drover.llama.llama_cpp_offers
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Look at every host
  drover.llama.llama_cpp_info:
    builds_path: /opt/llama.cpp
    package: llama.cpp-tools-extra
  register: survey

- name: Choose
  drover.llama.llama_cpp_choice:
    hosts: "{{ ansible_play_hosts | map('extract', hostvars) | map(attribute='survey') }}"
  register: choice
  run_once: true
"""

RETURN = r"""
choice:
  description: What was chosen.
  returned: success
  type: dict
  contains:
    method:
      description: The way that is taken.
      returned: success
      type: str
      sample: archive
    label:
      description: What the build is called, or null for packages.
      returned: success
      type: str
      sample: b11669
    hosts:
      description:
        - For each host that can have the build, C(id) (its folder's name), C(installed), C(in_force) (it is the one
          that was found, and no build is to be removed), C(backends) (that drive its devices), C(devices) (that it
          lists there, null before it is installed), C(packages) to install, and C(archive), C(recipe) and
          C(build_host), null where they do not apply.
      returned: success
      type: dict
      sample:
        pi-1:
          id: b11669-3f2a9c1e
          installed: true
          in_force: true
          backends: [CPU]
          devices: []
          build: null
          packages: []
          archive: null
          recipe: null
          build_host: null
    left_out:
      description: For each host that cannot have it, why, and what to do.
      returned: success
      type: dict
      sample: {}
    reasons:
      description: How the choice came about, one sentence each.
      returned: success
      type: list
      elements: str
      sample:
        - llama.cpp b11669 by method archive, there already.
"""
