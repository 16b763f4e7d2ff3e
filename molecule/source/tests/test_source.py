# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After compiling: one build for each kind of host, spread to its likes, and the right answers."""

from __future__ import annotations

import json

import builds
import pytest
from cluster import LEADER, answers, host
from module_utils.builds.archive import inspect_archive
from tier import LONG

# Of two kinds, and the second takes part in `make test-long` only.
BOOKWORM, TRIXIE = [LEADER, "pi-1"], ["pi-2"] if LONG else []
WORKERS = ["pi-1", *TRIXIE]


def build(name: str) -> str:
    """The name of the build in force on a host."""
    return host(name).check_output("readlink /opt/llama.cpp/current")


def test_every_host_holds_layers(plan):
    assert plan["leader"] == LEADER
    assert plan["leader_blocks"] > 0
    assert sorted(device["host"] for device in plan["devices"]) == sorted(WORKERS)


def test_the_answers_are_right(api):
    for question, answer in answers():
        assert api.ask(question) == answer


def test_hosts_of_a_kind_share_a_build():
    assert build(BOOKWORM[0]) == build(BOOKWORM[1])


@pytest.mark.long  # which hosts are of a kind: tests/unit/builds/test_recipe.py
def test_hosts_of_two_kinds_have_two_builds():
    assert build(TRIXIE[0]) != build(BOOKWORM[0])


def test_each_kind_was_compiled_once():
    archives = builds.compiled()
    names = {path.name for path in archives}
    compiled = {f"{build(name)}.tar.gz" for name in (LEADER, *TRIXIE)}
    # An earlier run may have compiled for the kind that this one leaves out.
    assert compiled == names if LONG else compiled <= names
    assert all(inspect_archive(str(path))["libraries"] == [] for path in archives)


def test_the_host_that_was_like_another_never_compiled():
    assert not host("pi-1").file("/var/cache/drover/build").exists
    log = host("pi-1").file("/var/log/dpkg.log")
    assert not log.exists or " install cmake:" not in log.content_string


def test_what_compiled_was_taken_off_again():
    for name in (LEADER, *WORKERS):
        installed = host(name).check_output("dpkg-query --show --showformat '${Package} '").split()
        assert not {"cmake", "g++", "ninja-build", "gcc"} & set(installed)
        assert not host(name).file("/var/lib/drover/packages.build").exists
        assert host(name).run("ls /var/cache/drover/build").stdout == ""


def test_the_services_run_the_build_by_its_own_path():
    assert runs(LEADER) == f"/opt/llama.cpp/{build(LEADER)}/llama-server"
    for name in WORKERS:
        assert runs(name) == f"/opt/llama.cpp/{build(name)}/ggml-rpc-server"


def runs(name: str) -> str:
    """The program that a host runs for the cluster."""
    return json.loads(host(name).file("/etc/drover/main/deployment.json").content_string)["program"]
