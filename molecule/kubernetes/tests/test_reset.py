# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset takes off what was put on, and nothing else."""

from __future__ import annotations

from cluster import host
from kubernetes_cluster import NODES, kubectl, kubernetes, plan
from playbook import refused, succeeded

MODELS = "/var/lib/drover/models"


def test_it_wants_to_be_meant():
    refused(kubernetes("kubernetes_reset"), "reset_confirm=true")


def test_it_leaves_nothing_but_the_model():
    leader = plan()["leader"]
    succeeded(kubernetes("kubernetes_reset", reset_confirm="true"))
    assert kubectl("get", "namespace", "drover").returncode != 0
    assert host(leader).file(f"{MODELS}/drover-demo.gguf").exists
    for kind in ("deployments", "pods", "services", "configmaps", "secrets", "networkpolicies"):
        assert "drover" not in kubectl("get", kind, "--all-namespaces", "--output=name").stdout


def test_it_takes_off_the_model_where_it_is_told_to():
    succeeded(kubernetes())
    assert set(
        succeeded(kubernetes("kubernetes_reset", reset_confirm="true", reset_models="true")).changed.values()
    ) != {0}
    assert not any(host(node).file(f"{MODELS}/drover-demo.gguf").exists for node in NODES)


def test_a_second_one_changes_nothing():
    assert set(succeeded(kubernetes("kubernetes_reset", reset_confirm="true")).changed.values()) == {0}
