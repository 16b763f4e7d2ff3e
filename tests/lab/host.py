# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the lab: made, started, limited, cut off, and taken away.

A host of the machine's own architecture is a container with systemd in it. One of another architecture will be a
virtual machine: another class with the same methods, chosen in `machine`.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import image, names, network, packages, ssh, state
from .command import run
from .errors import LabError
from .limits import Group
from .spec import HostSpec, LabSpec

_DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

_NETWORK = """\
[Match]
Name=host0

[Link]
MACAddress={mac}

[Network]
Address={address}/{prefix}
Gateway={gateway}
IPv6AcceptRA=no
"""


class Container:
    """A systemd-nspawn container on the lab's bridge; its disk is a layer of its own over a shared image."""

    def __init__(self, lab: str, name: str):
        self.lab = lab
        self.name = name
        self.directory = state.host_directory(lab, name)
        self.root = self.directory / "root"
        self.upper = self.directory / "upper"
        self.interface = names.interface(lab, name)
        self.group = Group(names.group(lab, name))
        self._fingerprint = self.directory / "fingerprint.json"

    def made_from(self) -> dict | None:
        """The fingerprint of what the host was made from, or None when it was not finished."""
        with suppress(FileNotFoundError):
            return json.loads(self._fingerprint.read_text())
        return None

    def make(self, lab: LabSpec, spec: HostSpec, fingerprint: dict, lower: Path) -> None:
        """Lay out the host's disk, with its name, address, and the lab's key."""
        (self.directory / "work").mkdir(parents=True)
        self.upper.mkdir()
        state.write(self.directory / "lower", str(lower))
        packages.seed(spec.suite, spec.architecture, self.upper)
        # An address keeps its hardware address when its host is made anew, or its neighbours would miss it for a while.
        mac = "02:d1:" + ":".join(f"{int(part):02x}" for part in spec.address.split("."))
        address = _NETWORK.format(address=spec.address, prefix=lab.subnet.prefixlen, gateway=lab.gateway, mac=mac)
        # It must sort before systemd's own 80-container-host0.network.
        state.write(self.upper / "etc/systemd/network/10-lab.network", address)
        state.write(self.upper / "etc/hostname", f"{spec.name}\n")
        state.write(self.upper / "etc/machine-id", f"{hashlib.md5(self._identity()).hexdigest()}\n", 0o444)
        state.write(self.upper / "etc/resolv.conf", _resolv_conf())
        self.write_hosts(self.upper, lab)
        ssh.authorize(lab.name, self.upper / "root/.ssh")
        state.write(self._fingerprint, json.dumps(fingerprint))

    def write_hosts(self, root: Path, lab: LabSpec) -> None:
        """Let the hosts of the lab know each other by name."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        lines += [f"{host.address} {host.name}" for host in lab.hosts.values()]
        state.write(root / "etc/hosts", "\n".join(lines) + "\n")

    def running(self) -> bool:
        return bool(self.group.processes())

    def start(self, memory: int | None, cpu: float | None, memory_files: Path) -> None:
        """Boot the host with limits as in `limit`; ``memory_files`` is where lxcfs is served."""
        # One that powered itself off has left its control groups, and perhaps its cable.
        self.remove_traces()
        self.limit(memory, cpu)
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
            f"--network-bridge={names.bridge(self.lab)}",
            f"--bind={memory_files}:/var/lib/lxcfs",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ]
        with self.console.open("wb") as console:
            subprocess.Popen(
                self.group.command(["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", *command]),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_for_cable()

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def limit(self, memory: int | None, cpu: float | None) -> None:
        """Bytes and cores, None for no limit; at once, also while the host runs."""
        self.group.create()
        self.group.limit_memory(memory)
        self.group.limit_cpu(cpu)

    def link(self, rate: int | None) -> None:
        """Bits per second each way, None for no limit."""
        network.set_rate(self.interface, self._init(), rate)

    def kill(self) -> None:
        """Cut the power: nothing is written back, nobody is told. The disk stays as it is."""
        # A dying kernel would otherwise still close its connections politely.
        if self.running() and network.exists(self.interface):
            network.set_plugged(self.interface, False)
        self.remove_traces()

    def remove_traces(self) -> None:
        """End the host's processes and take away all of it but its disk."""
        self.group.remove()
        network.remove_link(self.interface)
        for leftover in Path("/run/systemd/nspawn").glob(f"*/{names.machine(self.lab, self.name)}"):
            state.remove_tree(leftover)

    def destroy(self) -> None:
        """Take the host away with its disk; the packages it downloaded are kept for the next."""
        self.remove_traces()
        state.unmount_below(self.directory)
        made_from = self.made_from()
        if made_from:
            packages.harvest(made_from["suite"], made_from["architecture"], self.upper)
        state.remove_tree(self.directory)

    def _identity(self) -> bytes:
        return f"{self.lab}/{self.name}".encode()

    def _wait_for_cable(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            with suppress(LabError):
                self._init()
                if network.exists(self.interface):
                    return
            if time.monotonic() > deadline:
                raise LabError(f"Host {self.name} did not start: its console says {self.last_words()!r}.")
            time.sleep(0.02)

    def last_words(self) -> str:
        lines = self.console.read_text(errors="replace").split("\n") if self.console.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def _init(self) -> int:
        """The id of the host's first process."""
        for pid in self.group.processes():
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
                if len(ids) > 1 and ids[-1] == "1":
                    return pid
        raise LabError(f"Host {self.name} of lab {self.lab} is not running: `lab start {self.name}` boots it.")


def machine(lab: str, spec: HostSpec) -> Container:
    """The machine that a host of this architecture runs on."""
    own = _DEBIAN_ARCHITECTURES.get(platform.machine(), platform.machine())
    if spec.architecture != own:
        raise LabError(
            f"host {spec.name}: architecture {spec.architecture} is not this machine's ({own}), and hosts of "
            "another architecture are not possible yet: leave it out."
        )
    return Container(lab, spec.name)


def fingerprint(lab: LabSpec, spec: HostSpec, recipe: image.Recipe) -> dict:
    """What a host is made from: a host whose fingerprint changes is made anew. Limits change while it runs."""
    return {
        "image": recipe.key,
        "suite": spec.suite,
        "architecture": spec.architecture,
        "address": f"{spec.address}/{lab.subnet.prefixlen}",
    }


def _resolv_conf() -> str:
    """The machine's name servers, as a host can reach them: not a stub on the machine's own loopback."""
    upstream = Path("/run/systemd/resolve/resolv.conf")
    return (upstream if upstream.exists() else Path("/etc/resolv.conf")).read_text()
