# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment: what one host runs for one cluster, as data that a unit or a pod reads and becomes.

A deployment is a dictionary of

- ``schema`` (1), ``cluster`` and ``host`` (names),
- ``part``: ``leader`` (runs llama-server) or ``worker`` (lends memory),
- ``build``: ``version`` (text), ``build`` (number) and ``rpc_protocol`` (text) of its llama.cpp, each null if unknown,
  and on a host, where they are known, ``prints``: by which its files are known again, see ``builds.prints``,
- ``program``: path of the program; ``arguments``: all of its arguments; ``environment``: name -> value, to add,
- ``nodes``: the files of /dev that it needs for its GPUs; ``groups``: those that may use them,
- ``listen``: ``address`` (IPv4, or null, see below) and ``port``; ``allow``: the addresses that may connect, or null
  for anyone (for a worker in a pod: besides a leader in a pod),
- ``files``: ``path`` and ``bytes`` of each file that must be there (``bytes`` null: of any size),
- ``memory_bytes``: what the plan puts into the host's main memory (0 when no plan says),
- ``cache``: null, or ``directory`` of the tensor cache, the ``days`` after which files that were not read go, and where
  there is a bound, ``bytes``: what the files that are left at a start may take together, the last read ones first,
- ``healing``: null where nothing heals by itself; of a worker the ``port`` of its agent, with ``dcgm`` true where
  another exporter tells of NVIDIA's GPUs; of a leader the ``port`` of its health, with ``drain_seconds``, which a
  change for the better waits for requests to end. In a pod also ``most_bytes``: what any plan may put into its memory.
- ``tunnel``: not there unless this host has an end of the tunnel, see ``tunnel``.

A pod has its address from Kubernetes, and another one after every start. Its deployment has the listen address null,
and where its arguments say ``{address}`` that of the pod goes: see ``at_address``. A leader's ``--rpc`` may have host
names of workers, in and outside pods. Pods that are all made from one template have the deployment of the host
``{host}``, and learn from Kubernetes whose it is: see ``at_host``.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

from ..checks import choice, dictionary, document, record, text, whole
from ..errors import DroverError
from .cluster import Cluster

SCHEMA = 1
PARTS = ("leader", "worker")
REMEDY = "run site.yml again (kubernetes.yml for pods), which writes it anew"
# Whoever starts a pod tells its address here (status.podIP of the downward API).
ADDRESS_VARIABLE = "DROVER_ADDRESS"
ADDRESS = "{address}"
# The same of the host (spec.nodeName).
HOST_VARIABLE = "DROVER_HOST"
HOST = "{host}"
# In the environment of a pod that may lead beside others: the path of their Lease in Kubernetes' API, the pod's own id,
# and where the agent of its node's worker answers, if there is one. And where it has its account's token.
LEASE_VARIABLE, POD_VARIABLE, AGENT_VARIABLE = "DROVER_LEASE", "DROVER_POD", "DROVER_AGENT"
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"

_FIELDS: dict[str, Any] = {
    "cluster": str,
    "host": str,
    "part": str,
    "build": dict,
    "program": str,
    "arguments": list,
    "environment": dict,
    "nodes": list,
    "groups": list,
    "listen": dict,
    "allow": (list, type(None)),
    "files": list,
    "memory_bytes": int,
    "cache": (dict, type(None)),
    "healing": (dict, type(None)),
}
# What those lack that were written before there was such a thing. Of two clusters on a host, one may be that old.
_LATER: dict[str, Any] = {"nodes": [], "groups": [], "healing": None}
_WHAT = "The deployment"


def build_of(programs: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was found of llama.cpp's ``programs``, or of a deployment's ``build``, by which a build is told."""
    return {name: programs.get(name) for name in ("version", "build", "rpc_protocol")}


def read_deployment(value: object) -> dict[str, Any]:
    """``value`` as a deployment. Raises DroverError, one sentence, for what is none."""
    found = document({**_LATER, **value} if isinstance(value, dict) else value, _WHAT, SCHEMA, _FIELDS, REMEDY)
    Cluster(found["cluster"])
    text(found["host"], f"{_WHAT}'s host", REMEDY)
    choice(found["part"], f"{_WHAT}'s part", PARTS, REMEDY)
    _texts(dictionary(found["build"].get("prints", {}), f"{_WHAT}'s prints", REMEDY).values(), "prints")
    text(found["program"], f"{_WHAT}'s program", REMEDY)
    _texts(found["arguments"], "arguments")
    _texts(found["environment"].values(), "environment")
    _texts(found["nodes"], "nodes")
    _texts(found["groups"], "groups")
    if found["listen"].get("address", "") is not None:
        text(found["listen"].get("address"), f"{_WHAT}'s listen address", REMEDY)
    whole(found["listen"].get("port"), f"{_WHAT}'s listen port", 1, 65535, REMEDY)
    for address in found["allow"] or ():
        source_network(address, f"An address that {_WHAT.lower()} allows")
    for each in found["files"]:
        file = dictionary(each, f"A file of {_WHAT.lower()}", REMEDY)
        text(file.get("path"), f"The path of a file of {_WHAT.lower()}", REMEDY)
        if file.get("bytes") is not None:
            whole(file["bytes"], f"{_WHAT}'s size of {file['path']}", 0, remedy=REMEDY)
    whole(found["memory_bytes"], f"{_WHAT}'s memory_bytes", 0, remedy=REMEDY)
    if found["cache"] is not None:
        text(found["cache"].get("directory"), f"{_WHAT}'s cache directory", REMEDY)
        whole(found["cache"].get("days"), f"{_WHAT}'s cache days", 1, remedy=REMEDY)
        whole(found["cache"].get("bytes", 0), f"{_WHAT}'s cache bytes", 0, remedy=REMEDY)
    if "tunnel" in found:
        _check_tunnel(found["tunnel"])
    if found["healing"] is not None:
        whole(found["healing"].get("port"), f"{_WHAT}'s healing port", 1, 65535, REMEDY)
        if not isinstance(found["healing"].get("dcgm", False), bool):
            raise DroverError(
                f"{_WHAT} has dcgm {found['healing']['dcgm']!r} where true or false was expected: {REMEDY}."
            )
        whole(found["healing"].get("drain_seconds", 0), f"{_WHAT}'s drain_seconds", 0, remedy=REMEDY)
        leaders = found["healing"].get("leaders", [found["host"]])
        if not isinstance(leaders, list) or found["host"] not in leaders:
            raise DroverError(f"{_WHAT} has leaders {leaders!r} where {found['host']} was expected among: {REMEDY}.")
        whole(found["healing"].get("most_bytes", 0), f"{_WHAT}'s most_bytes", 0, remedy=REMEDY)
    return found


def at_address(deployment: dict[str, Any], address: str | None) -> dict[str, Any]:
    """``deployment`` as it is in force where the environment tells ``address``; one that names its own is unchanged.

    Raises DroverError when an address is needed and is none that llama.cpp's RPC server can listen on.
    """
    if deployment["listen"]["address"] is not None:
        return deployment
    try:
        IPv4Address(address or "")
    except ValueError as error:
        told = f"{ADDRESS_VARIABLE} is {address!r}" if address else f"{ADDRESS_VARIABLE} is not set"
        raise DroverError(
            f"{told}, and {_WHAT.lower()} leaves the address to the pod: set it to the pod's IPv4 address, which "
            "Kubernetes tells as status.podIP (llama.cpp's RPC has no IPv6)."
        ) from error
    return {
        **deployment,
        "arguments": [argument.replace(ADDRESS, str(address)) for argument in deployment["arguments"]],
        "listen": {**deployment["listen"], "address": address},
    }


def at_host(deployment: dict[str, Any], host: str | None) -> dict[str, Any]:
    """``deployment`` as it is in force where the environment tells ``host``; one that names its own is unchanged.

    Raises DroverError when a host is needed and none is told.
    """
    if deployment["host"] != HOST:
        return deployment
    if not host:
        raise DroverError(
            f"{HOST_VARIABLE} is not set, and {_WHAT.lower()} is for whichever host runs it: set it to the name of the "
            "pod's node, which Kubernetes tells as spec.nodeName."
        )
    return {**deployment, "host": host}


def in_pod(deployment: dict[str, Any]) -> bool:
    """Whether ``deployment``, of a cluster that heals itself, is a pod's."""
    return "most_bytes" in (deployment["healing"] or {})


def source_network(value: object, name: str) -> IPv4Network | IPv6Network:
    """The network of those who may connect that ``value`` stands for: an address, or a network such as 10.0.0.0/24."""
    try:
        return ip_network(text(value, name), strict=False)
    except ValueError as error:
        raise DroverError(
            f"{name} is {value!r} but must be an IP address or network, such as 10.0.0.0/24: correct it."
        ) from error


def _check_tunnel(value: object) -> None:
    tunnel = dictionary(value, f"{_WHAT}'s tunnel", REMEDY)
    record(tunnel, f"{_WHAT}'s tunnel", {"accepts": list, "connects": list}, REMEDY)
    for each in (*tunnel["accepts"], *tunnel["connects"]):
        place = dictionary(each, f"A place of {_WHAT.lower()}'s tunnel", REMEDY)
        # It is written into a configuration.
        try:
            IPv4Address(place.get("address"))
        except ValueError as error:
            raise DroverError(
                f"{_WHAT}'s tunnel has the address {place.get('address')!r} where an IPv4 address was expected: "
                f"{REMEDY}."
            ) from error
        whole(place.get("port"), f"The port of {_WHAT.lower()}'s tunnel", 1, 65535, REMEDY)


def _texts(values: Any, name: str) -> None:
    if not all(isinstance(value, str) for value in values):
        raise DroverError(f"{_WHAT} has {name} {list(values)!r} where only texts were expected: {REMEDY}.")
