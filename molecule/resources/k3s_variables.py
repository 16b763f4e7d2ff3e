# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each variable of the role k3s is set in an inventory and seen to take effect, or to be refused by name.

tests/unit/checks/test_variables.py holds this table against the argument specs.
"""

from __future__ import annotations

_CLUSTER = "molecule/k3s/tests/test_k3s.py"
_RUN = "molecule/k3s/converge.yml"

VARIABLES = {
    **dict.fromkeys(
        (
            "k3s_version",
            "k3s_url",
            "k3s_cache",
            "k3s_images",
            "k3s_kubeconfig",
            "k3s_kubeconfig_context",
            "k3s_token_file",
        ),
        _RUN,
    ),
    **dict.fromkeys(
        (
            *("k3s_agent_token", "k3s_channel", "k3s_channel_url", "k3s_cluster_cidr", "k3s_datastore"),
            *("k3s_datastore_endpoint", "k3s_disable", "k3s_drain", "k3s_drain_timeout", "k3s_embedded_registry"),
            *(
                "k3s_firewall_is_open",
                "k3s_flannel_backend",
                "k3s_interface",
                "k3s_kubelet",
                "k3s_labels",
                "k3s_machines",
            ),
            *("k3s_node_ip", "k3s_node_name", "k3s_reboot_timeout", "k3s_registries", "k3s_remove_volumes"),
            *("k3s_server_url", "k3s_service_cidr", "k3s_taints", "k3s_timeout", "k3s_tls_san", "k3s_token"),
        ),
        _CLUSTER,
    ),
    "k3s_backup_directory": "molecule/resources/k3s_cluster.py",
    # Set by the playbooks themselves.
    "k3s_bundle_directory": "playbooks/bundle.yml",
    "k3s_restoring": "playbooks/k3s_restore.yml",
    "k3s_upgrading": "playbooks/k3s_upgrade.yml",
}
