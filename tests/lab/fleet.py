# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab from Python: what tests and measurements do with its hosts once it is up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from . import lifecycle, machines, ssh, state

_PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
_ASK = """
import json, sys
sys.path.insert(0, "/run/drover-brain")
from module_utils.hosts import link, tally, tree
print(json.dumps({call}))
"""


class Fleet:
    """The hosts of the lab of one spec; a context that brings the lab up and takes it away again."""

    def __init__(self, reference: str):
        self._reference = reference

    def __enter__(self) -> Fleet:
        self.lab = lifecycle.up(self._reference, _quiet)
        self.names = list(self.lab.hosts)
        self.inventory = state.inventory_path(self.lab.name)
        self._hosts = {name: machines.choose(self.lab.name, wanted) for name, wanted in self.lab.hosts.items()}
        return self

    def __exit__(self, *_exception) -> None:
        lifecycle.down(self.lab.name, _quiet)
        lifecycle.release_machine()

    def address(self, name: str) -> str:
        return self.lab.hosts[name].address

    def run(self, name: str, line: str, given: bytes = b"", must_work: bool = True) -> str:
        """What a line of shell, run as root on a host, printed; ``given`` is its standard input."""
        done = subprocess.run(
            ssh.command(self.lab.name, self.address(name), line), input=given, capture_output=True, timeout=300
        )
        if done.returncode and must_work:
            raise RuntimeError(f"{line!r} on {name} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return done.stdout.decode()

    def send(self, name: str, source: Path, target: str) -> None:
        """Copy a file to a host."""
        with source.open("rb") as content:
            command = ssh.command(self.lab.name, self.address(name), f"cat > {target}")
            subprocess.run(command, stdin=content, check=True, timeout=300)

    def tally(self, name: str, **wanted) -> dict:
        """What the module memory_info would tell of a host; ``wanted`` as for ``take_tally``."""
        return {**self._ask(name, "tally.take_tally(tree.Tree(), **json.load(sys.stdin))", wanted), "host": name}

    def link(self, name: str, peer: str) -> dict:
        """What the module link_info would tell of the way from one host to another."""
        return self._ask(name, "link.measure_link(json.load(sys.stdin))", self.address(peer))

    def _ask(self, name, call, given):
        tar = ["tar", "--create", "--exclude=__pycache__", "--directory", str(_PLUGINS), "module_utils"]
        brain = subprocess.run(tar, check=True, capture_output=True).stdout
        self.run(name, "mkdir -p /run/drover-brain && tar --extract --directory /run/drover-brain", brain)
        self.run(name, "cat > /run/drover-brain/ask.py", _ASK.format(call=call).encode())
        return json.loads(self.run(name, "python3 -B /run/drover-brain/ask.py", json.dumps(given).encode()))

    def limit_memory(self, name: str, limit: int) -> None:
        """Let the kernel kill what takes a host over so many bytes."""
        self._hosts[name].limit_memory(limit)

    def killed(self, name: str) -> int:
        """Processes that the kernel has killed on a host for want of memory."""
        return self._hosts[name].group.memory_kills()

    def slow_down(self, name: str, rate: int | None) -> None:
        """Limit a host's cable to so many bits a second each way, or to none."""
        self._hosts[name].link(rate)


def _quiet(_line: str) -> None:
    """Say nothing of what the lab does."""
