# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: llama_image_archive
short_description: Pack an image so that every container runtime takes it
version_added: "0.2.0"
description:
  - Packs the image in an OCI layout into an OCI archive of one platform, named by its digest, and writes beside it
    what it is, as the recipe's C(id) with the ending C(.json).
  - Or puts several such archives together again, into an OCI layout with an index of all architectures, for a registry.
  - The same image gives the same bytes.
options:
  layout:
    description: The OCI layout to pack, or, with O(document), the one to write.
    type: path
    required: true
  folder:
    description: The folder to write the archive into, or, with O(document), the one with the archives.
    type: path
    required: true
  recipe:
    description: The image's recipe, as M(drover.llama.llama_image_recipes) returned it.
    type: dict
  document:
    description: The document of the images, as M(drover.llama.llama_image_recipes) returned it.
    type: dict
attributes:
  check_mode:
    description: Is skipped in check mode, where there is no image yet.
    support: none
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: none
seealso:
  - module: drover.llama.llama_image_recipes
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Pack what buildah has exported
  drover.llama.llama_image_archive:
    layout: /var/cache/drover/images/arm64/layout
    folder: /var/cache/drover/images/made
    recipe: "{{ recipe }}"
  register: packed
"""

RETURN = r"""
image:
  description: What was packed, as C(images) of the document has it; see M(drover.llama.llama_image_recipes).
  returned: with O(recipe)
  type: dict
  sample:
    architecture: arm64
    file: drover-llama-b11669-arm64-2c26b46b68ff.tar
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.images.layout import pack_image, write_layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "path", "required": True},
            "folder": {"type": "path", "required": True},
            "recipe": {"type": "dict"},
            "document": {"type": "dict"},
        },
        required_one_of=[("recipe", "document")],
        mutually_exclusive=[("recipe", "document")],
        supports_check_mode=False,
    )
    layout, folder, document = (module.params[name] for name in ("layout", "folder", "document"))
    try:
        if document:
            archives = [os.path.join(folder, image["file"]) for image in document["images"].values()]
            write_layout(layout, archives, document)
            module.exit_json(changed=True)
        image = pack_image(layout, folder, module.params["recipe"])
        with open(os.path.join(folder, f"{image['id']}.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(image, indent=1, sort_keys=True) + "\n")
        module.exit_json(changed=True, image=image)
    except DroverError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
