# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of ansible-core, without an ansible.cfg: check, deploy, change nothing, take it off, in words one can read.

The controller is a host of the lab. What goes wrong here is mostly what a checkout's ansible.cfg hides: how results are
shown, and what Ansible warns of; and the inventory is an INI file, in which every setting is text.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster import ROOT, address, answers, scenario_lab
from lab import ssh
from playbook import RECAP

CONTROLLER, HOSTS = "controller", ["old-server", "pi-1"]
MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"
# The oldest that Drover supports, and whatever is the newest today.
VERSIONS = {"oldest": "ansible-core==2.18.*", "newest": "ansible-core"}
INVENTORY = f"""\
[llama_cluster]
{HOSTS[0]}
{HOSTS[1]}

[llama_leader]
{HOSTS[0]}

[llama_cluster:vars]
ansible_user=root
gguf_model_path=/root/{MODEL.name}
llama_server_context_size=2048
llama_server_allow_public_address=false
rpc_server_allow_public_address=false
placement_spread=all
"""


def on(host: str, line: str, given: bytes = b"", must_work: bool = True) -> str:
    """What a line of shell, run as root on a host of the lab, printed on both outputs; ``given`` is its input."""
    command = ssh.command(scenario_lab(), address(host), line)
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    said = done.stdout.decode()
    assert done.returncode == 0 or not must_work, f"{line} on {host} ended with {done.returncode}: {said[-4000:]}"
    return said


def pip_settings() -> str:
    """This machine's pip.conf as far as it says where packages come from, or nothing."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = re.findall(r"(?m)^[\w:]+\.((?:extra-)?index-url|trusted-host|proxy)=(.*)$", listed)
    return "\n".join(["[global]", *(f"{name} = {ast.literal_eval(value)}" for name, value in wanted)]) + "\n"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory) -> Path:
    """The collection as it is released."""
    folder = tmp_path_factory.mktemp("tarball")
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = folder.glob("drover-llama-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def prepared(tarball) -> None:
    """The controller has the collection's tarball, a model and an inventory, and gets into the cluster's hosts."""
    for name, content in {
        "/etc/pip.conf": pip_settings().encode(),
        "/root/drover.tar.gz": tarball.read_bytes(),
        f"/root/{MODEL.name}": MODEL.read_bytes(),
        "/root/inventory.ini": INVENTORY.encode(),
    }.items():
        on(CONTROLLER, f"cat > {name}", content)
    on(CONTROLLER, "test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
    key = on(CONTROLLER, "cat ~/.ssh/id_ed25519.pub")
    for name in HOSTS:
        on(name, "cat >> ~/.ssh/authorized_keys", key.encode())
    on(CONTROLLER, f"ssh-keyscan {' '.join(HOSTS)} > ~/.ssh/known_hosts 2>/dev/null")


@dataclass(frozen=True)
class Run:
    """One run of a playbook: all that it printed, and how many tasks changed something on each host."""

    said: str
    changed: dict[str, int]


@dataclass(frozen=True)
class Controller:
    """An ansible-core on the controller, in a virtual environment of its own."""

    folder: str

    def play(self, name: str, *more: str, must_work: bool = True) -> Run:
        command = [f"{self.folder}/bin/ansible-playbook", "-i", "inventory.ini", f"drover.llama.{name}", *more]
        said = on(CONTROLLER, f"cd /root && {shlex.join(command)}", must_work=must_work)
        return Run(said, {host: int(changed) for host, changed in RECAP.findall(said)})


@pytest.fixture(scope="module", params=VERSIONS)
def controller(request, prepared) -> Controller:
    """The controller with one version of ansible-core, and the collection installed by it."""
    folder = f"/opt/{request.param}"
    on(CONTROLLER, f"python3 -m venv {folder} && {folder}/bin/pip install --quiet '{VERSIONS[request.param]}' 2>&1")
    on(CONTROLLER, f"rm -rf ~/.ansible && {folder}/bin/ansible-galaxy collection install --no-deps /root/drover.tar.gz")
    return Controller(folder)


# In the order of a user's day: each test goes on where the one before it ended.


def test_the_python_is_new_enough_for_the_newest(controller):
    version = on(CONTROLLER, f"{controller.folder}/bin/python -c 'import sys; print(*sys.version_info[:2])'")
    assert tuple(map(int, version.split())) >= (3, 13)


def test_no_configuration_is_found(controller):
    assert "config file = None" in on(CONTROLLER, f"cd /root && {controller.folder}/bin/ansible --version")


def test_a_check_of_fresh_hosts_changes_nothing(controller):
    run = controller.play("site", "--check")
    readable(run)
    assert set(run.changed) >= set(HOSTS)
    for name in HOSTS:
        left = "ls -d /etc/drover /var/lib/drover /usr/local/lib/drover /etc/systemd/system/drover* 2>/dev/null || true"
        assert on(name, left) == ""


def test_a_public_address_is_refused_although_what_would_allow_it_is_text(controller):
    """``false`` in an INI file is a text, which is true as a condition."""
    public = "5.5.5.5"
    on(CONTROLLER, "cat > public.ini", f"[llama_cluster]\n{HOSTS[1]} rpc_server_address={public}\n".encode())
    on(HOSTS[1], f"ip address add {public}/32 dev lo")
    try:
        run = controller.play("plan", "-i", "public.ini", must_work=False)
    finally:
        on(HOSTS[1], f"ip address del {public}/32 dev lo")
    told = f"The RPC server of {HOSTS[1]} would listen on {public}, which is not a private address"
    assert told in run.said, run.said
    assert "Traceback" not in run.said
    assert set(run.changed.values()) == {0}


def test_a_deployment_says_its_plan_and_its_endpoint_in_lines(controller):
    run = controller.play("site")
    readable(run)
    assert run.changed[HOSTS[0]] > 0
    lines = run.said.split("\n")
    for name in HOSTS:
        assert [line for line in lines if re.search(rf"\b{name}\b.*\d[KMGT]i", line)], f"no line of the plan has {name}"
    assert [line for line in lines if f"http://{address(HOSTS[0])}:8080" in line]


def test_it_answers(controller):
    # The key is not printed: a person reads it where the last words say it is.
    question, answer = answers()[0]
    ask = (
        "import json, sys, urllib.request as u\n"
        "key = open('/etc/drover/main/api_key').read().strip()\n"
        "body = {'messages': [{'role': 'user', 'content': sys.argv[1]}], 'temperature': 0, 'max_tokens': 200}\n"
        f"request = u.Request('http://{address(HOSTS[0])}:8080/v1/chat/completions', json.dumps(body).encode(),\n"
        "    {'Content-Type': 'application/json', 'Authorization': 'Bearer ' + key})\n"
        "print(json.load(u.urlopen(request, timeout=120))['choices'][0]['message']['content'])\n"
    )
    assert on(HOSTS[0], f"python3 - '{question}'", ask.encode()).strip() == answer


@pytest.mark.parametrize("more", [(), ("--check",)], ids=["run", "check"])
def test_a_second_run_changes_nothing(controller, more):
    run = controller.play("site", *more)
    readable(run)
    assert set(run.changed.values()) == {0}, run.said


def test_status_is_readable(controller):
    run = controller.play("status")
    readable(run)
    assert set(run.changed.values()) == {0}


def test_a_host_that_cannot_have_the_build_is_left_out_and_the_others_serve(controller):
    broken = "/usr/local/bin/llama-server"
    on(HOSTS[1], f"printf '#!/bin/sh\\nexit 1\\n' > {broken} && chmod 755 {broken}")
    try:
        run = controller.play("site")
    finally:
        on(HOSTS[1], f"rm {broken}")
    readable(run)
    assert re.search(rf"\b{HOSTS[1]}\b.*{broken}", run.said), run.said
    assert on(HOSTS[1], "systemctl is-active drover-rpc@main.service", must_work=False).strip() != "active"
    assert on(HOSTS[0], "systemctl is-active drover-server@main.service").strip() == "active"


def test_a_reset_leaves_nothing_for_the_next(controller):
    readable(controller.play("reset", "-e", "reset_confirm=true", "-e", "reset_models=true"))
    for name in HOSTS:
        assert on(name, "ls -d /etc/drover /var/lib/drover /usr/local/lib/drover 2>/dev/null || true") == ""


def readable(run: Run) -> None:
    """Assert that nothing warns of us, and that no text of several lines was squeezed into one."""
    for word in ("[WARNING]", "[DEPRECATION WARNING]", "[ERROR]", "Traceback"):
        assert word not in run.said, run.said
    squeezed = [line for line in run.said.split("\n") if "\\n" in line or len(line) > 400]
    assert squeezed == []
