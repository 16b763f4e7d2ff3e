# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.serving import cluster
from module_utils.weights import fetching
from unit.gguf.web_site import serve


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Servers on the loopback interface are asked themselves."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody waits between attempts."""
    monkeypatch.setattr(fetching, "DELAYS", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture(autouse=True)
def clusters(tmp_path_factory, monkeypatch):
    """The folder of the host's clusters, of which there is none yet."""
    folder = tmp_path_factory.mktemp("clusters")
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(folder))
    return folder


@pytest.fixture
def site():
    with serve() as site:
        yield site
