# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment, as far as it comes without a container engine: its build context, and what is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def builder(*arguments: str) -> str:
    """What ansible-builder prints."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["ansible-builder", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_build_context_is_made(tmp_path):
    builder("create", "--context", str(tmp_path), "--output-filename", "Containerfile")
    made = (tmp_path / "Containerfile").read_text(encoding="utf-8")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    needed = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert f'ANSIBLE_INSTALL_REFS="ansible-core{needed.removesuffix(".0")} ansible-runner"' in made
    assert 'PYPKG="python3"' in made
    collections = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert collections == [{"name": "drover.llama", "version": f">={version}"}]


def test_the_collection_says_what_it_needs():
    found = yaml.safe_load(builder("introspect", ".collections"))
    ours = {kind: [line.split("  #")[0] for line in lines if "drover.llama" in line] for kind, lines in found.items()}
    assert ours == {
        "python": ["kubernetes>=31.0"],
        "system": ["openssh-clients [platform:rpm]", "openssh-client [platform:dpkg]", "tar"],
    }
