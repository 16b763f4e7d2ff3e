# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing but a bundle: the collection out of it, its archives and its model, on hosts with no way out."""

from __future__ import annotations

import json
import os
import subprocess

import builds
import pytest
from cluster import INVENTORY, LEADER, ROOT, WORKERS, answers, host
from playbook import RECAP

BUNDLE = builds.cache() / "bundle"
HOSTS = [LEADER, *WORKERS]


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    """A folder into which the collection was installed out of the bundle, and the environment that finds it there."""
    return installed(BUNDLE, tmp_path_factory.mktemp("controller"))


def installed(bundle, folder):
    """The folder, now with the collection that is in a bundle, and an environment for commands that use it."""
    (tarball,) = bundle.glob("drover-llama-*.tar.gz")
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_NOCOLOR": "1"}
    command = [
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--no-deps",
        "--collections-path",
        str(folder),
        str(tarball),
    ]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, environment


@pytest.fixture(scope="module")
def site(controller):
    """Runs drover.llama.site of the collection that is in the bundle, and returns what each host changed."""
    folder, environment = controller
    settings = {
        "llama_cpp_bundle": str(BUNDLE),
        "gguf_model_path": str(BUNDLE / "models" / "drover-demo.gguf"),
        "llama_server_context_size": 2048,
        "placement_spread": "all",
    }
    leader = ROOT / "molecule" / "resources" / "inventory" / "hosts.yml"

    def run():
        command = ["ansible-playbook", "drover.llama.site", "-i", str(INVENTORY), "-i", str(leader)]
        command += [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout
        return {name: int(changed) for name, changed in RECAP.findall(done.stdout)}

    return run


def test_the_hosts_have_no_way_out():
    for name in HOSTS:
        assert host(name).run("timeout 5 apt-get -o Acquire::Retries=0 update -qq --error-on=any").rc != 0


def test_a_bundle_can_be_made_by_what_came_out_of_one(controller, tmp_path):
    folder, environment = controller
    settings = {
        "bundle_directory": str(tmp_path / "bundle"),
        "bundle_archives": [str(path) for path in builds.compiled()],
    }
    command = ["ansible-playbook", "drover.llama.bundle", "-e", json.dumps(settings)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (tmp_path / "controller").mkdir()
    again, _ = installed(tmp_path / "bundle", tmp_path / "controller")
    collection = "ansible_collections/drover/llama/MANIFEST.json"
    assert (again / collection).read_text() == (folder / collection).read_text()


def test_a_bundle_is_all_it_takes_and_a_second_run_changes_nothing(site):
    assert site()[LEADER] > 0
    assert set(site().values()) == {0}


def test_the_answers_are_right(api):
    for question, answer in answers():
        assert api.ask(question) == answer


def test_every_host_got_the_first_archive_that_runs_on_it():
    # What is compiled on the older distribution runs on both.
    for name in HOSTS:
        current = host(name).check_output("readlink /opt/llama.cpp/current")
        assert current == builds.compiled()[0].name.removesuffix(".tar.gz")
