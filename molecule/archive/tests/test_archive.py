# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployed from a mirror: the right answers, builds side by side, and bad archives that change nothing."""

from __future__ import annotations

import json

import builds
import pytest
from cluster import LEADER, WORKERS, answers, host
from playbook import play, refused, succeeded

HOSTS = [LEADER, *WORKERS]
DIRECTORY = "/opt/drover-builds"


def test_every_host_runs_the_archive():
    current = {host(name).check_output(f"readlink {DIRECTORY}/current") for name in HOSTS}
    assert current == {f"{builds.TAG}-{builds.sha256(builds.archive_path())[:8]}"}
    for name in HOSTS:
        runs = json.loads(host(name).file("/etc/drover/main/deployment.json").content_string)["program"]
        assert runs.startswith(f"{DIRECTORY}/{builds.TAG}-")


def test_the_answers_are_right(api):
    for question, answer in answers():
        assert api.ask(question) == answer


def settings(tag: str, **more) -> dict:
    """The settings to deploy the archive of a tag that is on the mirror."""
    return {
        "llama_cpp_method": "archive",
        "llama_cpp_tag": tag,
        "llama_cpp_mirror_url": (builds.cache() / "mirror").as_uri(),
        "llama_cpp_archive_sha256": {"x86_64": builds.sha256(builds.archive_path(tag))},
        "llama_cpp_cache": str(builds.cache()),
        "llama_cpp_directory": DIRECTORY,
        **more,
    }


@pytest.fixture(autouse=True, scope="module")
def untouched():
    """Whatever is refused in this file has left the hosts as they were."""

    def state():
        look = f"ls -la --full-time {DIRECTORY}; systemctl show --property MainPID drover-server@main drover-rpc@main"
        return {name: host(name).check_output(look) for name in HOSTS}

    before = state()
    yield
    assert state() == before


def test_a_wrong_checksum_is_refused():
    wrong = {"x86_64": "ab" * 32}
    refused(
        play("site", settings=settings(builds.TAG, llama_cpp_archive_sha256=wrong)),
        "could not be fetched to the controller",
        "llama_cpp_archive_sha256",
        "No host was changed.",
    )


def test_an_archive_that_is_not_there_is_refused():
    missing = {
        "llama_cpp_archive_names": {"x86_64": "of-another-name.tar.gz"},
        "llama_cpp_archive_sha256": {"x86_64": "ab" * 32},
    }
    refused(
        play("site", settings={**settings(builds.TAG, **missing), "llama_cpp_tag": "b1"}),
        "b1/of-another-name.tar.gz could not be fetched to the controller",
        "llama_cpp_mirror_url",
    )


def test_a_missing_checksum_is_refused():
    refused(
        play("site", settings=settings(builds.TAG, llama_cpp_archive_sha256={})), "llama_cpp_archive_sha256 is empty"
    )


def test_an_archive_for_another_architecture_is_refused():
    # Byte 18 of an ELF file is its machine: 183 is aarch64.
    builds.change("b2", lambda name, data: data[:18] + bytes([183, 0]) + data[20:] if data[:4] == b"\x7fELF" else data)
    refused(
        play("site", settings=settings("b2")),
        "No host can get llama.cpp by method archive",
        "aarch64",
        "x86_64",
    )


def test_an_archive_without_an_rpc_server_is_refused():
    builds.change("b3", lambda name, data: None if "rpc-server" in name else data)
    refused(
        play("site", settings=settings("b3")),
        "llama-b3-bin-ubuntu-x64.tar.gz has no ggml-rpc-server in it",
        "method source",
    )


def test_an_archive_that_needs_a_newer_glibc_is_refused():
    builds.change("b4", lambda name, data: data.replace(b"GLIBC_2.34\0", b"GLIBC_2.99\0"))
    refused(play("site", settings=settings("b4")), "needs glibc 2.99", "2.36", "2.41", "source")


def test_when_the_archive_does_not_serve_all_auto_says_so_and_takes_the_next_way():
    source = {
        "llama_cpp_method": "auto",
        "llama_cpp_source": "/nowhere/llama.cpp.tar.gz",
        "llama_cpp_source_sha256": "ab" * 32,
    }
    run = succeeded(play("plan", settings={**settings("b4"), **source}))
    assert "Method archive does not serve every host" in run.said
    assert "by method source" in run.said


def test_a_source_that_is_not_there_is_refused():
    source = {
        "llama_cpp_method": "source",
        "llama_cpp_tag": "b5",
        "llama_cpp_source": "/nowhere/llama.cpp.tar.gz",
        "llama_cpp_source_sha256": "ab" * 32,
        "llama_cpp_cache": str(builds.cache()),
    }
    refused(play("site", settings=source), "/nowhere/llama.cpp.tar.gz is not on the controller")
