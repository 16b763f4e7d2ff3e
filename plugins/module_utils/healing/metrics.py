# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of a worker and of the leader's watch, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .gpu_metrics import Figures

# Name -> its kind and what it says.
KNOWN = {
    "drover_rpc_up": ("gauge", "Whether the RPC server listens."),
    "drover_rpc_started_seconds": ("gauge", "When the RPC server was started, in seconds after the boot."),
    "drover_rpc_restarts_total": ("counter", "Restarts of the RPC server that the agent saw since its own start."),
    "drover_memory_lent_bytes": ("gauge", "Memory that this host could lend, before what is left to its own work."),
    "drover_memory_held_bytes": ("gauge", "Memory that the cluster holds here."),
    "drover_gpu_memory_bytes": ("gauge", "Memory of a GPU that the RPC server is given."),
    "drover_gpu_memory_used_bytes": ("gauge", "What all processes hold of that memory."),
    "drover_gpu_busy_ratio": ("gauge", "The share of time in which that GPU was busy lately."),
    "drover_cache_bytes": ("gauge", "Bytes in the tensor cache."),
    "drover_cache_files": ("gauge", "Tensors in the tensor cache."),
    "drover_healthy": ("gauge", "Whether a completion through the current workers could succeed."),
    "drover_worker_up": ("gauge", "Whether a worker answers and holds what it was given."),
    "drover_owner_needs_memory": ("gauge", "Whether a host is planned with less, since its owner needs its memory."),
    "drover_heals_total": ("counter", "How often llama-server was ended so that it starts with other workers."),
}


# Of ``gpu_metrics.Figures``.
OF_GPUS = (
    ("drover_gpu_memory_bytes", "total_bytes"),
    ("drover_gpu_memory_used_bytes", "used_bytes"),
    ("drover_gpu_busy_ratio", "busy"),
)


def worker_metrics(
    deployment: Mapping[str, Any],
    state: Mapping[str, Any],
    lent: Mapping[str, Any],
    gpus: Iterable[Figures],
    restarts: int,
) -> str:
    """What the agent of the worker with that ``deployment`` tells; ``restarts``: of its RPC server."""
    labels = {"cluster": deployment["cluster"], "host": deployment["host"]}
    rpc = state["rpc"]
    values: list[tuple[str, Mapping[str, str], float]] = [
        ("drover_rpc_up", labels, int(rpc is not None)),
        *([("drover_rpc_started_seconds", labels, rpc["started_seconds"])] if rpc else []),
        ("drover_rpc_restarts_total", labels, restarts),
        ("drover_memory_lent_bytes", labels, lent["memory"]["usable_bytes"]),
        ("drover_memory_held_bytes", labels, lent["memory"]["held_bytes"]),
        ("drover_cache_bytes", labels, lent["cache"]["bytes"]),
        ("drover_cache_files", labels, lent["cache"]["files"]),
    ]
    gpus = list(gpus)
    for name, figure in OF_GPUS:
        values += [
            (name, {**labels, "gpu": gpu["gpu"], "name": gpu["name"]}, gpu[figure])
            for gpu in gpus
            if gpu[figure] is not None
        ]
    return _text(values)


def watch_metrics(
    cluster: str, healthy: bool, workers: Mapping[str, bool], owners: Mapping[str, bool], heals: int
) -> str:
    """What the watch of ``cluster`` tells; ``workers``: host -> whether it is up; ``owners``: host -> whether its owner
    needs its memory."""
    return _text(
        [
            ("drover_healthy", {"cluster": cluster}, int(healthy)),
            *(
                ("drover_worker_up", {"cluster": cluster, "host": host}, int(up))
                for host, up in sorted(workers.items())
            ),
            *(
                ("drover_owner_needs_memory", {"cluster": cluster, "host": host}, int(needs))
                for host, needs in sorted(owners.items())
            ),
            ("drover_heals_total", {"cluster": cluster}, heals),
        ]
    )


def _text(values: list[tuple[str, Mapping[str, str], float]]) -> str:
    lines: list[str] = []
    told: set[str] = set()
    for name, labels, value in values:
        if name not in told:
            kind, says = KNOWN[name]
            lines += [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
            told.add(name)
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
