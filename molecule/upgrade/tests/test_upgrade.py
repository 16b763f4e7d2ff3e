# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After an upgrade: the new build answers, the way back copies nothing, and what does not work is rolled back."""

from __future__ import annotations

import json

import builds
from cluster import LEADER, WORKERS, answers, host
from playbook import failed, play, succeeded, unused

HOSTS = [LEADER, *WORKERS]
BACK = {
    "llama_cpp_method": "archive",
    "llama_cpp_tag": builds.TAG,
    "llama_cpp_mirror_url": (builds.cache() / "mirror").as_uri(),
    "llama_cpp_archive_sha256": {"x86_64": builds.sha256(builds.archive_path())},
    "llama_cpp_cache": str(builds.cache()),
}


def process(name: str, service: str) -> str:
    """The process of a service on a host, and the program that it runs."""
    pid = host(name).check_output("systemctl show --value --property MainPID " + service)
    return f"{pid} {host(name).check_output('readlink /proc/' + pid + '/exe')}"


def answer(api) -> None:
    """The cluster knows the answers."""
    for question, right in answers():
        assert api.ask(question) == right


def test_the_new_build_answers_on_every_host(api):
    answer(api)
    assert process(LEADER, "drover-server@main").endswith("/usr/bin/llama-server")
    for name in WORKERS:
        assert process(name, "drover-rpc@main").split()[1].startswith("/usr/libexec/")


def test_it_can_go_back_without_copying_anything(api):
    before = {name: host(name).check_output("stat --format=%Z /opt/llama.cpp/*-*") for name in HOSTS}
    run = succeeded(play("upgrade", settings=BACK))
    assert "The cluster gave no answers for at most" in run.said
    assert f"became {builds.TAG}" in run.said
    assert {name: host(name).check_output("stat --format=%Z /opt/llama.cpp/*-*") for name in HOSTS} == before
    answer(api)
    for name, service in [(LEADER, "drover-server@main"), *((name, "drover-rpc@main") for name in WORKERS)]:
        assert " /opt/llama.cpp/" in process(name, service)


def test_an_upgrade_to_what_runs_changes_nothing(inventory):
    running = {name: process(name, "drover-rpc@main") for name in WORKERS}
    # Nor is it kept from it by a host that is off, if that is left out.
    off = inventory({"llama_cluster": {"hosts": {"pi-9": {"ansible_host": unused(), "placement_exclude": True}}}})
    run = succeeded(play("upgrade", off, settings=BACK))
    assert set(run.changed.values()) == {0}, run.changed
    assert {name: process(name, "drover-rpc@main") for name in WORKERS} == running


def test_a_broken_build_is_rolled_back_by_itself(api):
    # It says its version, has all flags and speaks RPC, but it no longer finds its way about in a model.
    builds.change("b9", lambda name, data: data.replace(b"general.architecture\0", b"general.architectura\0"))
    digest = builds.sha256(builds.archive_path("b9"))
    broken = {**BACK, "llama_cpp_tag": "b9", "llama_cpp_archive_sha256": {"x86_64": digest}}
    run = play("upgrade", settings=broken)
    failed(
        run,
        "The new build did not work on this cluster: old-server: ",
        "Every host is back on the build before, which has answered.",
    )
    answer(api)
    for name in HOSTS:
        assert host(name).check_output("readlink /opt/llama.cpp/current").startswith(builds.TAG)
    assert f"/opt/llama.cpp/{builds.TAG}-" in process(LEADER, "drover-server@main")


def test_a_worker_left_on_another_build_is_named_before_the_leader_restarts(api):
    # Or the cluster itself would start anew without that worker.
    unhealed = {**BACK, "llama_server_heals": False}
    succeeded(play("site", settings=unhealed))
    worker = host("pi-2")
    folder = "/etc/systemd/system/drover-rpc@main.service.d"
    program = worker.check_output("ls /usr/libexec/*/llama/bin/ggml-rpc-server")
    start = " ".join(json.loads(worker.file("/etc/drover/main/deployment.json").content_string)["arguments"])
    leader = process(LEADER, "drover-server@main")
    worker.check_output(f"mkdir -p {folder}")
    worker.check_output(
        f"printf '[Service]\\nExecStart=\\nExecStart={program} {start}\\n"
        f"Environment=LLAMA_CACHE=/var/cache/drover\\n' > {folder}/old.conf"
    )
    worker.check_output("systemctl daemon-reload && systemctl restart drover-rpc@main")
    try:
        failed(play("site", settings=unhealed), "pi-2 runs /usr/libexec/", "The leader was not restarted.")
        assert process(LEADER, "drover-server@main") == leader
    finally:
        worker.check_output(f"rm -r {folder} && systemctl daemon-reload && systemctl restart drover-rpc@main")
    succeeded(play("site", settings=BACK))
    answer(api)


def test_old_builds_are_removed_but_for_those_to_keep():
    succeeded(play("upgrade", settings={**BACK, "llama_cpp_keep_builds": 1}))
    for name in HOSTS:
        assert len(host(name).check_output("ls /opt/llama.cpp").split()) == 2  # one build, and the link
