# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is called, and what is called by it."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.serving.cluster import Cluster


@pytest.mark.parametrize("name", ["main", "a", "two-70b", "x" * 31])
def test_a_name_is_lower_case_letters_digits_and_hyphens(name):
    assert Cluster(name).folder == f"/etc/drover/{name}"


@pytest.mark.parametrize("name", ["", "Main", "1st", "-x", "a_b", "a.b", "a/b", "..", "main\n", "x" * 32, "ü", 7, None])
def test_any_other_name_is_refused(name):
    with pytest.raises(DroverError, match=r"must have a name .* change drover_cluster\.$"):
        Cluster(name)


def test_everything_of_a_cluster_is_called_by_its_name():
    cluster = Cluster("two")
    assert [
        cluster.deployment_path,
        cluster.plan_path,
        cluster.api_key_path,
        cluster.rpc_unit,
        cluster.server_unit,
        cluster.table,
    ] == [
        "/etc/drover/two/deployment.json",
        "/etc/drover/two/plan.json",
        "/etc/drover/two/api_key",
        "drover-rpc@two.service",
        "drover-server@two.service",
        "drover-two",
    ]
