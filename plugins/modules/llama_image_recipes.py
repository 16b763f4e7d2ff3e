# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_image_recipes
short_description: Work out how images with llama.cpp are made, and which of them are made already
version_added: "0.2.0"
description:
  - Says, for each architecture, what goes into the image and by which commands it is made, as data that the role
    P(drover.llama.llama_image#role) carries out. Its options are the variables of these names of the role.
  - An image is made already when the folder O(cache) has one of the same recipe. What distributions publish later under
    the same name does not change a recipe; O(refresh) has the images made again.
options:
  architectures:
    description: The architectures, of V(amd64) and V(arm64).
    type: list
    elements: str
    required: true
  name:
    description: The name of the image with its registry, without a tag.
    type: str
    required: true
  method:
    description: Where llama.cpp comes from. V(auto) is the first of a bundle, archives and packages.
    type: str
    choices: [auto, package, archive, source, bundle]
    default: auto
  builds:
    description: Archives of llama.cpp, or folders with a build, on the controller, one of each architecture.
    type: list
    elements: path
    default: []
  offers:
    description: What M(drover.llama.llama_cpp_offers) returned.
    type: dict
    default: {archives: [], bundle: []}
  base:
    description:
      - What the images stand on. Empty for Debian's own image, V(mmdebstrap), the absolute path of a file on the
        controller, or a reference in a registry.
    type: str
    default: ""
  packages:
    description: Debian packages that go into the images besides.
    type: list
    elements: str
    default: []
  mirror:
    description: Debian's archive for V(mmdebstrap); empty for its own choice.
    type: str
    default: ""
  apt_options:
    description: Options of apt for V(mmdebstrap).
    type: list
    elements: str
    default: []
  refresh:
    description: Whether images that are made already are missing all the same.
    type: bool
    default: false
  work:
    description: The folder on the builder to make images in.
    type: path
    required: true
  cache:
    description: The folder on the controller where images are kept.
    type: path
    required: true
  builder:
    description: What M(drover.llama.llama_image_builder_info) returned.
    type: dict
    required: true
  runtime:
    description: What M(drover.llama.runtime_archive) returned.
    type: dict
    required: true
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.llama_image_builder_info
  - module: drover.llama.llama_image_archive
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: See which images are still to be made
  drover.llama.llama_image_recipes:
    architectures: [amd64, arm64]
    name: registry.lan:5000/drover-llama
    base: mmdebstrap
    work: /var/cache/drover/images
    cache: /home/me/.cache/drover/images
    builder: "{{ described.builder }}"
    runtime: "{{ made.runtime }}"
  register: planned
"""

RETURN = r"""
images:
  description: What is to be made.
  returned: success
  type: dict
  contains:
    missing:
      description:
        - The recipes of images that are still to be made, in the order to make them in. A recipe has the files and the
          commands that it takes, and an C(id) of all that the result depends on.
      returned: success
      type: list
      elements: dict
      sample: []
    document:
      description:
        - The images that there are, once none is missing, as the role writes it into C(images.json). C(name) and
          C(tag), the C(digest) and C(reference) of the C(index) of all architectures, and for each architecture in
          C(images) its C(reference) by digest, the C(file), and C(programs), which is what
          M(drover.llama.llama_cpp_info) returns.
      returned: success
      type: dict
      sample:
        schema: 1
        name: registry.lan:5000/drover-llama
        tag: b11669-9f86d081884c
        index:
          digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          reference: registry.lan:5000/drover-llama@sha256:9f86d081884c7d65…
        images: {}
"""
