# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection that only asks says of check mode and diff mode."""

from __future__ import annotations


class ModuleDocFragment:
    """Included by ``extends_documentation_fragment: drover.llama.changes_nothing``."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return the same information, since it changes nothing.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: N/A
    details:
      - This module changes nothing.
"""
