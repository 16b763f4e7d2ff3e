# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says that asks Kubernetes' API."""

from __future__ import annotations


class ModuleDocFragment:
    """Included by ``extends_documentation_fragment: drover.llama.kubernetes_api``."""

    DOCUMENTATION = r"""
requirements:
  - kubernetes (the Python client)
options:
  kubeconfig:
    description: The file that says where the API is and who asks.
    type: path
    required: true
  context:
    description: A context in it. By default its current one.
    type: str
    default: ""
"""
