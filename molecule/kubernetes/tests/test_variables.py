# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the page of the role kubernetes takes effect: the table is in resources/kubernetes_variables.py."""

from __future__ import annotations

import pytest
import yaml
from kubernetes_cluster import kubectl, kubernetes
from kubernetes_variables import VARIABLES, Written, settings
from playbook import succeeded


def read(folder):
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    folder = tmp_path_factory.mktemp("manifests")
    # No pod can run by what is only named here, such as an account.
    succeeded(kubernetes(**settings(), kubernetes_measure="false", kubernetes_manifests=str(folder)))
    return Written(read(folder))


@pytest.mark.parametrize("name", [name for name, case in VARIABLES.items() if case.look])
def test_it_takes_effect(written, name):
    assert VARIABLES[name].look(written)


def test_a_run_that_writes_leaves_nothing_in_the_cluster(tmp_path):
    succeeded(kubernetes(kubernetes_namespace="walks", kubernetes_manifests=str(tmp_path)))
    assert read(tmp_path)
    assert kubectl("get", "namespace", "walks").returncode != 0
