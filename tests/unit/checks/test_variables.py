# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of every role is set in some scenario, and looked at there: molecule/resources/variables.py."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "molecule" / "resources"))

from k3s_variables import VARIABLES as OF_K3S  # noqa: E402
from kubernetes_variables import VARIABLES as OF_KUBERNETES  # noqa: E402
from module_utils.serving.inventory import DECIDED  # noqa: E402
from variables import VARIABLES  # noqa: E402

ELSEWHERE = {name: case.where for table in (VARIABLES, OF_KUBERNETES) for name, case in table.items() if case.where}
ELSEWHERE |= OF_K3S
# Some of its variables want a registry, which no scenario has.
APART = ("llama_image",)


def documented() -> set[str]:
    """The variables on the pages of the roles."""
    paths = [path for path in ROOT.glob("roles/*/meta/argument_specs.yml") if path.parts[-3] not in APART]
    specs = [yaml.safe_load(path.read_text()) for path in paths]
    return {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}


def test_every_variable_of_the_roles_is_walked():
    assert {*VARIABLES, *OF_KUBERNETES, *OF_K3S} == documented()


@pytest.mark.parametrize(("name", "where"), ELSEWHERE.items())
def test_what_is_set_elsewhere_is_set_there(name, where):
    assert re.search(rf"\b{name}\b", (ROOT / where).read_text(encoding="utf-8"))


def test_what_the_playbooks_decide_is_what_they_refuse():
    assert {name for name, case in VARIABLES.items() if case.run == "refused"} == set(DECIDED)


def test_no_value_is_the_default():
    """A value that is the default shows nothing when it is seen."""
    defaults = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        defaults.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    walked = {
        name: case.value for table in (VARIABLES, OF_KUBERNETES) for name, case in table.items() if not case.where
    }
    assert [name for name, value in walked.items() if value == defaults.get(name)] == []
