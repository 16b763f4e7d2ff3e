# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be had is said in one sentence, before anything is changed."""

from __future__ import annotations

import pytest
from kubernetes_cluster import kubernetes
from playbook import refused


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kubernetes_kubeconfig": "/nowhere"}, "There is no kubeconfig /nowhere"),
        ({"kubernetes_context": "nobody"}, "cannot be used"),
        ({"kubernetes_node_port": 80}, "Kubernetes gives ports from 30000"),
        ({"kubernetes_image": "drover:latest"}, "must be an image by its digest"),
        ({"kubernetes_workers": "daemonset"}, "set it to pinned"),
        (
            {"kubernetes_node_selector": {"no": "node"}},
            "All hosts are left out (kube-1: It has not the labels of kubernetes_node_selector (no=node); kube-2: ",
        ),
    ],
)
def test_refusals_come_before_anything_is_changed(settings, words):
    refused(kubernetes(**settings), words)
