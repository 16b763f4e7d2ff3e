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
        ({"kubernetes_service_account": "nobody"}, "There is no ServiceAccount nobody in the namespace drover"),
        ({"kubernetes_runtime_class": "none"}, "There is no RuntimeClass none in the cluster"),
        ({"kubernetes_gpu_groups": ["-1"]}, "kubernetes_gpu_groups[0] is -1"),
        ({"kubernetes_gpu_overhead_bytes": "-1"}, "kubernetes_gpu_overhead_bytes is -1"),
        (
            {"kubernetes_nodes": {"kube-2": {"gpus": 1}}},
            "kubernetes_nodes wishes for 1 GPU of kube-2, which offers none",
        ),
        ({"kubernetes_priority_class": "none"}, "There is no PriorityClass none in the cluster"),
        ({"kubernetes_image_pull_secrets": ["none"]}, "There is no Secret none in the namespace drover"),
        ({"kubernetes_model": {"claim": "none"}}, "There is no PersistentVolumeClaim none in the namespace drover"),
        (
            {"kubernetes_ingress": {"host": "a.lan", "class_name": "none"}},
            "There is no IngressClass none in the cluster",
        ),
        ({"kubernetes_http_route": {"gateway": "none"}}, "There is no Gateway none in the namespace drover"),
        (
            {"kubernetes_nodes": {"kube-9": {"threads": 1}}},
            "kubernetes_nodes names kube-9, and the cluster's nodes are",
        ),
        ({"kubernetes_workers": "daemonset", "kubernetes_healing": "false"}, "and kubernetes_healing is false"),
        (
            {"kubernetes_workers": "daemonset", "kubernetes_nodes": {"kube-2": {"threads": 1}}},
            "where all nodes lend the same, and kubernetes_nodes wishes for something of kube-2",
        ),
        (
            {"kubernetes_node_selector": {"no": "node"}},
            "All hosts are left out (kube-1: It has not the labels of kubernetes_node_selector (no=node); kube-2: ",
        ),
    ],
)
def test_refusals_come_before_anything_is_changed(settings, words):
    refused(kubernetes(**settings), words)
