# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the roles' pages takes effect when an inventory sets it. The table is in resources/variables.py."""

from __future__ import annotations

import json

import llama_cpp_source
import pytest
import yaml
from cluster import LEADER, WORKERS, host
from playbook import play, succeeded
from variables import VARIABLES, Seen, inventory

HOSTS = [LEADER, *WORKERS]


def names(run: str) -> list[str]:
    """The variables that this kind of run sets."""
    return [name for name, case in VARIABLES.items() if case.run == run]


def walk(run: str, playbook: str, folder, more: dict) -> tuple[str, dict]:
    """Run a playbook with all variables of a kind in an inventory; return what it said, and the facts of each host."""
    groups = inventory(run)
    groups["llama_cluster"]["vars"].update(more)
    path = folder / "variables.yml"
    path.write_text(yaml.safe_dump(groups), encoding="utf-8")
    settings = {"variables_playbook": playbook, "variables_folder": str(folder)}
    said = succeeded(play("../molecule/default/variables", path, settings=settings)).said
    return said, {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in HOSTS}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Seen:
    """What site.yml makes of all variables that can be set together; afterwards the cluster is as it was."""
    said, facts = walk("deployed", "site", tmp_path_factory.mktemp("deployed"), {})
    read = {name: host(name).check_output("cat /etc/drover/main/deployment.json") for name in HOSTS}
    facts[LEADER]["api_key"] = host(LEADER).check_output("cat /etc/drover/main/api_key")
    plan = json.loads(host(LEADER).check_output("cat /etc/drover/main/plan.json"))
    yield Seen(facts, {name: json.loads(text) for name, text in read.items()}, plan, said)
    succeeded(play("site"))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Seen:
    """What plan.yml makes of all variables of compiling."""
    source = {
        "llama_cpp_method": "source",
        "llama_cpp_tag": llama_cpp_source.LABEL,
        "llama_cpp_source": "/nowhere/llama.cpp.tar.gz",
        "llama_cpp_source_sha256": "ab" * 32,
    }
    said, facts = walk("compiled", "plan", tmp_path_factory.mktemp("compiled"), source)
    return Seen(facts, {}, facts[LEADER]["placement_plan"], said)


@pytest.mark.parametrize("name", names("deployed"))
def test_it_takes_effect_on_what_is_deployed(deployed, name):
    assert VARIABLES[name].look(deployed)


@pytest.mark.parametrize("name", names("compiled"))
def test_it_takes_effect_on_what_would_be_compiled(compiled, name):
    assert VARIABLES[name].look(compiled)


@pytest.mark.parametrize("name", names("undecided"))
def test_it_is_looked_at(name):
    pytest.fail(f"{name}: {VARIABLES[name].where}")
