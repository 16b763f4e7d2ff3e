# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of another architecture: a virtual machine with a Cortex-A76, emulated."""

from __future__ import annotations

import math
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from . import names, packages, ssh, state
from .command import run
from .emulated_image import EmulatedRecipe
from .errors import LabError
from .host import Host, hardware_address, known_hosts
from .spec import HostSpec, LabSpec

_MEMORY = 2 << 30
_DISK = "16G"  # sparse: it takes what is written to it

# The machine lives in a network of its own, as a container does: its cable ($1) ends there, and a bridge carries on to
# QEMU's end. So a cable is slowed, pulled and counted the same way for both. $2 is a process of the lab's network.
_PLUG_IN = """\
ip link add host0 type veth peer name "$1" netns "$2"
ip tuntap add qemu mode tap
ip link add inner type bridge
for end in host0 qemu; do ip link set "$end" master inner; done
for end in inner host0 qemu; do ip link set "$end" up; done
shift 2
exec "$@"
"""


class VirtualMachine(Host):
    """A QEMU machine on the lab's bridge; its disk is a layer of its own over a shared image, as a container's is."""

    ARCHITECTURE = "arm64"
    # It boots in half a minute, and in some minutes where everything else is busy.
    BOOT_SECONDS = 600
    ANSWER_SECONDS = 15
    recipe = EmulatedRecipe

    def __init__(self, lab: str, name: str):
        super().__init__(lab, name)
        self.image = self.directory / "image"
        self.disk = self.directory / "disk.img"
        self.layer = self.directory / "layer"

    @staticmethod
    def fingerprint(spec: HostSpec) -> dict:
        """What is soldered in: memory in bytes and processors."""
        return {"memory": spec.memory or _MEMORY, "processors": math.ceil(spec.cpu or os.cpu_count())}

    def make(self, lab: LabSpec, spec: HostSpec, fingerprint: dict, image: Path) -> None:
        """Lay out the host's disk, with its name, address, and the lab's key."""
        self.directory.mkdir(parents=True)
        self.image.symlink_to(image)
        for directory in ("upper", "work"):
            (self.layer / directory).mkdir(parents=True)
        self.lay_out(lab, spec, self.layer / "upper")
        run("mke2fs", "-q", "-t", "ext4", "-L", "lab-layer", "-d", self.layer, self.disk, _DISK)
        state.remove_tree(self.layer)
        self.finish(fingerprint)

    def bring_up_to_date(self, lab: LabSpec, spec: HostSpec) -> None:
        """Give a host that runs the CPU share and the neighbours of the spec."""
        self.limit_cpu(spec.cpu)
        subprocess.run(
            ssh.command(lab.name, spec.address, "cat > /etc/hosts"), input=known_hosts(lab, spec).encode(), check=True
        )

    def start(self, spec: HostSpec) -> None:
        """Boot the host with the CPU share of the spec."""
        # One that powered itself off has left its control groups.
        self.remove_traces()
        self.group.create()
        self.limit_cpu(spec.cpu)
        made_from = self.made_from()
        machine = [
            "qemu-system-aarch64",
            *("-machine", "virt", "-cpu", "cortex-a76"),
            *("-smp", made_from["processors"], "-m", f"{made_from['memory'] >> 20}M"),
            *("-nodefaults", "-display", "none", "-serial", "stdio"),
            *("-kernel", self.image / "kernel", "-initrd", self.image / "initrd"),
            # Nothing is newer than /usr here, and looking after it takes long under emulation.
            *("-append", "console=ttyAMA0 quiet audit=0 net.ifnames=0 systemd.condition_needs_update=0"),
            *("-drive", f"file={self.image / 'root.img'},format=raw,if=virtio,readonly=on"),
            # A power cut takes nothing from the machine that keeps the file, so nothing need be waited for.
            *("-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe,discard=unmap"),
            *("-netdev", "tap,id=cable,ifname=qemu,script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=cable,romfile=,mac={hardware_address(spec.address)}"),
            *("-device", "virtio-rng-pci"),
        ]
        cable = names.interface(self.lab, self.name)
        network_of_its_own = ["unshare", "--net", "sh", "-ec", _PLUG_IN, "sh", cable, os.getpid()]
        with self.console.open("wb") as console:
            subprocess.Popen(
                self.group.command([*network_of_its_own, *machine]),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.plug_in(spec.cards)

    def limit_memory(self, _limit: int | None) -> None:
        raise LabError(
            f"Host {self.name} is a virtual machine, and its memory is what it was made with: "
            "change the spec, and `lab up` makes it anew."
        )

    def limit_cpu(self, share: float | None) -> None:
        """Cores, None for no limit; at once, also while the host runs. It keeps showing the processors it has."""
        self.group.limit_cpu(share)

    def limits(self) -> dict:
        """``memory`` in bytes and ``cpu`` in cores, None where there is no limit."""
        return {"memory": self.made_from()["memory"], "cpu": self.group.limits()["cpu"]}

    def harvest(self, suite: str, architecture: str) -> None:
        self.layer.mkdir(exist_ok=True)
        # Saving downloads is no reason to fail: a disk whose power was cut may need more than its journal.
        with suppress(LabError):
            run("mount", "-t", "ext4", "-o", "loop", self.disk, self.layer)
            packages.harvest(suite, architecture, self.layer / "upper")
        state.unmount_below(self.layer)

    @staticmethod
    def is_inside(pid: int) -> bool:
        """Whether this is QEMU, which takes over once the network is there."""
        return os.readlink(f"/proc/{pid}/exe").endswith("/qemu-system-aarch64")
