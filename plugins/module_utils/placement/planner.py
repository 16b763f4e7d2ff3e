# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a model and the tallies of the hosts to a plan: who leads, who holds which layers, and why."""

from __future__ import annotations

from ..errors import DroverError
from .cost import Work
from .fleet import read_fleet
from .layers import Layers
from .layout import Judge
from .memory import MemoryModel
from .plan import feasible_plan, infeasible_plan
from .search import MOST_LEADERS, Search
from .settings import Settings

MAX_DEVICES = 16  # upstream: llama_max_devices and GGML_RPC_MAX_SERVERS
SPREADS = ("auto", "all")
DEFAULT_MARGIN = 0.05


def make_plan(
    model: dict,
    hosts: list,
    leader: str | None = None,
    context_size: int = 4096,
    parallel: int = 1,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
    batch_size: int = 2048,
    ubatch_size: int = 512,
    flash_attention: str = "auto",
    max_devices: int = MAX_DEVICES,
    spread: str = "auto",
    split: dict | None = None,
    previous: dict | None = None,
    margin: float = DEFAULT_MARGIN,
    model_host: str | None = None,
) -> dict:
    """Plan ``model`` (contract ``gguf``) onto ``hosts`` (tallies, each with ``exclude`` and ``port`` if set).

    Returns the ``plan`` of the contracts; one that does not fit has ``feasible`` false and says what is missing.
    ``margin`` is the share of each device's usable bytes that stays free. ``model_host`` has the model's file already
    and needs no disk space for it. The same input gives the same plan, in whatever order the hosts come. Raises
    ``DroverError`` for input that cannot be planned with.
    """
    settings = Settings(context_size, parallel, cache_type_k, cache_type_v, batch_size, ubatch_size, flash_attention)
    _check(max_devices, spread, margin)
    fleet = read_fleet(hosts, margin)
    _check_names(fleet, leader, model_host)
    memory = MemoryModel(model, settings)
    layers = Layers(memory, Work(model, memory, settings))
    reasons = list(memory.reasons)

    spare = [{"host": host.name, "reason": "excluded by placement_exclude"} for host in fleet if host.excluded]
    able = [host for host in fleet if not host.excluded]
    leaders = _leaders(able, leader, layers, model["file_bytes"], model_host, reasons)
    workers = able
    if spread == "all":
        workers, left_out = _spread_over(able, leaders, layers, max_devices)
        leaders = [host for host in leaders if host in workers]
        spare += left_out

    judge = Judge(layers, workers, must_spread=spread == "all" and len(workers) > 1)
    layout = Search(judge, max_devices).best(leaders[:MOST_LEADERS], workers)
    if layout is None:
        return infeasible_plan(model, layers, settings, spare, reasons, 0, [])
    taking_part = {layout.leader.name, *layout.worker_names}
    spare += [
        {"host": host.name, "reason": "not needed: the plan is faster without it"}
        for host in workers if host.name not in taking_part
    ]
    return feasible_plan(model, judge, layout, settings, sorted(spare, key=lambda one: one["host"]), reasons)


def _check(max_devices, spread, margin):
    if isinstance(max_devices, bool) or not isinstance(max_devices, int) or not 1 <= max_devices <= MAX_DEVICES:
        raise DroverError(f"max_devices is {max_devices!r} but must be from 1 to {MAX_DEVICES}, llama.cpp's own limit.")
    if spread not in SPREADS:
        raise DroverError(f"spread is {spread!r} but must be one of {', '.join(SPREADS)}.")
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 <= margin < 1:
        raise DroverError(f"margin is {margin!r} but must be a share from 0 up to, not including, 1: 0.05 is 5 %.")


def _check_names(fleet, leader, model_host):
    names = [host.name for host in fleet]
    for what, name in (("leader", leader), ("model_host", model_host)):
        if name and name not in names:
            raise DroverError(f"The {what} {name} is not among the hosts ({', '.join(names)}): give one of them.")
    if leader and next(host for host in fleet if host.name == leader).excluded:
        raise DroverError(f"The leader {leader} is excluded by placement_exclude: take it back in or pin another one.")
    if all(host.excluded for host in fleet):
        raise DroverError(f"All hosts are excluded ({', '.join(names)}): take placement_exclude off at least one.")


def _leaders(able, pinned, layers, file_bytes, model_host, reasons):
    """The hosts that may lead, most promising first: fast, then large, then by name."""
    leaders = []
    for host in able:
        if pinned and host.name != pinned:
            continue
        free = host.disk_free_bytes
        if host.name != model_host and free is not None and free < file_bytes:
            reasons.append(
                f"{host.name} cannot lead: the model's file takes {file_bytes} bytes and its disk has {free} free."
            )
        elif layers.leader_limit(host.cpu.capacity) < 0:
            reasons.append(f"{host.name} cannot lead: its memory does not hold the token embedding.")
        else:
            leaders.append(host)
    if pinned:
        reasons.append(f"{pinned} leads because it is pinned.")
    return sorted(leaders, key=lambda host: (host.name != model_host, host.name))


def _spread_over(able, leaders, layers, max_devices):
    """The hosts that can all hold a part at once, and those that cannot, each with its reason."""
    least = min(layers.device_bytes(first, first + 1) for first in range(layers.count))
    left_out = []
    taken = []
    for host in sorted(able, key=lambda host: (host not in leaders, -host.lent_capacity, host.name)):
        if len(taken) > max_devices:
            left_out.append({"host": host.name, "reason": f"over the limit of {max_devices} devices"})
        elif len(taken) == layers.count:
            left_out.append({"host": host.name, "reason": f"the model has only {layers.count} layers to share out"})
        elif host.lent_capacity < least and host not in leaders:
            left_out.append({"host": host.name, "reason": "its memory does not hold one layer"})
        else:
            taken.append(host)
    return sorted(taken, key=lambda host: host.name), left_out
