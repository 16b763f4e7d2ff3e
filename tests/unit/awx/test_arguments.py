# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of awx.awx take what awx.yml gives them, by their own specifications; no server is asked."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.plugins.actions import action_class

ROOT = Path(__file__).parents[3]
TASKS = yaml.safe_load((ROOT / "playbooks" / "tasks" / "awx.yml").read_text(encoding="utf-8"))
RECORDED = json.loads((Path(__file__).parent / "exported.json").read_text(encoding="utf-8"))
IMAGE = {"name": "Drover", "description": "", "organization": "Default", "image": "registry.example.org/drover-ee"}


class Taken(Exception):
    """A module was about to begin."""


def validator(name: str, monkeypatch) -> ArgumentSpecValidator:
    """What a module of awx.awx validates its arguments by."""
    action_class("placement")  # from here on, collections can be imported
    module = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{name}")

    def take(argument_spec, **more):
        raise Taken(argument_spec, more)

    monkeypatch.setattr(module, "ControllerAPIModule", take)
    with pytest.raises(Taken) as taken:
        module.main()
    spec, more = taken.value.args
    relations = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
    return ArgumentSpecValidator(spec, **{name: more[name] for name in relations if name in more})


def given(arguments: dict, item: dict) -> dict:
    """A task's arguments for one item: as it has them, and a word where more than the item is needed to know."""
    found = {}
    for name, value in arguments.items():
        whole = re.fullmatch(r"{{ item\.(\w+)(?: or omit)? }}", value) if isinstance(value, str) else None
        if whole:
            found[name] = item[whole[1]]
        elif not (isinstance(value, str) and "{{" in value and name in ("survey_enabled", "survey_spec", "variables")):
            found[name] = value
    return found


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["name"])
def test_its_arguments_are_taken(task, monkeypatch):
    (module,) = [key for key in task if key.startswith("awx.awx.")]
    kind = module.removeprefix("awx.awx.")
    assert task["loop"] == f"{{{{ awx_objects.{kind} }}}}"
    known = validator(kind, monkeypatch)
    for item in RECORDED[kind] or [IMAGE]:
        result = known.validate(given(task[module], item))
        assert result.error_messages == []


def test_an_argument_that_there_is_not_is_found(monkeypatch):
    """That the test above can fail."""
    wrong = {"name": "x", "organization": "Default", "scm_typ": "git"}
    assert "scm_typ" in validator("project", monkeypatch).validate(wrong).error_messages[0]
