# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the site: docsite/build."""

from __future__ import annotations

project = "drover.llama"
html_title = "Drover"
copyright = "2026 The Drover developers"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1200px", "fixed_sidebar": True}
# As GitHub names the headings that pages link to.
myst_heading_anchors = 4
html_copy_source = False
# The pages show what is typed, and what is printed.
highlight_language = "none"
