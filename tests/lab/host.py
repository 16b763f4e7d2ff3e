# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all hosts of the lab have in common, whatever they run on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from . import names, network, packages, ssh, state
from .errors import LabError
from .limits import Group
from .spec import MAX_NETWORKS, HostSpec, LabSpec

# A container's network interfaces are host0, host1 and so on, a virtual machine's is eth0.
_NETWORK = """\
[Match]
Name=host{number} eth{number}

[Link]
MACAddress={mac}

[Network]
Address={address}
{gateway}IPv6AcceptRA=no
"""


class Host:
    """A host of a lab: its folder, its cables and its control group. What it runs on is for the classes below."""

    def __init__(self, lab: str, name: str):
        self.lab = lab
        self.name = name
        self.directory = state.host_directory(lab, name)
        self.group = Group(names.group(lab, name))
        self._fingerprint = self.directory / "fingerprint.json"

    def made_from(self) -> dict | None:
        """The fingerprint of what the host was made from, or None when it was not finished."""
        with suppress(FileNotFoundError):
            return json.loads(self._fingerprint.read_text())
        return None

    def finish(self, fingerprint: dict) -> None:
        """Write down, as the last step of making it, what the host was made from."""
        state.write(self._fingerprint, json.dumps(fingerprint))

    def lay_out(self, lab: LabSpec, spec: HostSpec, layer: Path) -> None:
        """Fill the host's own layer over its image: its name, addresses, the lab's key, packages that are known."""
        packages.seed(spec.suite, spec.architecture, layer)
        for number, card in enumerate(spec.cards):
            # Without a way out the hosts know none, and whoever looks for one is told at once.
            way_out = lab.internet and card.network.name == spec.default_route
            address = _NETWORK.format(
                number=number,
                mac=hardware_address(card.address),
                address=card.with_prefix,
                gateway=f"Gateway={card.network.gateway}\n" if way_out else "",
            )
            # It must sort before systemd's own 80-container-host0.network.
            state.write(layer / f"etc/systemd/network/10-lab-{number}.network", address)
        state.write(layer / "etc/hostname", f"{spec.name}\n")
        state.write(layer / "etc/machine-id", f"{hashlib.md5(self._identity()).hexdigest()}\n", 0o444)
        state.write(layer / "etc/resolv.conf", _resolv_conf() if lab.internet else "# This lab has no way out.\n")
        state.write(layer / "etc/hosts", known_hosts(lab, spec))
        ssh.authorize(lab.name, layer / "root/.ssh")

    def running(self) -> bool:
        return bool(self.group.processes())

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def last_words(self) -> str:
        lines = self.console.read_text(errors="replace").split("\n") if self.console.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def cables(self) -> dict:
        """The bridges' ends of the host's cables that are there now, by the number of the card."""
        ends = {number: names.interface(self.lab, self.name, number) for number in range(MAX_NETWORKS)}
        return {number: end for number, end in ends.items() if network.exists(end)}

    def link(self, rate: int | None, cards: Collection | None = None) -> None:
        """Bits per second each way, None for no limit: of the cables of these cards, or of all."""
        for number, end in self.cables().items():
            if cards is None or number in cards:
                network.set_rate(end, self.inside(), f"host{number}", rate)

    def plug(self, plugged: bool, cards: Collection | None = None) -> None:
        """Plug the cables of these cards, or all, in or pull them."""
        for number, end in self.cables().items():
            if cards is None or number in cards:
                network.set_plugged(end, plugged)

    def kill(self) -> None:
        """Cut the power: nothing is written back, nobody is told. The disk stays as it is."""
        # A dying kernel would otherwise still close its connections politely.
        if self.running():
            self.plug(False)
        self.remove_traces()

    def remove_traces(self) -> None:
        """End the host's processes and take away all of it but its disk."""
        self.group.remove()
        for end in self.cables().values():
            network.remove_link(end)

    def destroy(self) -> None:
        """Take the host away with its disk; the packages it downloaded are kept for the next."""
        self.remove_traces()
        state.unmount_below(self.directory)
        if made_from := self.made_from():
            self.harvest(made_from["suite"], made_from["architecture"])
        state.remove_tree(self.directory)

    def plug_in(self, cards: tuple) -> None:
        """Wait for the cables of a host that starts, and plug each into the bridge of its network."""
        deadline = time.monotonic() + 20
        while True:
            with suppress(LabError):
                self.inside()
                if len(ends := self.cables()) == len(cards):
                    break
            if time.monotonic() > deadline:
                raise LabError(f"Host {self.name} did not start: its console says {self.last_words()!r}.")
            time.sleep(0.02)
        for number, card in enumerate(cards):
            network.plug_into(names.bridge(self.lab, card.network.number), ends[number])

    def inside(self) -> int:
        """The id of a process in the host's own network; LabError when it does not run."""
        for pid in self.group.processes():
            with suppress(OSError):
                if self.is_inside(pid):
                    return pid
        raise LabError(f"Host {self.name} of lab {self.lab} is not running: `lab start {self.name}` boots it.")

    def _identity(self) -> bytes:
        return f"{self.lab}/{self.name}".encode()


def hardware_address(address: str) -> str:
    """An address keeps its hardware address when its host is made anew, or its neighbours would miss it for a while."""
    return "02:d1:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def known_hosts(lab: LabSpec, spec: HostSpec) -> str:
    """The file by which a host knows those by name with which it shares a network."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    own = {card.network for card in spec.cards}
    lines += [f"{card.address} {one.name}" for one in lab.hosts.values() for card in one.cards if card.network in own]
    return "\n".join(lines) + "\n"


def _resolv_conf() -> str:
    """The machine's name servers, as a host can reach them: not a stub on the machine's own loopback."""
    upstream = Path("/run/systemd/resolve/resolv.conf")
    return (upstream if upstream.exists() else Path("/etc/resolv.conf")).read_text()
