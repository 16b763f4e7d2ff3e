# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release says agrees with itself: galaxy.yml, version_added and the release notes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
RELEASES = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]
PLUGINS = sorted(
    [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/filter/*.yml"), *ROOT.glob("plugins/test/*.yml")]
)


def released() -> dict[str, str]:
    """The release that each module, filter and test came with."""
    found = {}
    for version, release in RELEASES.items():
        entries = [*release.get("modules", []), *(one for kind in release.get("plugins", {}).values() for one in kind)]
        found.update({entry["name"]: version for entry in entries})
    return found


def test_no_release_is_newer_than_the_collection():
    numbers = {version: tuple(map(int, version.split("."))) for version in [*RELEASES, VERSION]}
    assert max(numbers.values()) == numbers[VERSION]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_what_has_no_release_yet_is_of_the_one_to_come(path):
    added, *of_options = re.findall(r'(?m)^ *version_added: "(.*)"$', path.read_text(encoding="utf-8"))
    assert added == released().get(path.stem, VERSION)
    assert {*of_options} <= {*RELEASES, VERSION}


def test_a_release_takes_every_fragment_into_the_notes(tmp_path):
    for name in ("changelogs", "plugins", "roles", "playbooks", "meta"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    # The version at hand may have been released.
    galaxy = (ROOT / "galaxy.yml").read_text(encoding="utf-8").replace(f"version: {VERSION}", "version: 99.0.0")
    (tmp_path / "galaxy.yml").write_text(galaxy, encoding="utf-8")
    new = [path for path in PLUGINS if path.stem not in released()]
    for path in new:
        copied = tmp_path / path.relative_to(ROOT)
        copied.write_text(copied.read_text(encoding="utf-8").replace(f'"{VERSION}"', '"99.0.0"'), encoding="utf-8")
    fragments = tmp_path / "changelogs" / "fragments"
    fragments.mkdir(exist_ok=True)
    (fragments / "tested.yml").write_text("bugfixes:\n  - plan - tested by a fragment.\n", encoding="utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["antsibull-changelog", "release"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
    notes = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    assert '<a id="v99-0-0"></a>' in notes and "tested by a fragment" in notes
    assert list(fragments.glob("*.yml")) == []
    missing = [path.stem for path in new if "llama\\." + path.stem.replace("_", "\\_") + " " not in notes]
    assert missing == []
