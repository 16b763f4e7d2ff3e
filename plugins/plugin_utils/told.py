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


def told_lines(name, clock=time.monotonic):
    """Tells whoever runs the playbook, now and then, the last line that the program in the pod ``name`` has complained
    of: how far it is. As ``enough`` of ``Api.execute``, which goes on."""
    told = clock()

    def tell(_said, complained):
        nonlocal told
        lines = complained.splitlines()
        if lines and clock() - told >= TOLD_SECONDS:
            told = clock()
            Display().display(f"{name}: {lines[-1].removeprefix('drover: ')}", stderr=True)
        return False

    return tell
