# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, told while its task runs: apart from the results, which somebody may have written as JSON."""

from __future__ import annotations

import time

from ansible.utils.display import Display
from ansible_collections.drover.llama.plugins.module_utils.telling.progress import Progress

TOLD_SECONDS = 30.0


def told_progress(name, noun="", clock=time.monotonic):
    """A ``Progress`` that tells whoever runs the playbook."""
    return Progress(name, lambda line: Display().display(line, stderr=True), TOLD_SECONDS, noun, clock)
