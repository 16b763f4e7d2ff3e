# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the machine's own architecture: a container with systemd in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import cpuinfo, meminfo, names, packages, state
from .command import run
from .host import Host, known_hosts
from .image import Recipe
from .kubernetes import containers, node
from .spec import HostSpec, LabSpec


class Container(Host):
    """A systemd-nspawn container on the lab's bridges; its disk is a layer of its own over a shared image."""

    BOOT_SECONDS = 120
    ANSWER_SECONDS = 1
    recipe = Recipe

    def __init__(self, lab: str, name: str):
        super().__init__(lab, name)
        self.root = self.directory / "root"
        self.upper = self.directory / "upper"
        self.shown = self.directory / "shown"  # what the host is shown of its limits

    @staticmethod
    def fingerprint(_spec: HostSpec) -> dict:
        """Nothing more than every host has: limits change while a container runs."""
        return {}

    def make(self, lab: LabSpec, spec: HostSpec, fingerprint: dict, image: Path) -> None:
        """Lay out the host's disk, with its name, address, and the lab's key."""
        for directory in (self.directory / "work", self.upper, self.shown):
            directory.mkdir(parents=True)
        state.write(self.directory / "lower", str(image / "root"))
        self.lay_out(lab, spec, self.upper)
        if spec.pods:
            node.lay_out(lab, spec, self.directory, self.upper)
        elif spec.containers:
            containers.lay_out(self.directory, self.upper)
            containers.without_engine(self.upper)
        self.finish(fingerprint)

    def bring_up_to_date(self, lab: LabSpec, spec: HostSpec) -> None:
        """Give a host that runs the limits and the neighbours of the spec."""
        self.limit_memory(spec.memory)
        self.limit_cpu(spec.cpu)
        state.write(self.root / "etc/hosts", known_hosts(lab, spec))

    def start(self, spec: HostSpec) -> None:
        """Boot the host with the limits of the spec."""
        # One that powered itself off has left its control groups, and perhaps its cable.
        self.remove_traces()
        self.group.create()
        self.limit_memory(spec.memory)
        self.limit_cpu(spec.cpu)
        with state.hold(state.STATE):
            memory_files = meminfo.directory()
        if not state.mounts_below(self.root):
            self.root.mkdir(exist_ok=True)
            lower = (self.directory / "lower").read_text()
            layers = f"lowerdir={lower},upperdir={self.upper},workdir={self.directory / 'work'}"
            run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        command = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            f"--directory={self.root}",
            f"--machine={names.machine(self.lab, self.name)}",
            f"--hostname={self.name}",
            f"--network-bridge={names.bridge(self.lab, spec.cards[0].network.number)}",
            *(
                f"--network-veth-extra={names.interface(self.lab, self.name, number)}:host{number}"
                for number in range(1, len(spec.cards))
            ),
            f"--bind={memory_files}:/var/lib/lxcfs",
            f"--bind-ro={self.shown}:/var/lib/lab",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ]
        if spec.pods:
            command = node.start_command(self.directory, self.group, command)
        elif spec.containers:
            command = containers.start_command(self.directory, self.group, command)
        else:
            command = ["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", *command]
        with self.console.open("wb") as console:
            subprocess.Popen(
                self.group.command(command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.plug_in(spec.cards)

    def limit_memory(self, limit: int | None) -> None:
        """Bytes, None for no limit; at once, also while the host runs."""
        self.group.limit_memory(limit)

    def limit_cpu(self, share: float | None) -> None:
        """Cores, None for no limit; at once, also while the host runs."""
        self.group.limit_cpu(share)
        # In place: the running host has this very file mounted.
        (self.shown / "cpuinfo").write_text(cpuinfo.shown(Path("/proc/cpuinfo").read_text(), share))

    def limits(self) -> dict:
        """``memory`` in bytes and ``cpu`` in cores, None where there is no limit."""
        return self.group.limits()

    def remove_traces(self) -> None:
        super().remove_traces()
        for leftover in Path("/run/systemd/nspawn").glob(f"*/{names.machine(self.lab, self.name)}"):
            state.remove_tree(leftover)

    def harvest(self, suite: str, architecture: str) -> None:
        packages.harvest(suite, architecture, self.upper)

    @staticmethod
    def is_inside(pid: int) -> bool:
        """Whether this is the host's first process, and not that of one of its pods."""
        status = Path(f"/proc/{pid}/status").read_text()
        ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        return len(ids) == 2 and ids[1] == "1"
