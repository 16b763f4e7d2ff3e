# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What awx.yml would make: as it is recorded, asking for variables that there are, in arguments that awx.awx takes.

exported.json is written by ``playbooks/awx.yml -i inventories/pi -e awx_export=tests/unit/awx`` and renamed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RECORDED = json.loads((Path(__file__).parent / "exported.json").read_text(encoding="utf-8"))
TEMPLATES = {template["name"]: template for template in RECORDED["job_template"]}
QUESTIONS = [
    (template["name"], template["playbook"], question)
    for template in RECORDED["job_template"]
    for question in template["survey"]
]
# What the answers to a question may be, by the type of the variable that they are for.
TYPES = {
    "int": {"integer"},
    "float": {"float", "integer"},
    "bool": {"multiplechoice"},
    "str": {"text", "textarea", "multiplechoice"},
    "list": {"textarea"},
    "dict": {"textarea"},
}
# Those of playbooks alone, which no role specifies.
OF_PLAYBOOKS = {
    "drover_cluster": {"type": "str", "default": "main"},
    "drain_hosts": {"type": "list", "default": []},
    "reset_confirm": {"type": "bool", "default": False},
    "reset_models": {"type": "bool", "default": False},
    "recommend_context_size": {"type": "int", "default": 8192},
    "recommend_tokens_per_second": {"type": "float", "default": 3},
}


def variables() -> dict[str, dict]:
    """Every variable that somebody may set, with its type and its default."""
    known = dict(OF_PLAYBOOKS)
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        defaults = yaml.safe_load((path.parents[1] / "defaults" / "main.yml").read_text(encoding="utf-8"))
        options = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
        known |= {name: {**option, "default": defaults.get(name)} for name, option in options.items()}
    return known


VARIABLES = variables()


def texts_of(playbook: str) -> str:
    """All that a playbook consists of: itself, the playbooks and tasks that it imports, and the roles that it names."""
    texts, waiting = {}, [ROOT / playbook]
    while waiting:
        path = waiting.pop()
        if path not in texts:
            texts[path] = text = path.read_text(encoding="utf-8")
            waiting += [found for name in re.findall(r"[\w/]+\.yml", text) if (found := path.parent / name).is_file()]
            for role in re.findall(r"drover\.llama\.(\w+)$", text, re.MULTILINE):
                waiting += [*ROOT.glob(f"roles/{role}/tasks/*.yml"), *ROOT.glob(f"roles/{role}/*/main.yml")]
    return "\n".join(texts.values())


def test_what_is_exported_is_what_is_recorded(tmp_path):
    command = ["ansible-playbook", "-i", "inventories/pi", "playbooks/awx.yml", "-e", f"awx_export={tmp_path}"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=300)
    assert json.loads((tmp_path / "awx.json").read_text(encoding="utf-8")) == RECORDED


@pytest.mark.parametrize("name", TEMPLATES)
def test_its_playbook_is_there(name):
    assert (ROOT / TEMPLATES[name]["playbook"]).is_file()


@pytest.mark.parametrize(("name", "playbook", "question"), QUESTIONS)
def test_a_question_asks_for_a_variable_that_counts(name, playbook, question):
    variable = VARIABLES[question["variable"]]
    assert question["type"] in TYPES[variable["type"]]
    if variable["type"] == "bool":
        assert question["choices"] == ["false", "true"]
    elif "choices" in question:
        assert set(question["choices"]) <= set(variable.get("choices") or question["choices"])
    assert re.search(rf"\b{question['variable']}\b", texts_of(playbook)), "the playbook does not look at it"


@pytest.mark.parametrize(("name", "playbook", "question"), QUESTIONS)
def test_an_answer_that_nobody_gave_changes_nothing(name, playbook, question):
    default = VARIABLES[question["variable"]]["default"]
    empty = {"list": []}.get(VARIABLES[question["variable"]]["type"], "")
    meant = {"true": True, "false": False, "{}": {}, "": empty}.get(question["default"], question["default"])
    assert meant == default
    # A number has no answer that is empty, and Ansible takes no empty text for a dictionary.
    assert question["required"] or question["default"] == ""


def test_nothing_is_taken_off_without_a_word():
    for template in RECORDED["job_template"]:
        if "reset" in template["playbook"]:
            (confirm,) = [question for question in template["survey"] if question["variable"] == "reset_confirm"]
            assert (confirm["default"], confirm["required"]) == ("false", True)


def test_a_credential_sets_variables_that_there_are():
    for kind in RECORDED["credential_type"]:
        fields = {field["id"] for field in kind["inputs"]["fields"]}
        assert all(field["secret"] for field in kind["inputs"]["fields"])
        assert set(kind["injectors"]["extra_vars"]) <= set(VARIABLES)
        used = set(re.findall(r"{{ (\w+)[ |}]", json.dumps(kind["injectors"])))
        assert used == fields


def test_the_workflow_goes_from_the_plan_by_somebody_to_the_deployment():
    (workflow,) = RECORDED["workflow_job_template"]
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    order, at = [], "plan"
    while at:
        order.append(at)
        following = nodes[at].get("related", {}).get("success_nodes", [])
        at = following[0]["identifier"] if following else None
    assert order == ["plan", "approve", "deploy", "status"] and set(order) == set(nodes)
    assert nodes["approve"]["unified_job_template"]["type"] == "workflow_approval"
    for name in ("plan", "deploy", "status"):
        assert nodes[name]["unified_job_template"]["name"] in TEMPLATES
    # What is asked once for all of it is taken by every job that comes.
    asked = {question["variable"] for question in workflow["survey"]}
    for name in ("plan", "deploy"):
        assert asked == {question["variable"] for question in TEMPLATES[f"Drover: {name}"]["survey"]}
    assert {question["variable"] for question in TEMPLATES["Drover: status"]["survey"]} <= asked


def test_an_upgrade_is_asked_for_all_that_the_deployment_was_asked_for():
    asked = {
        name: {question["variable"] for question in TEMPLATES[f"Drover: {name}"]["survey"]}
        for name in ("deploy", "upgrade")
    }
    assert asked["upgrade"] == asked["deploy"] | {"llama_cpp_tag"}


def test_the_schedule_asks_for_the_status():
    (schedule,) = RECORDED["schedule"]
    assert TEMPLATES[schedule["unified_job_template"]]["playbook"] == "playbooks/status.yml"
