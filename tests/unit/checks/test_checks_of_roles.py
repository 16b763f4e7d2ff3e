# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that lint makes of roles and playbooks: what they find, and what they leave alone."""

from __future__ import annotations

import citations
import conditions
import conversions
import entry_points
import pytest

TYPES = {"a_flag": "bool", "a_port": "int", "a_share": "float", "a_list": "list", "a_map": "dict"}


@pytest.mark.parametrize(
    "text",
    [
        "when: a_flag | bool",
        "when: not a_flag | bool and a_port | int > 3",
        "when: [a_flag | default(true) | bool]",
        "when: a_flag is defined",
        "changed_when: \"'a_flag' in said.stdout\"",
        "msg: set a_flag to true, or a_port to 8080",
        'port: "{{ a_port }}"',
        "msg: Port {{ a_port }} is taken; a_flag is {{ a_flag }}",
        "url: \"{{ 'http://' ~ name ~ ':' ~ a_port ~ '/health' }}\"",
        'last: "{{ a_port | int + 1 if a_share | float > 0.5 else omit }}"',
        "last: \"{{ hosts | map('extract', hostvars, 'a_flag') | map('bool') is any }}\"",
        "last: \"{{ hostvars['pi']['a_flag'] | default(false) | bool }}\"",
        "vars: {a_flag: true}",
        'hosts: "{{ a_list }}"',
        "when: a_list | drover.llama.listed | length > 0",
        "that: a_map | default({}) | drover.llama.mapped == {}",
    ],
)
def test_what_is_converted_is_left_alone(text):
    assert list(conversions.in_yaml(text, TYPES)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("when: a_flag", [(1, "a_flag")]),
        ("when: a_list | length > 0", [(1, "a_list")]),
        ('last: "{{ a_map.file }}"', [(1, "a_map")]),
        ("last: \"{{ 'is ' ~ a_map }}\"", [(1, "a_map")]),
        ("- when: x\n- when:\n    - x\n    - not a_flag", [(4, "a_flag")]),
        ("that: a_flag or address is private", [(1, "a_flag")]),
        ("that: a_flag | default(false)", [(1, "a_flag")]),
        ("that: a_flag | bool or a_port > 1", [(1, "a_port")]),
        ("last: >-\n  {{ x }}\n  {{ 1 if a_flag else 2 }}", [(3, "a_flag")]),
        ('last: "{{ {1: a_port} }}"', [(1, "a_port")]),
        ('last: "{{ a_share * 2 }}"', [(1, "a_share")]),
        ("last: \"{{ 'is ' ~ a_flag }}\"", [(1, "a_flag")]),
        ('last: "{{ hostvars[item].a_flag | ternary(1, 2) }}"', [(1, "a_flag")]),
        ("last: \"{{ hostvars[item]['a_flag'] or x }}\"", [(1, "a_flag")]),
        ("last: \"{{ hosts | map('extract', hostvars, 'a_flag') is any }}\"", [(1, "a_flag")]),
        ('last: "{% if a_flag %}x{% endif %}"', [(1, "a_flag")]),
    ],
)
def test_what_is_not_converted_is_found_with_its_line(text, found):
    assert list(conversions.in_yaml(text, TYPES)) == found


@pytest.mark.parametrize(
    ("condition", "doubtful"),
    [
        ("a == 1 and b is defined", False),
        ("not a_list or a_dict | length > 0", False),
        ("stat.exists and found.matched and not ansible_check_mode", False),
        ("a_text | default(false) | bool", False),
        ("true", False),
        ("(a | bool) if b is defined else false", False),
        ("a_dict", True),
        ("a_list or b == 1", True),
        ("a == 1 and b.left_out", True),
        ("a_text | default('')", True),
        ("a_list | length", True),
        ("a if b is defined else false", True),
    ],
)
def test_a_condition_is_true_or_false(condition, doubtful):
    assert conditions.is_doubtful(condition) is doubtful


SPEC = "argument_specs:\n  main:\n    options:\n      a_flag: {type: bool}\n      a_name: {type: str}\n"


@pytest.fixture
def checkout(tmp_path):
    """Makes a checkout of these files and returns its folder."""

    def write(files):
        for name, text in {"roles/one/meta/argument_specs.yml": SPEC, "roles/one/tasks/main.yml": "", **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_variables_are_looked_for_in_tasks_templates_and_playbooks(checkout):
    root = checkout(
        {
            "roles/one/tasks/main.yml": "- when: a_flag\n- when: a_name\n",
            "roles/one/templates/unit.j2": "# a_flag\n{% if a_flag %}\nwhen: a_flag\n",
            "playbooks/tasks/more.yml": "- when: a_flag | bool\n",
        }
    )
    assert [line.partition(": ")[0] for line in conversions.faults(root)] == [
        "roles/one/tasks/main.yml:1",
        "roles/one/templates/unit.j2:2",
    ]


USE = "- block:\n    - ansible.builtin.{how}_role:\n        name: {role}\n        tasks_from: {entry}\n"


@pytest.mark.parametrize(
    ("where", "role", "entry", "found"),
    [
        ("playbooks/a.yml", "drover.llama.one", "main.yml", ""),
        (
            "playbooks/a.yml",
            "drover.llama.one",
            "remove.yml",
            "playbooks/a.yml uses remove of role one, which has no",
        ),
        ("playbooks/tasks/a.yml", "one", "remove", "playbooks/tasks/a.yml uses remove of role one, which has no spec"),
        ("roles/two/tasks/a.yml", "drover.llama.one", "remove", "roles/two/tasks/a.yml uses remove of role one, which"),
        ("roles/one/tasks/a.yml", "drover.llama.one", "remove.yml", ""),
        ("playbooks/a.yml", "drover.llama.one", "'{{ x }}'", "playbooks/a.yml: which entry point {{ x }} of one is"),
    ],
)
@pytest.mark.parametrize("how", ["include", "import"])
def test_an_entry_point_that_others_use_has_a_spec(checkout, where, role, entry, found, how):
    said = entry_points.faults(checkout({where: USE.format(how=how, role=role, entry=entry)}))
    assert len(said) == bool(found)
    assert "".join(said).startswith(found)


def test_a_spec_is_of_an_entry_point_that_others_use(checkout):
    specs = {"roles/one/meta/argument_specs.yml": SPEC + "  inside: {}\n"}
    assert entry_points.faults(checkout(specs)) == ["roles/one: the spec inside is of no file in tasks/"]
    assert entry_points.faults(checkout({**specs, "roles/one/tasks/inside.yml": ""})) == [
        "roles/one: inside has a spec, but no playbook and no other role uses it"
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("# See tests/unit/hosts for more.", ["tests/unit/hosts"]),
        ("# `make lint` of the Makefile holds it.", ["Makefile"]),
        ("# The settings of ansible.cfg, and .ci/run.", ["ansible.cfg", ".ci/run"]),
        ("# The tests of a molecule are docs/plan.md and https://example.org/tests/a.", []),
        ("# What playbooks/bundle.yml made.", ["playbooks/bundle.yml"]),
        ("# How it tests, and latests/things.", []),
    ],
)
def test_files_that_users_do_not_have_are_not_cited(checkout, line, found):
    files = dict.fromkeys(("tests/a", "molecule/a", "Makefile", "ansible.cfg", ".ci/run"), "")
    ignored = "build_ignore: [tests, molecule, Makefile, ansible.cfg, .ci, gone]\n"
    root = checkout({**files, "galaxy.yml": ignored, "roles/one/defaults/main.yml": f"---\n{line}\n"})
    assert [sentence.split(": ")[1].split(" is not")[0] for sentence in citations.faults(root)] == found
