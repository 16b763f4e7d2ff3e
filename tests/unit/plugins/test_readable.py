# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Drover tells, as each of Ansible's ways to show results shows it, without the checkout's ansible.cfg."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from module_utils.telling.table import plan_lines
from unit.placement.fleets import MIB, model, plan_of, tally
from unit.plugins.actions import ROOT

PLAN = plan_of(model(), [tally("machine-no-1", 600 * MIB), tally("machine-no-2", 600 * MIB)])
CALLBACKS = {
    "default": {},
    "yaml": {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "json": {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    "minimal": {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"},
}
SHOWN = [{"name": "Show the plan", "ansible.builtin.debug": {"msg": "{{ plan | drover.llama.plan_table }}"}}]
# Long enough to be told of once, and too short to be told of twice.
GROWING = """
import time
for second in range(45):
    with open("{folder}/file", "ab") as file:
        file.write(bytes(1 << 20))
    time.sleep(1)
"""


def play(folder: Path, callback: str, tasks: list[dict]) -> subprocess.CompletedProcess:
    """Run tasks on this machine as somebody would who has nothing of this checkout but the collection."""
    where = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "plan": PLAN}
    plays = [{"name": "Play", "hosts": "localhost", "gather_facts": False, "vars": where, "tasks": tasks}]
    (folder / "play.yml").write_text(json.dumps(plays), encoding="utf-8")
    (folder / "ansible.cfg").write_text("", encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "COLUMNS": "80",
        **CALLBACKS[callback],
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_plan_is_shown_line_by_line(tmp_path, callback):
    done = play(tmp_path, callback, SHOWN)
    assert (done.returncode, done.stderr) == (0, "")
    if callback == "json":
        (task,) = json.loads(done.stdout)["plays"][0]["tasks"]
        assert task["hosts"]["localhost"]["msg"] == plan_lines(PLAN)
        return
    # A sentence may go on in another line, and a row of the table may not.
    for line in plan_lines(PLAN):
        assert " ".join(line.split()) in " ".join(done.stdout.split()), f"{line!r} is not in {done.stdout}"
    table = [line for line in done.stdout.split("\n") if "%" in line]
    assert len(table) == 2 and max(map(len, table)) <= 80
    assert "\x1b" not in done.stdout


@pytest.mark.long  # test_wait_for_job.py
@pytest.mark.parametrize("callback", ["default", "json"])
def test_how_far_it_is_is_told_apart_from_the_results(tmp_path, callback):
    begun = {"name": "Begin", "register": "begun", "async": 100, "poll": 0}
    begun["ansible.builtin.command"] = {"argv": [sys.executable, "-c", GROWING.format(folder=tmp_path / "grown")]}
    wanted = {
        "job": "{{ begun.ansible_job_id }}",
        "name": "m.gguf",
        "folder": str(tmp_path / "grown"),
        "bytes": 45 << 20,
    }
    (tmp_path / "grown").mkdir()
    done = play(tmp_path, callback, [begun, {"name": "Wait", "drover.llama.wait_for_job": wanted}])
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("localhost: m.gguf: ") and line.endswith(" left") and len(line) <= 80
    assert "m.gguf: " not in done.stdout
    if callback == "json":
        assert json.loads(done.stdout)["stats"]["localhost"]["failures"] == 0
