# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tallies, checked and boiled down to what the planner asks of a host: devices, capacity, speed, link."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import DroverError
from . import cost

DEFAULT_PORT = 50052
# No machine comes near it; it keeps hostile numbers out of the arithmetic.
MOST_BYTES = 1 << 60

BY_USER = "excluded by placement_exclude"


@dataclass(frozen=True)
class Device:
    """Memory that layers can be put on: the CPU of ``host``, or its GPU number ``index``.

    The plan fills ``usable_bytes`` up to ``capacity`` and leaves the share ``margin`` free.
    """

    host: str
    index: int
    is_gpu: bool
    usable_bytes: int
    margin: float
    seconds_per_byte: float
    seconds_per_operation: float

    @property
    def capacity(self) -> int:
        return self.usable_bytes - math.ceil(self.usable_bytes * self.margin)


@dataclass(frozen=True)
class Host:
    """A machine: its CPU, its GPUs, and how to reach it."""

    name: str
    endpoint: str
    excluded: str  # why it takes no part; empty if it does
    cpu: Device
    gpus: tuple
    disk_free_bytes: int | None
    link_bytes_per_second: float
    round_trip_seconds: float

    @property
    def lent(self) -> tuple:
        """The devices that its RPC server offers: the GPUs where there are any, else the CPU, as upstream does."""
        return self.gpus or (self.cpu,)

    @property
    def lent_capacity(self) -> int:
        return sum(device.capacity for device in self.lent)


def read_fleet(tallies: list, margin: float) -> list:
    """The hosts of ``tallies`` (contract ``tally``, plus ``exclude`` and ``port``), sorted by name.

    ``margin`` is the share of every device's usable bytes that stays free. Raises ``DroverError`` for no hosts, a name
    that comes twice and a number that cannot be.
    """
    if not isinstance(tallies, list) or not tallies:
        raise DroverError("There are no hosts to plan for: put at least one machine into the group llama_cluster.")
    hosts = [_host(tally, margin) for tally in tallies]
    seen = set()
    for host in hosts:
        if host.name in seen:
            raise DroverError(f"The host {host.name} comes twice in the hosts: give every machine once.")
        seen.add(host.name)
    _check_endpoints(host for host in hosts if not host.excluded)
    return sorted(hosts, key=lambda host: host.name)


def _check_endpoints(hosts):
    """Machines behind the same translation of addresses may all believe to be the same one."""
    by_endpoint = {}
    for host in hosts:
        other = by_endpoint.setdefault(host.endpoint, host)
        if other is not host:
            raise DroverError(
                f"The hosts {other.name} and {host.name} have the same address {host.endpoint}: set rpc_server_address "
                "on each to the one that the others reach it by."
            )


def _host(tally, margin):
    if not isinstance(tally, dict) or not isinstance(tally.get("host"), str) or not tally["host"]:
        raise DroverError("One of the hosts has no name: every tally needs its field host, as memory_info returns it.")
    name = tally["host"]
    memory = _section(tally, "memory", name)
    network = _section(tally, "network", name)
    disk = _section(tally, "disk", name)
    usable = _number(memory, "usable_bytes", name, None)
    cpu = _section(tally, "cpu", name)
    for section, key in (
        (tally, "bandwidth_bytes_per_second"),
        (network, "speed_mbps"),
        (network, "round_trip_seconds"),
        (cpu, "cores"),
        (cpu, "physical_cores"),
    ):
        _number(section, key, name, 0)
    gpus = tally.get("gpus") or []
    if not isinstance(gpus, list) or not all(isinstance(gpu, dict) for gpu in gpus):
        raise DroverError(
            f"The tally of {name} has gpus {gpus!r} where a list of dictionaries belongs: use memory_info's."
        )
    devices = [
        Device(
            name,
            index,
            True,
            _number(gpu, "usable_bytes", name, None),
            margin,
            cost.gpu_seconds_per_byte(gpu),
            cost.gpu_seconds_per_operation(gpu),
        )
        for index, gpu in enumerate(gpus)
    ]
    return Host(
        name=name,
        endpoint=f"{tally.get('address') or name}:{_port(tally, name)}",
        excluded=_excluded(tally.get("exclude")),
        cpu=Device(
            name, 0, False, usable, margin, cost.cpu_seconds_per_byte(tally), cost.cpu_seconds_per_operation(tally)
        ),
        gpus=tuple(devices),
        disk_free_bytes=_number(disk, "free_bytes", name, None) if disk.get("free_bytes") is not None else None,
        link_bytes_per_second=cost.link_bytes_per_second(network),
        round_trip_seconds=cost.round_trip_seconds(network),
    )


def _section(tally, key, name):
    section = tally.get(key) or {}
    if not isinstance(section, dict):
        raise DroverError(
            f"The tally of {name} has {key} {section!r} where a dictionary belongs: use what memory_info returned."
        )
    return section


def _number(section, key, name, default):
    """A number from 0 up, or ``default`` for one that is not there (``None``: it must be)."""
    value = section.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_BYTES:
        raise DroverError(
            f"The tally of {name} has {key} {value!r} where a number from 0 up belongs: use what memory_info returned."
        )
    return value


def _port(tally, name):
    port = tally.get("port", DEFAULT_PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise DroverError(
            f"The RPC port of {name} is {port!r} but must be a number from 1 to 65535: set rpc_server_port."
        )
    return port


def _excluded(given):
    """Why a host takes no part: true stands for the user's own word."""
    return BY_USER if given is True else str(given or "")
