# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the site: docsite/build."""

from __future__ import annotations

import zlib
from pathlib import Path

project = "drover.llama"
html_title = "Drover"
copyright = "2026 The Drover developers"
extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1200px", "fixed_sidebar": True}
# As GitHub names the headings that pages link to.
myst_heading_anchors = 4
html_copy_source = False
# The pages show what is typed, and what is printed.
highlight_language = "none"

# What the reference names of Ansible's own documentation: as Sphinx would have it from there, but asking nobody.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
ELSEWHERE = {
    "action_plugins": ("plugins/action.html", "Action plugins"),
    "ansible_configuration_settings": ("reference_appendices/config.html", "Ansible configuration settings"),
    "common_return_values": ("reference_appendices/common_return_values.html", "Return values"),
} | {
    f"ansible_collections.{name}_module": (f"collections/{name.replace('.', '/')}_module.html", name)
    for name in ("ansible.builtin.async_status", "kubernetes.core.k8s")
}
inventory = Path(__file__).with_name("elsewhere.inv")
inventory.write_bytes(
    b"# Sphinx inventory version 2\n# Project: Ansible\n# Version: latest\n# zlib compressed below\n"
    + zlib.compress(
        "".join(f"{label} std:label -1 {page} {text}\n" for label, (page, text) in ELSEWHERE.items()).encode()
    )
)
intersphinx_mapping = {"ansible": (ANSIBLE, str(inventory))}
