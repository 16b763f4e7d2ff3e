# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says that only computes, and is an action of the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """Included by ``extends_documentation_fragment: drover.llama.on_the_controller``."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action:
    description: Has an action plugin of its name, which does all of it on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  become:
    description: Is usable alongside C(become) keywords.
    support: none
    details:
      - Runs as the user who runs Ansible, whatever they say.
  connection:
    description: Uses the target's configured connection information to execute code on it.
    support: none
  delegation:
    description: Can be used in conjunction with C(delegate_to) and related keywords.
    support: partial
    details:
      - Runs on the controller, whatever they say.
"""
