# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a lab up and taking it down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from . import (
    binfmt,
    image,
    inventory,
    kept,
    kernel,
    limits,
    machines,
    meminfo,
    names,
    network,
    requirements,
    spec,
    ssh,
    state,
)
from .errors import LabError
from .host import Host
from .kubernetes import cluster, programs
from .spec import HostSpec, LabSpec


def up(reference: str, say) -> LabSpec:
    """Bring a lab up, or bring it up to date: hosts that run and are unchanged are left alone."""
    lab = spec.load(reference)
    hosts = {name: machines.choose(lab.name, wanted) for name, wanted in lab.hosts.items()}
    requirements.check(lab.architectures, must_compile(lab))
    directory = state.lab_directory(lab.name)
    with state.hold(directory, lambda: say(f"waiting for another command on lab {lab.name}")):
        state.write(state.spec_path(lab.name), spec.find(reference).read_text(encoding="utf-8"))
        kept.remove_partial(lab.name)
        cluster_images = cluster.prepare(lab, say) if lab.kubernetes else None
        recipes = {
            name: image.recipe(wanted.suite, wanted.architecture, wanted.packages, hosts[name].recipe)
            for name, wanted in lab.hosts.items()
        }
        images = {}

        def have_image(recipe: image.Recipe) -> None:
            images[recipe] = image.ensure(lab.name, recipe, say)

        in_parallel(have_image, dict.fromkeys(recipes.values()))
        with state.hold(state.STATE):
            kernel.prepare()
        ssh.ensure_key(lab.name)
        network.create(lab)
        for stale in set(state.hosts(lab.name)) - set(lab.hosts):
            say(f"{stale}: no longer in the spec, taken away")
            machines.existing(lab.name, stale).destroy()
        _remove_old_cluster(lab, recipes)

        def bring_up(name: str) -> None:
            wanted, recipe = lab.hosts[name], recipes[name]
            say(f"{name}: {_bring_up(lab, wanted, hosts[name], recipe, images[recipe])}")

        in_parallel(bring_up, lab.hosts)
        inventory.write(lab)
        if lab.kubernetes:
            cluster.up(lab, *cluster_images, say)
    return lab


def must_compile(lab: LabSpec | None) -> bool:
    """Whether the lab is to have Kubernetes, and its programs are not at hand."""
    return lab is not None and lab.kubernetes is not None and not programs.there()


def _remove_old_cluster(lab: LabSpec, recipes: dict) -> None:
    """Take all nodes away when the control plane must be made anew: what they know of it is of no use any more."""
    for first in lab.nodes[:1]:
        fingerprint = machines.fingerprint(lab, first, recipes[first.name])
        if machines.existing(lab.name, first.name).made_from() == fingerprint:
            return
    state.kubeconfig_path(lab.name).unlink(missing_ok=True)
    in_parallel(lambda node: machines.existing(lab.name, node.name).destroy(), lab.nodes)


def _bring_up(lab: LabSpec, wanted: HostSpec, machine: Host, recipe: image.Recipe, made: Path) -> str:
    fingerprint = machines.fingerprint(lab, wanted, recipe)
    earlier = machines.existing(lab.name, wanted.name)
    if earlier.made_from() != fingerprint:
        earlier.destroy()
        machine.make(lab, wanted, fingerprint, made)
        done = "made and booted"
    elif not machine.running():
        done = "booted"
    else:
        done = "already running"
        machine.bring_up_to_date(lab, wanted)
    if not machine.running():
        machine.start(wanted)
    machine.link(wanted.link)
    machine.plug(True)
    failed = _wait_until_up(lab, wanted, machine)
    return f"{done} at {wanted.address}" + (f", degraded: {failed} failed" if failed else "")


def start(lab: LabSpec, name: str) -> None:
    """Boot a host again after `kill`, from the disk that it had, with the limits and the link of the spec."""
    machine, wanted = machines.choose(lab.name, lab.hosts[name]), lab.hosts[name]
    if machine.running():
        return
    with state.hold(state.lab_directory(lab.name)):
        machine.start(wanted)
        machine.link(wanted.link)
        _wait_until_up(lab, wanted, machine)


def _wait_until_up(lab: LabSpec, wanted: HostSpec, machine: Host) -> str:
    return ssh.wait_until_up(
        lab.name, wanted.name, wanted.address, machine.BOOT_SECONDS, machine.ANSWER_SECONDS, machine.running
    )


def down(lab: str, say) -> None:
    """Take a lab away: all of it, whatever state an earlier run has left it in. Nothing happens when there is none."""
    if lab in state.labs():
        with state.hold(state.lab_directory(lab), lambda: say(f"waiting for another command on lab {lab}")):
            kept.remove_partial(lab)
            in_parallel(lambda name: machines.existing(lab, name).destroy(), state.hosts(lab))
            limits.Group(names.group(lab)).remove()
            network.remove(lab)
            state.remove_tree(state.lab_directory(lab))
        say(f"lab {lab} is gone")
    else:
        say(f"lab {lab} is not there")


def release_machine() -> None:
    """Undo what all labs share, once there is none; also what a cut-off `down` has left of it."""
    with state.hold(state.STATE):
        if state.labs():
            return
        meminfo.stop()
        kernel.restore()
        binfmt.restore()
        limits.remove_root_if_empty()
        state.remove_tree(state.MACHINE)
        # A lab that is just coming up may have been quicker: then this is no longer empty.
        with suppress(OSError):
            state.STATE.rmdir()


def clean(say) -> None:
    """Delete what is cached and not used by any lab."""
    with state.hold(state.STATE):
        deleted = kept.remove_unused(image.FOLDER, image.in_use(), 0)
        deleted += kept.remove_unused(programs.FOLDER, programs.in_use(), 0)
        for key in deleted:
            say(f"deleted {key}")
        for folder in ("packages", "sources", "builds"):
            state.remove_tree(state.cache() / folder)


def existing(lab: str) -> LabSpec:
    """The spec that a lab was brought up from."""
    if lab not in state.labs() or not state.spec_path(lab).exists():
        raise LabError(f"Lab {lab} is not up: `lab up` with its spec brings it up.")
    return spec.load(str(state.spec_path(lab)))


def in_parallel(action, items) -> None:
    """Run the action for every item at once; the first failure is raised after all have ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        for future in [pool.submit(action, item) for item in items]:
            future.result()
