# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says that is told what is wished of a cluster in Kubernetes."""

from __future__ import annotations


class ModuleDocFragment:
    """Included by ``extends_documentation_fragment: drover.llama.kubernetes_wishes``."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of Drover's cluster.
    type: str
    default: main
  settings:
    description: What is wished, by the names of the variables of the role C(kubernetes) without C(kubernetes_).
    type: dict
    required: true
  images:
    description: The content of C(images.json), by which the image is named unless O(settings) do.
    type: dict
    default: {}
"""
