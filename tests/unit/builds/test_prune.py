# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which builds go, and which stay whatever their age."""

from __future__ import annotations

import json
import os
import time

import pytest
from module_utils.builds.prune import kept_builds

OLDEST, OLD, NEW = "b1-00000001", "b2-00000002", "b3-unproven"


@pytest.fixture
def machine(tmp_path):
    """A host with three builds of Drover's, the oldest first, and with things that are not Drover's beside them."""
    builds = tmp_path / "opt"
    for name in (OLDEST, OLD, NEW):
        (builds / name / "bin").mkdir(parents=True)
        time.sleep(0.02)  # the clock of the file system ticks by a hundredth
    (tmp_path / "proc").mkdir()
    return tmp_path


def deploy(machine, cluster, program):
    folder = machine / "etc" / cluster
    folder.mkdir(parents=True)
    text = program if isinstance(program, bytes) else json.dumps({"schema": 1, "program": str(program)}).encode()
    (folder / "deployment.json").write_bytes(text)


def run(machine, pid, program):
    (machine / "proc" / str(pid)).mkdir()
    (machine / "proc" / str(pid) / "exe").symlink_to(program)


def look(machine, keep=1, chosen=NEW, used=()):
    return kept_builds(
        str(machine / "opt"), keep, chosen, used, clusters_folder=str(machine / "etc"), processes=str(machine / "proc")
    )


def goes(machine, **options):
    return [os.path.basename(path) for path in look(machine, **options)["surplus"]]


@pytest.mark.parametrize(
    ("keep", "chosen", "expected"),
    [
        (1, NEW, [OLDEST, OLD]),
        (2, NEW, [OLDEST]),
        (3, NEW, []),
        (99, NEW, []),
        (0, NEW, [OLDEST, OLD]),  # the one in force always stays
        (-5, NEW, [OLDEST, OLD]),
        (1, OLDEST, [OLD, NEW]),
        (2, OLDEST, [OLD]),
        (1, None, [OLDEST, OLD, NEW]),  # packages are in force
        (2, None, [OLDEST, OLD]),
    ],
)
def test_the_oldest_go(machine, keep, chosen, expected):
    assert goes(machine, keep=keep, chosen=chosen) == expected


def test_what_runs_stays(machine):
    run(machine, 1, "/usr/lib/systemd/systemd")
    run(machine, 7, machine / "opt" / OLDEST / "bin" / "llama-server")
    (machine / "proc" / "8").mkdir()  # a thread of the kernel
    (machine / "proc" / "self").mkdir()
    assert goes(machine) == [OLD]


def test_what_any_cluster_is_deployed_with_stays(machine):
    deploy(machine, "main", machine / "opt" / NEW / "bin" / "llama-server")
    deploy(machine, "other", machine / "opt" / OLDEST / "bin" / "ggml-rpc-server")
    deploy(machine, "packaged", "/usr/bin/llama-server")
    assert goes(machine) == [OLD]
    assert look(machine)["clusters"] == ["main", "other", "packaged"]


def test_what_is_about_to_be_used_stays(machine):
    assert goes(machine, used=[str(machine / "opt" / OLD / "llama-server")]) == [OLDEST]


def test_a_program_in_a_folder_of_a_similar_name_keeps_nothing(machine):
    assert goes(machine, used=[str(machine / "opt" / f"{OLD}0" / "llama-server")]) == [OLDEST, OLD]


def test_a_program_is_known_through_a_link(machine):
    (machine / "link").symlink_to(machine / "opt" / OLD)
    assert goes(machine, used=[str(machine / "link" / "llama-server")]) == [OLDEST]


@pytest.mark.parametrize("broken", [b"{", b"[]", b"{}", b"\xff", b"null"])
def test_nothing_goes_when_a_deployment_cannot_be_read(machine, broken):
    deploy(machine, "other", broken)
    found = look(machine)
    assert found["surplus"] == []
    assert str(machine / "etc" / "other" / "deployment.json") in found["problem"]
    assert found["problem"].endswith(".")


def test_only_what_is_named_as_drover_names_it_is_ours(machine):
    opt = machine / "opt"
    for name in ("mine", "b9", "b4-0000000", "b4-0000000G", "b4-00000004x"):
        (opt / name).mkdir()
    (opt / ".incoming-b5-00000005").mkdir()
    (opt / "b6-00000006").write_text("a file")
    (opt / "b7-00000007").symlink_to(opt / NEW)
    (opt / "current").symlink_to(NEW)
    found = look(machine)
    assert [os.path.basename(path) for path in found["surplus"]] == [OLDEST, OLD]
    names = [os.path.basename(path) for path in found["ours"]]
    assert names == [".incoming-b5-00000005", OLDEST, OLD, NEW, "current"]


def test_the_folder_itself_is_ours_when_nothing_else_is_in_it(machine):
    assert look(machine)["ours"][-1] == str(machine / "opt")
    (machine / "opt" / "current").mkdir()  # a folder of that name is not the link
    assert str(machine / "opt") not in look(machine)["ours"]


def test_a_host_without_any_builds(tmp_path):
    expected = {"clusters": [], "ours": [], "surplus": [], "problem": None}
    assert kept_builds(str(tmp_path / "opt"), 2, None, (), str(tmp_path / "etc"), str(tmp_path)) == expected
