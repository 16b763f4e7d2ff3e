# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from module_utils.serving import cluster as cluster_module


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Where a host keeps what it runs, and what it has decided: empty, but for the secret."""
    monkeypatch.setattr(cluster_module, "CLUSTERS_FOLDER", str(tmp_path / "etc"))
    monkeypatch.setattr(cluster_module, "HEALING_FOLDER", str(tmp_path / "healing"))
    (tmp_path / "etc/main/standby").mkdir(parents=True)
    (tmp_path / "healing/main").mkdir(parents=True)
    (tmp_path / "etc/main/secret").write_text("s" * 48 + "\n", encoding="utf-8")
