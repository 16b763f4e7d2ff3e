# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers for Prometheus, and their page."""

from __future__ import annotations

import re
from pathlib import Path

from module_utils.healing.metrics import KNOWN, watch_metrics

PAGE = Path(__file__).resolve().parents[3] / "docs/healing.md"


def test_the_page_tells_of_each_and_of_no_other():
    assert set(re.findall(r"`(drover_(?!rpc_server)\w+)`", PAGE.read_text())) == KNOWN.keys()


def test_what_the_watch_tells():
    text = watch_metrics("main", True, {"pi-1": False}, {"pi-1": True}, 3)
    assert [line for line in text.splitlines() if line[0] != "#"] == [
        'drover_healthy{cluster="main"} 1',
        'drover_worker_up{cluster="main",host="pi-1"} 0',
        'drover_owner_needs_memory{cluster="main",host="pi-1"} 1',
        'drover_heals_total{cluster="main"} 3',
    ]
    assert "# TYPE drover_heals_total counter" in text
