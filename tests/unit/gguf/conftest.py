# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from unit.gguf.web_site import serve


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Servers on the loopback interface are asked themselves."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site():
    with serve() as site:
        yield site
