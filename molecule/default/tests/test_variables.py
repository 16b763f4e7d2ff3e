# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the roles' pages takes effect when an inventory sets it, or is refused by name.

The table is in resources/variables.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import llama_cpp_source
import pytest
import yaml
from cluster import LEADER, WORKERS, host
from playbook import failed, play, refused, succeeded
from variables import VARIABLES, Seen, inventory

HOSTS = [LEADER, *WORKERS]


def names(run: str) -> list[str]:
    """The variables that this kind of run sets."""
    return [name for name, case in VARIABLES.items() if case.run == run]


def write(groups: dict, folder: Path) -> Path:
    """Write an inventory that sets variables."""
    path = folder / "variables.yml"
    path.write_text(yaml.safe_dump(groups), encoding="utf-8")
    return path


def walk(run: str, playbook: str, folder: Path, more: dict) -> tuple[str, dict]:
    """Run a playbook with all variables of a kind in an inventory; return what it said, and the facts of each host."""
    groups = inventory(run)
    groups["llama_cluster"]["vars"].update(more)
    settings = {"variables_playbook": playbook, "variables_folder": str(folder)}
    said = succeeded(play("../molecule/default/variables", write(groups, folder), settings=settings)).said
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
    }
    said, facts = walk("compiled", "plan", tmp_path_factory.mktemp("compiled"), source)
    return Seen(facts, {}, facts[LEADER]["placement_plan"], said)


# First, while the cluster is as it was converged: what else changes would restart it, too.
def test_a_restart_and_a_time_limit_take_effect(tmp_path):
    """The one by another process, and the other by a failure: nothing answers at once."""
    ask = "systemctl show --property MainPID drover-server@main.service"
    before = host(LEADER).check_output(ask)
    path = write({"llama_cluster": {"vars": {"llama_server_restart": "true", "llama_server_timeout": "0"}}}, tmp_path)
    failed(play("site", path), " 0 seconds")
    assert host(LEADER).check_output(ask) != before


@pytest.mark.parametrize("name", names("deployed"))
def test_it_takes_effect_on_what_is_deployed(deployed, name):
    assert VARIABLES[name].look(deployed)


@pytest.mark.parametrize("name", names("compiled"))
def test_it_takes_effect_on_what_would_be_compiled(compiled, name):
    assert VARIABLES[name].look(compiled)


def test_what_the_playbooks_decide_is_refused_by_name(tmp_path):
    groups = inventory("refused")
    # A setting of the whole cluster that one host alone has would not count either.
    groups["llama_cluster"]["hosts"] = {WORKERS[-1]: {"placement_margin": "0.2"}}
    run = play("plan", write(groups, tmp_path))
    refused(run, *names("refused"), "which the playbooks decide themselves: take them out of the inventory")
    refused(run, f"placement_margin is one setting of the whole cluster, and {WORKERS[-1]} has another")
