# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers that a leader's arguments name, and the addresses that their names stand for.

A pod has another address after every start, and llama-server, which connects once, never finds it again. So names are
looked up before it starts, and a probe holds what it was started with against what the names stand for now.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Optional

from ..errors import NotYet
from ..serving.deployment import REMEDY
from .at_once import all_at_once

if TYPE_CHECKING:
    from ..hosts.tree import Tree

RPC = "--rpc"
# Longer than the resolver of the C library waits for a server that does not answer before it asks the next one.
START_SECONDS = 12.0

# What a name stands for: IPv4 addresses, none at all, or None when that cannot be told now.
Addresses = Optional[list[str]]


def with_addresses(arguments: Sequence[str]) -> list[str]:
    """``arguments`` of llama-server with the IPv4 address of each worker that they name by a host name.

    Raises NotYet for a name that stands for no address, or for several: while a pod is replaced, its name stands for
    the old one and the new one for a while.
    """
    entries = _entries(arguments)
    found = look_up(map(_host, entries), START_SECONDS)
    for name, addresses in found.items():
        if not addresses:
            told = "has no address" if addresses is not None else "cannot be looked up"
            raise NotYet(
                f"The worker {_short(name)} is not there yet, since its name {name} {told}: start it, or {REMEDY}."
            )
        if len(addresses) > 1:
            raise NotYet(
                f"The worker {_short(name)} is being replaced, since its name {name} stands for "
                f"{' and '.join(addresses)}: wait until the old one is gone, or give it a name of one address."
            )
    return at_places(arguments, {name: addresses[0] for name, addresses in found.items() if addresses})


def at_places(arguments: Sequence[str], addresses: Mapping[str, str]) -> list[str]:
    """``arguments`` of llama-server with the address of each worker whose name is among ``addresses``."""
    parts = [entry.partition(":") for entry in _entries(arguments)]
    return _with_entries(arguments, [addresses.get(host, host) + colon + port for host, colon, port in parts])


def strayed(tree: Tree, deployment: dict[str, Any], seconds: float, gone: bool = False) -> str | None:
    """Why the llama-server that runs ``deployment`` on the machine in ``tree`` cannot reach a worker any more, in one
    sentence: the worker's name stands for another address than the one that it was started with. Else None.

    With ``gone`` also when the name stands for no address at all. What cannot be told within ``seconds``, as when the
    name server is down, is no reason, nor is a llama-server that does not run or was started by another deployment.
    """
    entries = _entries(deployment["arguments"])
    running = _running_entries(tree, deployment)
    found = look_up(map(_host, entries), seconds) if running else {}
    for entry, started in zip(entries, running):
        name, held = _host(entry), _host(started)
        addresses = found.get(name)
        if addresses is None or held in addresses or not (addresses or gone):
            continue
        now = " and ".join(addresses) or "no address"
        return (
            f"The worker {_short(name)} was replaced, since its name {name} stands for {now} and llama-server was "
            f"started with {held}: start it anew."
        )
    return None


def look_up(hosts: Iterable[str], seconds: float) -> dict[str, Addresses]:
    """The sorted IPv4 addresses of those of ``hosts`` that are names, all asked for at once, by name.

    None stands for a name of which nothing was heard within ``seconds``, or that the name servers cannot tell now.
    """
    # The C library's resolver takes no deadline, so a thread that waits for it is left behind.
    names = [host for host in hosts if not is_address(host)]
    found = all_at_once({name: partial(_addresses, name) for name in names}, seconds)
    return {name: told if isinstance(told, list) else None for name, told in found.items()}


def _addresses(name: str) -> Addresses:
    try:
        answers = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        return sorted({str(answer[4][0]) for answer in answers})
    except socket.gaierror as error:
        # musl and others have no EAI_NODATA.
        gone = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return [] if gone else None
    except (OSError, UnicodeError):  # a label that is empty or too long
        return []


def _running_entries(tree: Tree, deployment: dict[str, Any]) -> list[str]:
    """The ``--rpc`` of the process that runs ``deployment``: equal in all other arguments. Empty: there is none."""
    wanted = [deployment["program"], *deployment["arguments"]]
    count = len(_entries(wanted))
    for pid in tree.names("/proc"):
        if count == 0 or not pid.isdigit():
            continue
        words = (tree.text(f"/proc/{pid}/cmdline") or "").split("\0")
        words += [""] * (len(wanted) - len(words))  # the last arguments may be empty
        entries = _entries(words)
        if len(entries) == count and _with_entries(wanted, entries) == words:
            return entries
    return []


def _entries(arguments: Sequence[str]) -> list[str]:
    """``HOST:PORT`` of each worker."""
    place = _place(arguments)
    return arguments[place].split(",") if place else []


def _with_entries(arguments: Sequence[str], entries: Sequence[str]) -> list[str]:
    place = _place(arguments)
    return [",".join(entries) if index == place else argument for index, argument in enumerate(arguments)]


def _place(arguments: Sequence[str]) -> int | None:
    """Where the value of ``--rpc`` is: never at the start."""
    place = arguments.index(RPC) + 1 if RPC in arguments else 0
    return place if 0 < place < len(arguments) else None


def _host(entry: str) -> str:
    return entry.partition(":")[0]  # llama.cpp's RPC has no IPv6


def is_address(host: str) -> bool:
    """Whether ``host`` is an IPv4 address, and no name."""
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _short(name: str) -> str:
    """What people call the host of that name."""
    return name.partition(".")[0]
