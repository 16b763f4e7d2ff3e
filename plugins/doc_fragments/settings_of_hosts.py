# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says that makes deployments."""

from __future__ import annotations


class ModuleDocFragment:
    """Included by ``extends_documentation_fragment: drover.llama.settings_of_hosts``."""

    DOCUMENTATION = r"""
options:
  settings_of_hosts:
    description:
      - What owners of hosts wish. Everything has a default, also for hosts that are not listed.
      - A wish that cannot be had fails the module by name.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The name of the host.
        type: str
        required: true
      rpc_server_cache:
        description: Whether its RPC server keeps tensors over 10 MiB on disk.
        type: bool
        default: true
      rpc_server_cache_days:
        description: Days without being read after which such a tensor is deleted, unless a cluster plans with it.
        type: int
        default: 30
      rpc_server_cache_max_bytes:
        description: What such tensors may take on its disk. 0 sets no bound.
        type: int
        default: 0
      rpc_server_allowed_addresses:
        description: The addresses that may connect to it besides the leader's.
        type: list
        elements: str
        default: []
      rpc_server_allow_public_address:
        description: Whether it may listen on an address that the Internet can reach.
        type: bool
        default: false
      rpc_server_agent_port:
        description: The port of the agent by which it answers its leader, in a cluster that heals itself.
        type: int
        default: 51052
      rpc_server_tls:
        description: Whether its RPC server and its agent are reached through the tunnel, and no other way.
        type: bool
        default: false
      rpc_server_dcgm_exporter:
        description: Whether NVIDIA's exporter tells Prometheus of its GPUs, so that its agent does not.
        type: bool
        default: false
      llama_server_allowed_addresses:
        description:
          - The addresses and networks that may connect to the API if the host leads, besides the cluster's gateways.
          - Where there is neither, everybody may.
        type: list
        elements: str
        default: []
      llama_server_address:
        description: The address of the API if the host leads. Empty is the one that the plan knows the host by.
        type: str
        default: ""
      llama_server_port:
        description: The port of the API if the host leads.
        type: int
        default: 8080
      llama_server_allow_public_address:
        description: Whether the API may be on an address that the Internet can reach.
        type: bool
        default: false
      llama_server_api_key_file:
        description: The file with the keys of the API. Empty is C(/etc/drover/CLUSTER/api_key).
        type: str
        default: ""
      llama_server_threads:
        description: Threads that compute if the host leads. 0 takes what the plan says.
        type: int
        default: 0
      llama_server_extra_arguments:
        description:
          - More arguments for C(llama-server), flags in their long form.
          - One that Drover decides itself, that lets clients act on the host, or that the build does not know is
            refused.
        type: list
        elements: str
        default: []
      llama_server_heals:
        description: Whether the cluster that the host leads heals itself.
        type: bool
        default: false
      llama_server_health_port:
        description: The port on which a cluster that heals itself tells whether it is healthy.
        type: int
        default: 9080
      llama_server_drain_seconds:
        description: How long a change for the better waits for requests to end, at most, in seconds.
        type: int
        default: 60
"""
