# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking off a host what ``leftovers`` tells to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from ..errors import DroverError
from ..hosts.tree import Tree
from . import leftovers

# Runs a command with its standard input: (exit status, output, errors).
Run = Callable[..., "tuple[int, str, str]"]
_SECONDS = 20
_GROUPS = "/sys/fs/cgroup"


class Clearing:
    """One host that is cleared, or, when it only pretends, told of."""

    def __init__(self, run: Run, pretend: bool) -> None:
        self._run = run
        self._pretend = pretend
        self._removed: list[str] = []

    def clear(self, pods: str) -> list[str]:
        """Take everything off; ``pods`` is the network of the cluster's pods. Returns what went, a line each.

        Raises DroverError when processes do not end, or a mount or a rule does not go.
        """
        self._end_processes()
        self._unmount()
        self._forget_containers()
        self._remove_interfaces(pods)
        for command in ("iptables", "ip6tables"):
            self._remove_rules(command)
        self._remove_sets()
        self._remove_groups()
        return self._removed

    def _end_processes(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while found := leftovers.processes(_running(Tree())):
            if not self._removed:
                self._removed.append(f"{len(found)} processes of pods")
            if self._pretend:
                return
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise DroverError(f"The processes {found} of pods do not end: look for what holds them, and run again.")
            time.sleep(0.1)

    def _unmount(self) -> None:
        points = [line.split(" ")[4] for line in (Tree().text("/proc/self/mountinfo") or "").splitlines()]
        for point in leftovers.mounts(points):
            path = point.encode().decode("unicode_escape")
            self._do(f"mount {path}", "umount", "--lazy", path)
            if not self._pretend and path.startswith("/run/netns/"):
                os.unlink(path)

    def _forget_containers(self) -> None:
        folder = leftovers.runtime_state(others=Tree().has("/run/containerd/containerd.sock"))
        if os.path.isdir(folder):
            self._removed.append(f"folder {folder}")
            if not self._pretend:
                shutil.rmtree(folder)

    def _remove_interfaces(self, pods: str) -> None:
        for name in leftovers.interfaces(self._json("ip", "-json", "link")):
            # With a bridge's end the pod's end goes, and with the bridge its routes. Those of a pod that has just ended
            # go by themselves, a little later.
            self._do(f"interface {name}", "ip", "link", "delete", name, there=f"/sys/class/net/{name}")
        for destination in leftovers.routes(self._json("ip", "-json", "route"), pods):
            self._do(f"route to {destination}", "ip", "route", "delete", destination)

    def _remove_rules(self, command: str) -> None:
        save = f"{command}-save"
        if not shutil.which(save):
            return
        _status, saved, _errors = self._run([save])
        wanted = leftovers.without_rules(saved)
        if wanted is None:
            return
        self._do(f"rules of {command}", f"{command}-restore", given=wanted)
        _status, saved, _errors = self._run([save])
        # What iptables makes of itself when it is first asked.
        for table in leftovers.empty_tables(saved) if not self._pretend and shutil.which("nft") else []:
            self._run(["nft", "delete", "table", "ip" if command == "iptables" else "ip6", table])

    def _remove_sets(self) -> None:
        if not shutil.which("ipset"):
            return
        _status, known, _errors = self._run(["ipset", "list", "-name"])
        for name in leftovers.sets(known.splitlines()):
            self._do(f"set {name}", "ipset", "destroy", name)

    def _remove_groups(self) -> None:
        tree = Tree()
        if any(tree.has(f"{_GROUPS}/{where}kubepods.slice") for where in ("", "systemd/")):
            self._do("control group kubepods.slice", "systemctl", "stop", "kubepods.slice")
        hierarchies = [_GROUPS, *(f"{_GROUPS}/{name}" for name in tree.names(_GROUPS))]
        for hierarchy in hierarchies:
            for top in ("kubepods", "kubepods.slice", "k8s.io"):
                for folder, _folders, _files in os.walk(f"{hierarchy}/{top}", topdown=False):
                    if folder == f"{hierarchy}/{top}":
                        self._removed.append(f"control group {folder}")
                    if not self._pretend:
                        with suppress(FileNotFoundError):
                            os.rmdir(folder)

    def _json(self, *command: str) -> list[dict]:
        status, said, _errors = self._run(list(command))
        return json.loads(said) if status == 0 and said.strip() else []

    def _do(self, what: str, *command: str, given: str | None = None, there: str = "") -> None:
        """Run ``command``; that it fails is no matter where the file ``there`` is gone then."""
        self._removed.append(what)
        if self._pretend:
            return
        status, _said, errors = self._run(list(command), data=given)
        if status != 0 and (not there or Tree().has(there)):
            raise DroverError(f"{' '.join(command)!r} failed ({errors.strip() or status}): see why, and run again.")


def _running(tree: Tree) -> dict[int, tuple[int, list[str]]]:
    """Process id -> its parent's id and its command line."""
    found = {}
    for name in tree.names("/proc"):
        if name.isdigit():
            status = tree.table(f"/proc/{name}/status")
            words = (tree.text(f"/proc/{name}/cmdline") or "").split("\0")
            found[int(name)] = (status.get("PPid", 0), words)
    return found
