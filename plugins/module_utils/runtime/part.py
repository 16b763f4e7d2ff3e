# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker or a leader: read this host's deployment, check it, and become the llama.cpp program that it names.

Runs as the service user below the unit's hardening (no ctypes: memory is never writable and executable at once).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from ..errors import DroverError, NotYet
from ..serving.cluster import Cluster, led
from ..serving.command_line import without_cache
from ..serving.deployment import ADDRESS_VARIABLE, HOST_VARIABLE, REMEDY, at_address, at_host, read_deployment
from .documents import load_document
from .workers import with_addresses

# In the environment of a leader whose parent has the lease: what it is tied to it by, see ``tether``.
LEASED = "DROVER_LEASED"


class Unfinished(DroverError):
    """A file that is not whole, or another one. Files appear whole, but for those that are copied into a pod."""


def become(name: str, part: str) -> int:
    """Become the ``part`` of this host in the cluster called ``name``; comes back only by an error."""
    cluster = led(name) if part == "leader" else Cluster(name)
    root = load_deployment(cluster)
    check_part(root, part)
    if part == "leader" and root["healing"] and "leaders" in root["healing"]:
        if LEASED not in os.environ:
            from .standby import lead

            return lead(cluster, root)
        from .tether import tie

        tie(int(os.environ[LEASED]))
    deployment = _decided(cluster, root) if root["healing"] else root
    program, environment = deployment["program"], {**os.environ, **deployment["environment"]}
    # A leader that was started with addresses never learns that a worker has another one by now.
    arguments = with_addresses(deployment["arguments"])
    if deployment["cache"]:
        from .cache import keep_in_order

        if not keep_in_order(deployment["cache"], ended=True, starts=True):
            arguments = without_cache(arguments)
    try:
        os.execve(program, [program, *arguments], environment)
    except OSError as error:
        raise DroverError(
            f"{program} cannot be started ({error.strerror}): install llama.cpp built for this machine, and {REMEDY}."
        ) from error


def _decided(cluster: Cluster, root: dict[str, Any]) -> dict[str, Any]:
    """What this host runs in a cluster that heals itself, by its leader's decision, of what ``root`` grants."""
    if root["part"] == "leader":
        from .leader import decide

        return decide(cluster.name, root)
    from .decisions import in_force

    return in_force(cluster, root)


def load_deployment(cluster: Cluster) -> dict[str, Any]:
    """This host's deployment in ``cluster``, with the address that this host, or pod, has."""
    path = cluster.deployment_path
    if not os.path.exists(path):
        raise DroverError(f"This host runs nothing for the cluster {cluster.name}, since there is no {path}: {REMEDY}.")
    deployment = read_deployment(load_document(path, REMEDY))
    if deployment["cluster"] != cluster.name:
        raise DroverError(f"{path} is for the cluster {deployment['cluster']}: {REMEDY}.")
    deployment = at_host(deployment, os.environ.get(HOST_VARIABLE))
    return at_address(deployment, os.environ.get(ADDRESS_VARIABLE))


def check_part(deployment: dict[str, Any], part: str) -> None:
    """Raise DroverError, one sentence, unless this host can run ``deployment`` as its ``part``."""
    if deployment["part"] != part:
        raise DroverError(
            f"This host is a {deployment['part']} of the cluster {deployment['cluster']} and no {part}: stop this unit."
        )
    program = deployment["program"]
    if not (os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK)):
        raise DroverError(f"{program} is no program that can be run here: install llama.cpp and {REMEDY}.")
    for file in deployment["files"]:
        check_file(file["path"], file["bytes"])
    check_address(**deployment["listen"])


def check_file(path: str, size: int | None) -> None:
    """Raise DroverError unless the file at ``path`` can be read and has ``size`` bytes, if that is known: NotYet while
    it is not there, Unfinished for another size."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        # Its disk may be mounted late.
        raise NotYet(f"{path} is not there: mount its disk, or {REMEDY}.") from error
    except OSError as error:
        raise DroverError(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    if size is not None and found != size:
        raise Unfinished(f"{path} has {found} bytes where {size} were expected: {REMEDY}.")


def check_address(address: str, port: int) -> None:
    """Raise DroverError unless a program can listen there: NotYet for what may come by itself."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            place = f"{address}:{port}"
            if error.errno == errno.EADDRNOTAVAIL:
                # A machine that starts may not have it yet.
                raise NotYet(
                    f"{address} is not an address of this machine: connect its network, or {REMEDY}."
                ) from error
            if error.errno == errno.EADDRINUSE:
                raise NotYet(f"Another program holds {place}: stop it, or set another port and {REMEDY}.") from error
            raise DroverError(f"{place} cannot be listened on ({error.strerror or error}): {REMEDY}.") from error
