# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables are what the brain reads, all of them, with the same defaults."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from jinja2 import ChainableUndefined
from jinja2.nativetypes import NativeEnvironment
from module_utils.kubernetes.settings import Settings

ROLE = Path(__file__).parents[3] / "roles" / "kubernetes"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
VARIABLES = (ROLE / "vars" / "main.yml").read_text(encoding="utf-8")
# What images.yml made says which images there are; the rest of the model is that of another role's variables.
WORKED_OUT = ("image", "images", "model", "standby")
SETTINGS = [field for field in fields(Settings) if field.name not in WORKED_OUT]


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
def test_what_is_wished_reaches_the_brain(field):
    assert re.search(rf"'{field.name}': [^\n]*\bkubernetes_{field.name}\b", VARIABLES)


def test_how_many_are_to_stand_by_is_the_planners_own_variable():
    assert re.search(r"'standby': placement_standby \| default\(0\) \| int", VARIABLES)


def test_the_defaults_are_those_of_the_brain():
    image = f"registry.lan/drover@sha256:{'5' * 64}"
    brain = Settings.from_dict({"image": image, "model": {"file": "a.gguf"}})
    # Where nothing is wished, an empty value or 0 stands for it in the role.
    wished = {field.name: DEFAULTS[f"kubernetes_{field.name}"] or None for field in SETTINGS}
    wished |= {"create_namespace": DEFAULTS["kubernetes_create_namespace"]}
    given = {name: value for name, value in wished.items() if value is not None}
    assert Settings.from_dict({"image": image, "model": {"file": "a.gguf"}, **given}) == brain


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_no_variable_is_without_effect(name):
    texts = [path.read_text(encoding="utf-8") for folder in ("tasks", "vars") for path in (ROLE / folder).glob("*.yml")]
    assert any(re.search(rf"\b{name}\b", text) for text in texts)


def applied(**changed):
    """What kubernetes.core.k8s returns of several objects."""
    results = [
        {"changed": is_changed, "method": "apply", "result": {"kind": kind, "metadata": {"name": "a"}}}
        for kind, is_changed in changed.items()
    ]
    return {"changed": any(changed.values()), "result": {"results": results}}


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        (applied(ConfigMap=True, Service=True, Deployment=False), False),
        (applied(ConfigMap=False, Deployment=True), True),
        (applied(ConfigMap=False, Deployment=False), False),
        ({"changed": False, "skipped": True}, False),  # a check on a cluster without the namespace
    ],
)
def test_a_leader_outside_starts_anew_with_the_pods_of_its_workers_alone(registered, expected):
    tasks = yaml.safe_load((ROLE / "tasks" / "serve.yml").read_text(encoding="utf-8"))
    (text,) = [
        task["ansible.builtin.set_fact"]["kubernetes_changed"] for task in tasks if "ansible.builtin.set_fact" in task
    ]
    environment = NativeEnvironment(undefined=ChainableUndefined)
    assert environment.from_string(text).render(__kubernetes_applied=registered) is expected
