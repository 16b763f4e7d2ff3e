# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tallies, boiled down to what the planner asks of a host: devices, capacity, speed, link, and why it is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import DroverError
from ..hosts.addresses import choose_addresses
from ..hosts.devices import drive_chosen, lent
from ..hosts.document import read_tally
from . import cost


@dataclass(frozen=True)
class Device:
    """Memory that layers can be put on: the device of ``host`` that its llama.cpp calls ``id``.

    The plan fills ``usable_bytes`` up to ``capacity``: the share ``margin`` stays free, and ``overhead_bytes`` is what
    the process takes beside the model. A ``unified`` GPU works in memory that is the CPU's, too. ``unmeasured`` says
    where its speed comes from, see ``cost.unmeasured``, and ``unmeasured_prompts`` where that of prompts does.
    """

    host: str
    id: str
    kind: str
    unified: bool
    usable_bytes: int
    overhead_bytes: int
    margin: float
    seconds_per_byte: float
    seconds_per_operation: float
    unmeasured: str
    unmeasured_prompts: str

    @property
    def is_gpu(self) -> bool:
        return self.kind != "cpu"

    @cached_property
    def capacity(self) -> int:
        return max(0, self.usable_bytes - math.ceil(self.usable_bytes * self.margin) - self.overhead_bytes)


@dataclass(frozen=True)
class Host:
    """A machine: its CPU, its GPUs, those that its RPC server offers by name (``lends``), and how to reach it."""

    name: str
    address: str
    port: int
    threads: int
    excluded: str  # why it takes no part; empty if it does
    left_out_by_user: bool
    cpu: Device
    gpus: tuple[Device, ...]
    lends: tuple[str, ...]
    disk_free_bytes: int
    disk_models: dict[str, int]
    link_bytes_per_second: float
    round_trip_seconds: float

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"

    @cached_property
    def lent(self) -> tuple[Device, ...]:
        """The devices that its RPC server offers, in its order (see ``hosts.devices.lent``). Where those are its CPU
        and GPUs that work in the same memory, the CPU has half of it."""
        shared = self.cpu.usable_bytes
        offered = [gpu for gpu in self.gpus if gpu.id in self.lends]
        devices = _within(shared // 2 if self.cpu.id in self.lends else shared, offered)
        taken = sum(gpu.usable_bytes for gpu in devices if gpu.unified)
        found = {gpu.id: gpu for gpu in devices}
        found[self.cpu.id] = replace(self.cpu, usable_bytes=shared - taken)
        return tuple(found[name] for name in self.lends)

    @cached_property
    def lent_capacity(self) -> int:
        return sum(device.capacity for device in self.lent)

    def leading(self, least_bytes: int) -> tuple[Host, ...]:
        """The ways in which it can lead with at least ``least_bytes`` of capacity left to its CPU: memory that is the
        CPU's and a GPU's counts once, so either the GPU takes what it can, and the CPU the rest, or the CPU takes all.
        """
        shared = [gpu for gpu in self.gpus if gpu.unified]
        if not shared:
            return (self,)
        to_lend = max(0, self.cpu.usable_bytes - math.ceil(least_bytes / (1 - self.cpu.margin)) - 1)
        gpus = _within(to_lend, self.gpus)
        taken = sum(gpu.usable_bytes for gpu in gpus if gpu.unified)
        idle = tuple(replace(gpu, usable_bytes=0) if gpu.unified else gpu for gpu in self.gpus)
        rest = replace(self.cpu, usable_bytes=self.cpu.usable_bytes - taken)
        return (replace(self, cpu=rest, gpus=gpus), replace(self, gpus=idle))


def _within(budget: int, gpus: Sequence[Device]) -> tuple[Device, ...]:
    """The GPUs, those that work in the CPU's memory with no more than ``budget`` together."""
    if not any(gpu.unified for gpu in gpus):
        return tuple(gpus)
    held = []
    for gpu in gpus:
        if gpu.unified:
            gpu = replace(gpu, usable_bytes=min(gpu.usable_bytes, budget))
            budget -= gpu.usable_bytes
        held.append(gpu)
    return tuple(held)


@dataclass(frozen=True)
class Fleet:
    """``hosts``, sorted by name, and the ``network`` that they reach each other by (null: they have no one in common),
    with the ``reasons`` for it, and ``warnings``."""

    hosts: list[Host]
    network: str | None
    reasons: list[str]
    warnings: list[str]


def read_fleet(tallies: object, margin: float, choice: dict | None = None) -> Fleet:
    """The fleet of ``tallies``; ``margin`` is the share of every device's usable bytes that stays free.

    ``choice`` is what llama_cpp_choice returned: it says which devices the build drives on each host, and who cannot
    have it. Left out are those, hosts with ``exclude`` and hosts with ``obstacles``. Raises ``DroverError`` for no
    hosts, a name or a machine that comes twice, and members that cannot reach each other.
    """
    if not isinstance(tallies, list) or not tallies:
        raise DroverError("There are no hosts to plan for: put at least one machine into the group llama_cluster.")
    found = sorted((read_tally(tally) for tally in tallies), key=lambda tally: str(tally["host"]))
    left_out = (choice or {}).get("left_out") or {}
    excluded = {tally["host"]: _why_left_out(tally, left_out) for tally in found}
    if len(excluded) < len(found):
        twice = next(one["host"] for one, other in zip(found, found[1:]) if one["host"] == other["host"])
        raise DroverError(f"The host {twice} comes twice in the hosts: give every machine once.")
    taking_part = [tally for tally in found if not excluded[tally["host"]]]
    addresses = choose_addresses(taking_part)
    hosts, warnings = [], list(addresses.warnings)
    for tally in found:
        driven = drive_chosen(tally, choice)
        hosts.append(_host(driven, excluded[tally["host"]], addresses.chosen.get(tally["host"]) or {}, margin))
        if not hosts[-1].excluded:
            warnings += _about_gpus(driven)
    _check_endpoints(host for host in hosts if not host.excluded)
    return Fleet(hosts, addresses.network, list(addresses.reasons), warnings)


def _about_gpus(tally: dict) -> list[str]:
    """What its owner should know of GPUs that the host has and that hold no layers."""
    problem = [f"{tally['host']}: {tally['gpu_problem']}"] if tally.get("gpu_problem") else []
    return [*problem, *(one["reason"] for one in tally.get("passed_over", ()) if one["reason"])]


def _why_left_out(tally: dict, left_out: dict) -> str:
    """The user's word comes first, then what the machine lacks, then what the build needs."""
    reasons = [tally["exclude"], *tally["obstacles"], left_out.get(tally["host"])]
    return next((reason for reason in reasons if reason), "")


def _check_endpoints(hosts: Iterable[Host]) -> None:
    """Machines behind the same translation of addresses may all believe to be the same one."""
    by_endpoint: dict[str, Host] = {}
    for host in hosts:
        other = by_endpoint.setdefault(host.endpoint, host)
        if other is not host:
            raise DroverError(
                f"The hosts {other.name} and {host.name} have the same address {host.endpoint}: set rpc_server_address "
                "on each to the one that the others reach it by."
            )


def _host(tally: dict, excluded: str, chosen: dict, margin: float) -> Host:
    cpu, *gpus = [
        Device(
            host=tally["host"],
            id=device["id"],
            kind=device["kind"],
            unified=device["unified"],
            usable_bytes=device["usable_bytes"],
            overhead_bytes=device["overhead_bytes"],
            margin=margin,
            seconds_per_byte=cost.seconds_per_byte(device, tally),
            seconds_per_operation=cost.seconds_per_operation(device, tally),
            unmeasured=cost.unmeasured(device, tally),
            unmeasured_prompts=cost.unmeasured_prompts(device),
        )
        for device in tally["devices"]
    ]
    return Host(
        name=tally["host"],
        address=chosen.get("address") or tally["host"],
        port=tally["port"],
        threads=cost.threads(tally),
        excluded=excluded,
        left_out_by_user=bool(tally["exclude"]),
        cpu=cpu,
        gpus=tuple(gpus),
        # Who is left out may name what it does not have.
        lends=tuple(device["id"] for device in lent({**tally, "lend": []} if excluded else tally)),
        disk_free_bytes=tally["disk"]["free_bytes"],
        disk_models=tally["disk"]["models"],
        link_bytes_per_second=cost.link_bytes_per_second(chosen.get("speed_mbps")),
        round_trip_seconds=cost.round_trip_seconds(chosen.get("round_trip_seconds")),
    )
