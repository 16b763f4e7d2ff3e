# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``module_defaults`` for ``group/drover.llama.drover`` reach every module of the collection."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_the_action_group_names_every_module():
    group = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["drover"]
    assert group == sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
