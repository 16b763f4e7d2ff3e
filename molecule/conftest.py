# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the modules of resources/ and their fixtures known to the tests of all scenarios."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "resources"))

from cluster import api, plan  # noqa: F401
from playbook import inventory  # noqa: F401
from tier import pytest_collection_modifyitems  # noqa: F401
