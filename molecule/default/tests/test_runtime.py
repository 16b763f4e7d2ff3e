# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime on a host, without Ansible, says byte for byte what the modules say."""

from __future__ import annotations

import json
import os
import re
import subprocess

import yaml
from cluster import INVENTORY, LEADER, ROOT, WORKERS, answers, host
from playbook import play, succeeded

HOSTS = [LEADER, *WORKERS]
MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"


def module(where: str, name: str, **arguments) -> dict:
    """What a module of the collection returns on a host."""
    command = ["ansible", where, "-i", str(INVENTORY), "-m", f"drover.llama.{name}", "-a", json.dumps(arguments)]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout[done.stdout.index("{") :])


def written(document: dict) -> str:
    """A document in the form in which the runtime prints it."""
    return json.dumps(document, sort_keys=True, indent=2)


def put(path: str, document: dict) -> None:
    """Leave a document on the leader."""
    text = written(document)
    host(LEADER).check_output(f"cat > {path} <<'END'\n{text}\nEND")


def test_it_tells_the_version_of_the_collection():
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert [host(name).check_output("drover version") for name in HOSTS] == [version] * 3


def test_its_tally_is_the_modules():
    # Free memory moves by itself, so one of a few looks that come close after each other must be the same.
    looks = []
    for _ in range(8):
        looks.append(
            (
                written(module("pi-1", "memory_info", host="pi-1")["tally"]),
                host("pi-1").check_output("drover tally --cluster main --host pi-1"),
            )
        )
        if looks[-1][0] == looks[-1][1]:
            return
    moving = re.compile(r'"(available_bytes|usable_bytes|free_bytes|limit_used_bytes|held_bytes)": \d+')
    by_module, by_runtime = looks[-1]
    assert moving.sub(r'"\1"', by_module) == moving.sub(r'"\1"', by_runtime)


def test_its_plan_is_the_modules():
    gguf = module("localhost", "gguf_info", path=str(MODEL))["gguf"]
    tallies = [module(name, "memory_info", host=name)["tally"] for name in HOSTS]
    policy = {"context_size": 2048, "spread": "all", "leader": LEADER}
    plan = module("localhost", "placement", model=gguf, hosts=tallies, **policy)["plan"]
    for name, document in {"gguf": gguf, "policy": policy, **dict(zip(HOSTS, tallies))}.items():
        put(f"/root/{name}.json", document)
    files = " ".join(f"/root/{name}.json" for name in HOSTS)
    printed = host(LEADER).check_output(
        f"drover plan --model /root/gguf.json --tally {files} --policy /root/policy.json"
    )
    assert printed == written(plan)
    # The model itself will do as well.
    of_file = host(LEADER).check_output(
        f"drover plan --model /var/lib/drover/models/{MODEL.name} --tally {files} --policy /root/policy.json"
    )
    assert of_file == written(plan)


def test_a_deployment_that_cannot_be_is_told_and_not_tried_again(api):
    worker, path = host(WORKERS[0]), "/etc/drover/main/deployment.json"
    kept = worker.file(path).content_string
    try:
        worker.check_output(f'sed -i \'s/"schema": 1/"schema": 9/\' {path} && ! systemctl restart drover-rpc@main')
    finally:
        worker.check_output(f"cat > {path} <<'END'\n{kept.rstrip()}\nEND")
    told = worker.check_output("journalctl --unit drover-rpc@main --lines 20 --output cat")
    assert "The deployment has schema 9 where schema 1 was expected: run site.yml again (kubernetes.yml for" in told
    worker.check_output("systemctl reset-failed drover-rpc@main; systemctl start drover-rpc@main")
    # Its leader has lost it, and is back when it has all layers again.
    succeeded(play("site"))
    question, answer = answers()[0]
    assert api.ask(question) == answer
