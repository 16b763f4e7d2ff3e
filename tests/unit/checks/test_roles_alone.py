# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/roles_alone.md has people write is what the scenario roles-alone runs, or a playbook that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "roles_alone.md").read_text(encoding="utf-8")
PLAYS = [
    play
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if isinstance(yaml.safe_load(block), list)
    for play in yaml.safe_load(block)
]
RUN = [
    play
    for name in ("converge.yml", "reset.yml")
    for play in yaml.safe_load((ROOT / "molecule" / "roles-alone" / name).read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play["name"])
def test_a_play_of_the_page_is_one_that_is_run(play):
    imported = play.get("ansible.builtin.import_playbook")
    if imported:
        assert (ROOT / "playbooks" / f"{imported.removeprefix('drover.llama.')}.yml").is_file()
    else:
        assert play in RUN


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_every_role_has_its_smallest_playbook(role):
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert yaml.safe_load(block)[0] in PLAYS


def test_a_project_names_the_collection():
    (block,) = (
        block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("collections:")
    )
    (collection,) = yaml.safe_load(block)["collections"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert collection["name"].removesuffix(".git") == galaxy["repository"]
