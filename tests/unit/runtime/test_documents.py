# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover tally`` and ``drover plan`` say what the modules say, in one form."""

from __future__ import annotations

import json

import pytest
from module_utils.hosts.tally import take_tally
from module_utils.hosts.tree import Tree
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy
from module_utils.runtime import command
from unit.placement.fleets import MIB, model, tally


def written(folder, name, document):
    path = folder / name
    path.write_text(json.dumps(document))
    return str(path)


def drover(capsys, *arguments):
    code = command.main("1", arguments)
    out, error = capsys.readouterr()
    return code, out, error


@pytest.fixture
def files(tmp_path):
    tallies = [tally("pi-1", 700 * MIB), tally("pi-2", 700 * MIB)]
    return {
        "model": model(),
        "tallies": tallies,
        "--model": written(tmp_path, "gguf.json", model()),
        "--tally": [written(tmp_path, f"{each['host']}.json", each) for each in tallies],
        "folder": tmp_path,
    }


def test_a_plan_is_what_the_planner_makes(files, capsys):
    policy = {"context_size": 512, "leader": "pi-2"}
    wishes = written(files["folder"], "policy.json", policy)
    arguments = ["--model", files["--model"], "--tally", *files["--tally"], "--policy", wishes, "--cluster", "two"]
    code, out, error = drover(capsys, "plan", *arguments)
    made = make_plan(files["model"], files["tallies"], Policy.from_dict(policy), cluster="two")
    assert (code, out, error) == (0, json.dumps(made, sort_keys=True, indent=2) + "\n", "")
    assert (made["feasible"], made["leader"], made["cluster"]) == (True, "pi-2", "two")


def test_a_plan_that_is_not_feasible_is_printed_and_told_by_the_exit_code(files, capsys):
    code, out, _error = drover(capsys, "plan", "--model", files["--model"], "--tally", files["--tally"][0])
    assert (code, json.loads(out)["feasible"]) == (1, False)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("--model", None, "cannot be read (No such file or directory): give the path of a GGUF model"),
        ("--model", b"GGUF", "is cut off or damaged"),
        ("--model", b"what", "is not JSON"),
        ("--model", b"[]", "The gguf is [] but must be a dictionary"),
        ("--tally", b"{", "give the path of a tally, as drover tally prints it"),
        ("--tally", b"{}", "no schema where schema 1 was expected"),
        ("--policy", b'{"contxt": 1}', "The policy has contxt"),
        ("--policy", None, "cannot be read (No such file or directory): give the path of a policy"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(files, capsys, name, content, told):
    path = files["folder"] / "given"
    if content is not None:
        path.write_bytes(content)
    given = {"--model": files["--model"], "--tally": files["--tally"][0], name: str(path)}
    code, out, error = drover(capsys, "plan", *[word for pair in given.items() for word in pair])
    assert (code, out, error.count("\n")) == (78, "", 1)
    assert told in error


def test_a_tally_is_what_this_machine_tells(capsys):
    """But for what changes from one moment to the next."""
    code, out, error = drover(capsys, "tally", "--no-bandwidth", "--host", "me", "--threads", "3", "--port", "50060")
    made = take_tally(Tree(), host="me", threads=3, port=50060, measure=False)
    told = json.loads(out)
    assert (code, error, told.keys()) == (0, "", made.keys())
    assert (told["host"], told["threads"], told["port"]) == ("me", 3, 50060)
    assert {name: told[name] for name in ("machine", "cpu", "os", "network")} == {
        name: made[name] for name in ("machine", "cpu", "os", "network")
    }
    assert out == json.dumps(told, sort_keys=True, indent=2) + "\n"


def test_what_cannot_be_tallied_is_one_sentence(capsys):
    code, out, error = drover(capsys, "tally", "--address", "10.0.0.x")
    assert (code, out, error.count("\n")) == (78, "", 1)
    assert "10.0.0.x" in error
