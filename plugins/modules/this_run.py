# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: this_run
short_description: Tell by what a run of Ansible is known
version_added: "0.2.0"
description:
  - Tells by what this run of Ansible is known from any other, on this controller or another one, and who has
    started it.
  - Run it once.
options:
  others:
    description: Runs, as RV(run) tells them, of which to tell whether they have ended.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - drover.llama.changes_nothing
  - drover.llama.on_the_controller
seealso:
  - module: drover.llama.turn
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Ask who this is
  drover.llama.this_run:
  register: mine
  run_once: true
"""

RETURN = r"""
run:
  description: The run. No other has the same.
  returned: success
  type: str
  sample: ops-1 pid:[4026531836] 3f0c7e52-8a1d-4b7e-9d53-0a4f1f5f7c11:4711:123456
who:
  description: Who has started it, and where.
  returned: success
  type: str
  sample: root on ops-1
ended:
  description: Which of O(others) were of this controller, and have ended. Of another one's nothing is known.
  returned: success
  type: list
  elements: str
  sample: []
"""
