# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A day in AWX, job by job, each where the one before it ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ansible_runner
import pytest
from cluster import INVENTORY, LEADER, ROOT, WORKERS, Api, address, answers, host

HOSTS = [LEADER, *WORKERS]
MADE = json.loads((ROOT / "tests" / "unit" / "awx" / "exported.json").read_text(encoding="utf-8"))
CALLBACKS = {
    "default": {},
    "yaml": {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "json": {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    "minimal": {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"},
}
TEMPLATES = {template["name"].partition(": ")[2]: template for template in MADE["job_template"]}


@dataclass(frozen=True)
class Job:
    """How a job ended: its status, what it printed, how many tasks changed something by host, and its artefacts."""

    status: str
    said: str
    changed: dict[str, int]
    artefacts: dict


@dataclass(frozen=True)
class Awx:
    """What of AWX a job sees: a folder with the project, and collections out of an execution environment."""

    folder: Path

    def launch(self, template: str, **given: str) -> Job:
        """Run a template's playbook with the survey's defaults as text, but for what is ``given``."""
        survey = {question["variable"]: str(question["default"]) for question in TEMPLATES[template]["survey"]}
        run = ansible_runner.run(
            private_data_dir=str(self.folder),
            playbook=TEMPLATES[template]["playbook"],
            inventory=self.inventories()[1::2],
            extravars={**survey, **given},
            envvars=self.environment(),
            quiet=True,
        )
        events = list(run.events)
        (stats,) = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
        said = "\n".join(event["stdout"] for event in events)
        return Job(run.status, said, stats["changed"], stats.get("artifact_data", {}))

    def inventories(self) -> list[str]:
        """The lab's, and what a survey does not ask for, as arguments."""
        return ["-i", str(INVENTORY), "-i", str(self.folder / "inventory.yml")]

    def environment(self) -> dict[str, str]:
        """What Ansible finds: no settings, and the collection out of its tarball."""
        return {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": f"{self.folder / 'collections'}:{ROOT / '.collections'}",
            "ANSIBLE_HOST_KEY_CHECKING": "false",
        }


@pytest.fixture(scope="module")
def awx(tmp_path_factory):
    """The project's folder is mounted read-only, since root may write anywhere."""
    folder = tmp_path_factory.mktemp("awx")
    project = folder / "project"
    project.mkdir()
    files = subprocess.run(["git", "archive", "HEAD", "."], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(project)], input=files, check=True)
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run([*galaxy, "build", "--output-path", str(folder)], cwd=project, check=True, capture_output=True)
    install = [
        *galaxy,
        "install",
        "--offline",
        "--no-deps",
        "--force",
        "--collections-path",
        str(folder / "collections"),
    ]
    subprocess.run([*install, *map(str, folder.glob("*.tar.gz"))], check=True, capture_output=True)
    (folder / "ansible.cfg").write_text("", encoding="utf-8")
    model = {"gguf_model_path": str(ROOT / "tests" / "assets" / "drover-demo.gguf")}
    (folder / "inventory.yml").write_text(json.dumps({"llama_cluster": {"vars": model}}), encoding="utf-8")
    subprocess.run(["mount", "--bind", str(project), str(project)], check=True)
    try:
        subprocess.run(["mount", "--options", "remount,bind,ro", str(project)], check=True)
        yield Awx(folder)
    finally:
        # Connections that Ansible keeps for the next run have it as their folder, and let go of it in a minute.
        subprocess.run(["umount", "--lazy", str(project)], check=True)


ANSWERS = {"llama_server_context_size": "2048", "placement_spread": "all"}


def test_recommending_changes_nothing(awx):
    job = awx.launch("recommend", recommend_tokens_per_second="0.5")
    assert (job.status, job.changed) == ("successful", {}), job.said


def test_a_plan_leaves_its_summary_behind(awx):
    job = awx.launch("plan", **ANSWERS)
    assert (job.status, job.changed) == ("successful", {}), job.said
    plan = job.artefacts["drover_plan"]
    assert set(plan["hosts"]) == set(HOSTS) and plan["leader"] in HOSTS
    assert plan["tokens_per_second"] > 0 and all(mine["bytes"] > 0 for mine in plan["hosts"].values())
    assert "drover_endpoint" not in job.artefacts


def test_a_split_given_as_text_is_the_plan_s(awx):
    split = json.dumps({LEADER: 3, WORKERS[0]: 3, WORKERS[1]: 3})
    job = awx.launch("plan", **ANSWERS, placement_split=split)
    assert job.status == "successful", job.said
    assert set(job.artefacts["drover_plan"]["hosts"]) == set(HOSTS)


def test_a_deployment_leaves_an_endpoint_behind_that_answers(awx):
    job = awx.launch("deploy", **ANSWERS)
    assert job.status == "successful", job.said
    endpoint = job.artefacts["drover_endpoint"]
    key = host(endpoint["key_host"]).check_output("cat %s", endpoint["key_path"]).strip()
    question, answer = answers()[0]
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 200}
    status, said = Api(endpoint["url"], key).request("/chat/completions", body)
    assert (status, said["choices"][0]["message"]["content"].strip()) == (200, answer)
    # Nor is the key anywhere in what AWX keeps.
    assert key not in job.said and key not in json.dumps(job.artefacts)


def test_the_same_again_changes_nothing(awx):
    job = awx.launch("deploy", **ANSWERS)
    assert (job.status, job.changed) == ("successful", {}), job.said


def test_the_status_is_good(awx):
    job = awx.launch("status")
    assert (job.status, job.changed) == ("successful", {}), job.said


@pytest.mark.parametrize("callback", CALLBACKS)
def test_plan_and_last_words_are_readable(awx, callback):
    """By ansible-playbook, in 80 columns, and with nothing of the checkout: neither its ansible.cfg nor its roles."""
    command = ["ansible-playbook", *awx.inventories(), "drover.llama.site"]
    for name, answer in ANSWERS.items():
        command += ["-e", f"{name}={answer}"]
    # Molecule asks for colours, as somebody's own settings might.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PY_COLORS"))}
    environment = {**inherited, **awx.environment(), "COLUMNS": "80", **CALLBACKS[callback]}
    done = subprocess.run(command, cwd=awx.folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "" and "\x1b" not in done.stdout
    wanted = [
        f"Endpoint  http://{address(LEADER)}:8080/v1",
        "Key       /etc/drover/main/api_key on",
        "Try it    curl -H",
    ]
    said = done.stdout.split("\n")
    if callback == "json":
        tasks = [task for play in json.loads(done.stdout)["plays"] for task in play["tasks"]]
        (said,) = [task["hosts"][LEADER]["msg"] for task in tasks if task["task"]["name"] == "Show the endpoint"]
    assert all([line for line in said if start in line] for start in wanted), done.stdout
    rows = [line for line in said if re.search(r"\b(?:CPU|RPC\d)\b.*%", line)]
    assert {re.search(r"[\w-]*\w", line)[0] for line in rows} == set(HOSTS)
    assert max(map(len, rows)) <= 80


def test_an_upgrade_to_what_runs_changes_nothing(awx):
    job = awx.launch("upgrade", **ANSWERS)
    assert (job.status, job.changed) == ("successful", {}), job.said


def test_nothing_is_taken_off_without_confirmation(awx):
    job = awx.launch("reset")
    assert (job.status, job.changed) == ("failed", {}), job.said
    assert "run again with -e reset_confirm=true" in " ".join(job.said.split())


def test_a_confirmed_reset_takes_it_off(awx):
    job = awx.launch("reset", reset_confirm="true", reset_models="true")
    assert job.status == "successful", job.said
    for name in HOSTS:
        assert not host(name).file("/etc/drover").exists
