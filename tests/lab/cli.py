# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tarfile
import time
from pathlib import Path

from . import lifecycle, machines, network, requirements, sizes, spec, ssh, state
from .errors import LabError
from .host import Host
from .kubernetes import cluster

_HOST = "a host's name, or LAB/HOST"


def main(arguments: list | None = None) -> int:
    """Run one command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.action is not setup:
            requirements.check()
        return options.action(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def up(options) -> None:
    started = time.monotonic()
    lab = lifecycle.up(options.spec, _say)
    print(f"lab {lab.name} is up after {time.monotonic() - started:.1f} s")
    print(f"inventory: {state.inventory_path(lab.name)}")
    if lab.kubernetes:
        print(f"kubeconfig: {state.kubeconfig_path(lab.name)}")


def down(options) -> None:
    if not options.all and not options.spec:
        raise LabError("Which lab? Give its name or its spec, or --all for every lab.")
    for lab in state.labs() if options.all else [_lab_name(options.spec)]:
        lifecycle.down(lab, _say)
    lifecycle.release_machine()


def inventory(options) -> None:
    path = state.inventory_path(_lab_name(options.spec))
    if not path.exists():
        raise LabError(f"Lab {options.spec} is not up: `lab up {options.spec}` brings it up.")
    print(path)


def kubeconfig(options) -> None:
    path = state.kubeconfig_path(_lab_name(options.spec))
    if not path.exists():
        raise LabError(f"Lab {options.spec} is not up with Kubernetes: `lab up` with a spec that has it brings it up.")
    print(path)


def load(options) -> None:
    archive = Path(options.archive)
    if not archive.is_file() or not tarfile.is_tarfile(archive):
        raise LabError(f"{archive} is no OCI archive: give a tar with the layout of an OCI image.")
    lab, nodes = _nodes(options.host)
    lifecycle.in_parallel(lambda node: cluster.load(lab, node, archive), nodes)
    _say(f"{', '.join(node.name for node in nodes)}: {archive.name} is there")


def status(options) -> None:
    rows = [("LAB", "HOST", "ADDRESS", "STATE", "MEMORY USED", "MEMORY LIMIT", "CPU", "LINK")]
    for lab in state.labs():
        described = lifecycle.existing(lab) if state.spec_path(lab).exists() else None
        for name in state.hosts(lab):
            wanted = described and described.hosts.get(name)
            rows.append((lab, name, _addresses(wanted), *_condition(machines.existing(lab, name))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _addresses(wanted: spec.HostSpec | None) -> str:
    return ", ".join(card.address for card in wanted.cards) if wanted else "?"


def _condition(machine: Host) -> tuple:
    if not machine.running():
        return "stopped", "-", "-", "-", "-"
    if not (cables := machine.cables()):
        return "starting", "-", "-", "-", "-"
    limits = machine.limits()
    return (
        "running",
        sizes.show_memory(machine.group.memory_used()),
        sizes.show_memory(limits["memory"]) if limits["memory"] else "none",
        f"{limits['cpu']:g}" if limits["cpu"] else "none",
        ", ".join(_cable(end) for end in cables.values()),
    )


def _cable(end: str) -> str:
    now = network.link_state(end)
    if not now["plugged"]:
        return "down"
    return sizes.show_rate(now["rate"]) if now["rate"] else "unlimited"


def link(options) -> None:
    lab, machine = _running_host(options.host)
    cards = _cards(options, lab.hosts[machine.name])
    if options.blink is not None:
        machine.plug(False, cards)
        time.sleep(options.blink)
        machine.plug(True, cards)
    elif options.plugged is not None:
        machine.plug(options.plugged, cards)
    else:
        machine.link(None if options.unlimited else sizes.parse_rate(options.rate), cards)


def limit(options) -> None:
    _, machine = _running_host(options.host)
    if options.memory is None and options.cpu is None:
        raise LabError("Which limit? Give --memory, --cpu or both.")
    if options.memory is not None:
        machine.limit_memory(None if options.memory == "none" else sizes.parse_memory(options.memory))
    if options.cpu is not None:
        machine.limit_cpu(None if options.cpu == "none" else sizes.parse_cpu(options.cpu))


def run(options) -> None:
    lab, machine = _running_host(options.host)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise LabError("What should run? Give the command after --.")
    # One word is a line for the host's shell; several are a command with its arguments.
    line = words[0] if len(words) == 1 else shlex.join(words)
    arguments = ssh.command(lab.name, lab.hosts[machine.name].address, line)
    os.execvp(arguments[0], arguments)


def kill(options) -> None:
    _, machine = _host(options.host)
    machine.kill()


def start(options) -> None:
    lab, machine = _host(options.host)
    lifecycle.start(lab, machine.name)


def transferred(options) -> None:
    lab, machine = _running_host(options.host)
    cards = _cards(options, lab.hosts[machine.name])
    print(json.dumps(network.transferred([end for number, end in machine.cables().items() if number in cards])))


def doctor(options) -> None:
    print("everything the lab needs is here")


def setup(options) -> None:
    lab = spec.load(options.spec) if options.spec else None
    packages = requirements.setup(lab.architectures if lab else set(), lifecycle.must_compile(lab))
    if packages:
        _say(f"installed {' '.join(packages)}")


def clean(options) -> None:
    lifecycle.clean(_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _lab_name(reference: str) -> str:
    """A lab by its own name or by its spec: `down` works even when the spec is gone."""
    return reference if reference in state.labs() else spec.load(reference).name


def _host(reference: str) -> tuple:
    """(lab, machine) of a host given as ``HOST`` or, where several labs have one of that name, ``LAB/HOST``."""
    wanted, _, name = reference.rpartition("/")
    labs = [lab for lab in state.labs() if name in state.hosts(lab) and wanted in ("", lab)]
    if not labs:
        raise LabError(f"There is no host {reference} in any lab that is up: `lab status` lists them.")
    if len(labs) > 1:
        choices = ", ".join(f"{lab}/{name}" for lab in labs)
        raise LabError(f"Several labs have a host {name}: say which, one of {choices}.")
    lab = lifecycle.existing(labs[0])
    if name not in lab.hosts:
        raise LabError(f"Host {name} is no longer in the spec of lab {lab.name}: `lab up` takes it away.")
    return lab, machines.choose(lab.name, lab.hosts[name])


def _nodes(reference: str) -> tuple:
    """(lab, nodes) of a node given as a host is, or of all of a lab's nodes given as ``all`` or ``LAB/all``."""
    wanted, _, name = reference.rpartition("/")
    if name != "all":
        lab, machine = _running_host(reference)
        nodes = [node for node in lab.nodes if node.name == machine.name]
        if not nodes:
            raise LabError(f"Host {name} of lab {lab.name} is no node of Kubernetes: give one of a spec that has it.")
        return lab, nodes
    labs = [lab for lab in state.labs() if state.kubeconfig_path(lab).exists() and wanted in ("", lab)]
    if len(labs) != 1:
        choices = ", ".join(f"{lab}/all" for lab in labs) or "none is up: `lab up` with a spec that has it"
        raise LabError(f"{reference} means no one lab with Kubernetes: {choices}.")
    lab = lifecycle.existing(labs[0])
    return lab, lab.nodes


def _cards(options, wanted: spec.HostSpec) -> list:
    """The numbers of the host's cards in the network that was named, or of all."""
    cards = {card.network.name: number for number, card in enumerate(wanted.cards)}
    if options.network is None:
        return list(cards.values())
    if options.network not in cards:
        raise LabError(f"Host {wanted.name} is not in a network {options.network}: give one of {', '.join(cards)}.")
    return [cards[options.network]]


def _running_host(reference: str) -> tuple:
    lab, machine = _host(reference)
    if not machine.running():
        raise LabError(f"Host {machine.name} of lab {lab.name} is not running: `lab start {reference}` boots it.")
    return lab, machine


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real systemd hosts on one machine, to test Drover on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action, text: str, host_argument: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        if host_argument:
            added.add_argument("host", metavar="HOST", help=host_argument)
        return added

    command("up", up, "bring a lab up, or up to date with its spec").add_argument("spec", metavar="SPEC")
    taken = command("down", down, "take a lab away, with everything that belongs to it")
    taken.add_argument("spec", metavar="SPEC", nargs="?", help="a spec, or a lab's name")
    taken.add_argument("--all", action="store_true", help="every lab")
    command("inventory", inventory, "print the path of a lab's inventory").add_argument("spec", metavar="SPEC")
    command("kubeconfig", kubeconfig, "print the path of a lab's kubeconfig").add_argument("spec", metavar="SPEC")
    loaded = command("load", load, "give a node, or all, the images of an OCI archive", f"{_HOST}, or all")
    loaded.add_argument("archive", metavar="FILE")
    command("status", status, "list the hosts of all labs")
    linked = command("link", link, "change a host's cables", _HOST)
    cable = linked.add_mutually_exclusive_group(required=True)
    cable.add_argument("--rate", help="so much each way, like 100mbit")
    cable.add_argument("--unlimited", action="store_true", help="as fast as it goes")
    cable.add_argument("--down", dest="plugged", action="store_const", const=False, help="pull the cable")
    cable.add_argument("--up", dest="plugged", action="store_const", const=True, help="plug it in")
    cable.add_argument("--blink", type=float, metavar="SECONDS", help="pull it, and plug it in after so long")
    limits = command("limit", limit, "change a host's limits", _HOST)
    limits.add_argument("--memory", help="like 1GiB, or none")
    limits.add_argument("--cpu", help="cores, like 0.5, or none")
    ran = command("run", run, "run a command on a host over SSH", _HOST)
    ran.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    command("kill", kill, "cut a host's power", _HOST)
    command("start", start, "boot a host again after kill", _HOST)
    counted = command("bytes", transferred, "print the bytes over a host's cables since it booted, as JSON", _HOST)
    for one in (linked, counted):
        one.add_argument("--network", metavar="NAME", help="only the cable to this network; all without it")
    command("doctor", doctor, "check that the machine has what the lab needs")
    wanted = command("setup", setup, "install the Debian packages that the lab needs")
    wanted.add_argument("spec", metavar="SPEC", nargs="?", help="and those that the hosts of this spec need")
    command("clean", clean, "delete what is cached and no lab uses")
    return parser
