# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook of this checkout against the lab as a person would, and read what it said."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cluster import INVENTORY, LEADER, ROOT, address

SETTINGS = ROOT / "molecule" / "resources" / "inventory"
RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+) ", re.MULTILINE)


def unused() -> str:
    """An address of the lab's network that no host has."""
    return address(LEADER).rsplit(".", 1)[0] + ".250"


@pytest.fixture
def inventory(tmp_path):
    """Write an inventory of these groups and return its path."""

    def write(groups: dict) -> Path:
        path = tmp_path / "more.yml"
        path.write_text(yaml.safe_dump(groups), encoding="utf-8")
        return path

    return write


@dataclass(frozen=True)
class Run:
    """One run: its exit ``status``, all it printed as one line of single blanks, and ``changed`` tasks a host."""

    status: int
    said: str
    changed: dict[str, int]


def play(
    name: str,
    *more: Path,
    settings: dict | None = None,
    inventories: tuple[Path, ...] = (INVENTORY, SETTINGS),
    limit: str = "",
    check: bool = False,
    diff: bool = False,
    tags: str = "",
    verbose: bool = False,
    directory: Path = ROOT,
) -> Run:
    """Run ``playbooks/NAME.yml`` on the lab from a ``directory``; ``more`` inventories are added, ``settings`` override
    all others, and ``verbose`` has the result of every task printed."""
    command = ["ansible-playbook", str(ROOT / f"playbooks/{name}.yml"), "--extra-vars", json.dumps(settings or {})]
    for inventory in (*inventories, *more):
        command += ["--inventory", str(inventory)]
    # Any limit at all keeps Ansible from its implicit localhost.
    if limit:
        command += ["--limit", limit]
    if check:
        command.append("--check")
    if diff:
        command.append("--diff")
    if tags:
        command += ["--tags", tags]
    if verbose:
        command.append("-vv")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        # As a shell has it.
        "PWD": str(directory),
        # Molecule asks for colours, which would stand between the words.
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    recap = {host: int(changed) for host, changed in RECAP.findall(done.stdout)}
    # A long message is broken into lines wherever it suits YAML.
    return Run(done.returncode, " ".join(done.stdout.split()), recap)


def failed(run: Run, *words: str) -> None:
    """Assert that the run failed with these words, without a traceback."""
    assert run.status != 0, run.said
    for word in words:
        assert word in run.said, run.said
    assert "Traceback" not in run.said


def refused(run: Run, *words: str) -> None:
    """Assert that the run failed with these words before it changed anything."""
    failed(run, *words)
    assert run.changed, run.said
    assert set(run.changed.values()) == {0}, run.changed


def succeeded(run: Run) -> Run:
    """Assert that the run ended well, and return it."""
    assert run.status == 0, run.said
    return run
