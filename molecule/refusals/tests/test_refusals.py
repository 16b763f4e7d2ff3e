# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input on real hosts: one sentence that names the value and the remedy, and nothing was changed.

Each is a whole run of a playbook. `make test` runs one for every way that a refusal takes to the user: an assertion of
a playbook or a role, a module on a host, the planner, a host that is not there. The others of each way are marked
``long``; what decides them is held by tests/unit, in the file that stands beside the mark.
"""

from __future__ import annotations

from contextlib import contextmanager

import make_random_model
import pytest
from cluster import INVENTORY, LEADER, ROOT, WORKERS, host
from playbook import play, refused, succeeded, unused

MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"
WORKER = WORKERS[0]
UNUSED = unused()
WRONG = "0" * 64


def long(*values):
    """A case for `make test-long`."""
    return pytest.param(*values, marks=pytest.mark.long)


@contextmanager
def on(name: str, do: str, undo: str):
    """Do something on a host, and undo it whatever happens."""
    try:
        host(name).check_output(do)
        yield
    finally:
        host(name).run(undo)


def listener(name: str, port: int):
    """A process on the host that is none of Drover's and holds the port."""
    unit = "drover-test-listener"
    serve = f"systemd-run --quiet --collect --unit {unit} python3 -m http.server {port}"
    wait = f"for i in $(seq 50); do ss -ltnH sport = :{port} | grep -q . && exit; sleep 0.1; done; exit 1"
    return on(name, f"{serve}; {wait}", f"systemctl stop {unit}.service")


def test_an_inventory_without_the_group(inventory):
    run = play("site", inventories=(inventory({"llama_clusters": {"hosts": {"pi-1": None}}}),))
    refused(run, "no hosts in the group llama_cluster", "llama_clusters", "put every machine that may take part into")


# The same assertion, with a host of the cluster that is one too many.
@pytest.mark.parametrize("leaders", [["stranger"], pytest.param([LEADER, WORKER], marks=pytest.mark.long)])
def test_a_pinned_leader_that_cannot_lead(inventory, leaders):
    more = inventory({"llama_leader": {"hosts": dict.fromkeys(leaders)}})
    run = play("plan", inventories=(INVENTORY, more))
    refused(run, f"llama_leader holds {', '.join(leaders)}", "name exactly one of those")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        # By one of a playbook: of site.yml, --limit may leave out the play that goes by it.
        ({"drover_platform": "k3s"}, ["drover_platform is k3s", "run site.yml without --limit"]),
        # By assertions of a role.
        (
            {"gguf_model_leader_path": "/srv/model.gguf"},
            ["More than one model is set (gguf_model_path, gguf_model_leader_path)", "set exactly one of"],
        ),
        long({"gguf_model_path": ""}, ["No model is set", "set exactly one of gguf_model_path"]),
        long(
            {"gguf_model_path": "", "gguf_model_url": "http://10.255.255.1/model.gguf"},
            ["http://10.255.255.1/model.gguf without gguf_model_sha256", "set gguf_model_sha256 to"],
        ),
        long({"gguf_model_sha256": [WRONG, WRONG]}, ["gguf_model_sha256 has 2 entries", "give one sha256 for each"]),
        long({"gguf_model_sha256": WRONG}, [f"gguf_model_sha256 says {WRONG}", "fetch the file again, or correct"]),
        # After a look at a host.
        (
            {"gguf_model_path": "", "gguf_model_leader_path": "/srv/no-such.gguf"},
            ["/srv/no-such.gguf does not exist", f"gguf_model_leader_path, looked for on {LEADER}"],
        ),
        long(
            {"gguf_model_path": "/srv/no-such.gguf"},
            ["/srv/no-such.gguf does not exist", "gguf_model_path, looked for on this controller"],
        ),
        # By the planner: tests/unit/placement/test_planner.py
        ({"placement_leader": "nobody"}, ["The leader nobody is not among the hosts", "give one of them"]),
        long({"placement_exclude": True}, [f"The leader {LEADER} is left out", "take it back in or pin another one"]),
    ],
)
def test_settings_that_cannot_be(settings, words):
    refused(play("plan", settings=settings), *words)


@pytest.mark.long  # an assertion of a playbook, as of a pinned leader that cannot lead
def test_a_leader_path_without_a_pinned_leader(inventory):
    run = play("plan", inventories=(INVENTORY,), settings={"gguf_model_leader_path": "/srv/model.gguf"})
    refused(run, "gguf_model_leader_path is set to /srv/model.gguf", "put that host into the group llama_leader")


# By the reader: tests/unit/gguf/test_gguf_hostile.py has these and many more.
@pytest.mark.parametrize(
    ("content", "words"),
    [
        long(b"", ["is not a GGUF file: it is empty", "fetch it again"]),
        long(b"\x07\x11" * 5000, ["is not a GGUF file", "check that it is the right file"]),
        (b"<!doctype html><html>", ["is not a GGUF file: it is a web page", "use the download link of the file"]),
        long(MODEL.read_bytes()[:3000], ["is cut off", "the file has 3000", "copy or download it again"]),
        long(
            MODEL.read_bytes()[:4_000_000],
            ["is cut off: its tensors need", "has 4000000;", "copy or download it again"],
        ),
    ],
    ids=["empty", "noise", "web page", "cut in the header", "cut in the tensors"],
)
def test_a_file_that_is_no_whole_model(tmp_path, content, words):
    model = tmp_path / "model.gguf"
    model.write_bytes(content)
    refused(play("plan", settings={"gguf_model_path": str(model)}), str(model), *words)


def test_a_model_too_big_for_the_fleet(tmp_path):
    model = tmp_path / "huge.gguf"
    size = ["--blocks", "32", "--embedding", "4096", "--feed-forward", "14336"]
    make_random_model.write(model, make_random_model.parse([str(model), *size, "--header-only"]))
    run = play("site", settings={"gguf_model_path": str(model)})
    refused(run, "Drover random does not fit on these hosts", "are missing", "What would help, the cheapest first")


def test_an_unreachable_host_and_the_same_one_excluded(inventory):
    gone = {"ansible_host": UNUSED}
    run = play("plan", inventory({"llama_cluster": {"hosts": {"pi-9": gone}}}))
    refused(run, "pi-9 could not be reached by SSH", UNUSED, "leave it out by setting placement_exclude to true on it")
    excluded = inventory({"llama_cluster": {"hosts": {"pi-9": {**gone, "placement_exclude": True}}}})
    for name in ("site", "status"):
        assert set(succeeded(play(name, excluded)).changed.values()) == {0}


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("", ["Nothing was drained", "say which hosts to take out"]),
        long(f"{WORKER},pi-9", ["pi-9 cannot be drained", "has no such host"]),
    ],
)
def test_hosts_that_cannot_be_drained(hosts, words):
    refused(play("drain", settings={"drain_hosts": hosts}), *words)


def test_a_part_of_the_cluster():
    run = play("site", limit=LEADER)
    refused(run, f"--limit leaves out {', '.join(WORKERS)}", "run without --limit")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("s/version: .*, commit/version: 0.6.0 (build 10001, commit/", "0.6.0 (build 10001"),
        # tests/unit/builds/test_choice.py
        long("s/version: [0-9.]*/version: 0.6.0/", "0.6.0 (build "),
    ],
)
def test_a_worker_of_another_build(change, told):
    program = "/usr/local/bin/llama-server"
    script = f"#!/bin/sh\\n/usr/bin/llama-server --version 2>&1 | sed '{change}'\\n"
    with on(WORKER, f'printf "{script}" > {program} && chmod 755 {program}', f"rm -f {program}"):
        run = play("site")
    refused(run, f"{WORKER} has {told}", "Bring them to one build, or set placement_exclude to true")


def test_an_rpc_port_that_another_program_holds():
    with listener(WORKER, 50999):
        run = play("plan", settings={"rpc_server_port": 50999})
    refused(run, f"Port 50999 on {WORKER} is held by", "python3", "drover-test-listener", "set rpc_server_port to a")


@pytest.mark.long  # as the RPC port; tests/unit/hosts/test_listener.py
def test_an_api_port_that_another_program_holds():
    with listener(LEADER, 18999):
        run = play("plan", settings={"llama_server_port": 18999})
    refused(run, f"Port 18999 on {LEADER} is held by", "python3", "drover-test-listener", "set llama_server_port to a")


def test_an_agents_port_that_another_program_holds():
    with listener(WORKER, 50999):
        run = play("plan", settings={"rpc_server_agent_port": 50999})
    refused(run, f"Port 50999 on {WORKER} is held by", "set rpc_server_agent_port to a free port")


@pytest.mark.long  # as the agent's port
def test_a_health_port_that_another_program_holds():
    with listener(LEADER, 18999):
        run = play("plan", settings={"llama_server_health_port": 18999})
    refused(run, f"Port 18999 on {LEADER} is held by", "set llama_server_health_port to a free port")


@pytest.mark.long  # tests/unit/hosts
def test_an_address_that_is_not_the_hosts(inventory):
    run = play("plan", inventory({"llama_cluster": {"hosts": {WORKER: {"rpc_server_address": UNUSED}}}}))
    refused(run, f"{UNUSED} is not an address of this host", "set rpc_server_address to one of them")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (WORKER, ["The RPC server of", "set rpc_server_address"]),
        long(LEADER, ["The API of", "set llama_server_address"]),
    ],
)
def test_a_public_address(inventory, name, words):
    public = "5.5.5.5"
    # As text, which is what an INI inventory makes of every setting.
    no = {"rpc_server_allow_public_address": "false", "llama_server_allow_public_address": "false"}
    with on(name, f"ip address add {public}/32 dev lo", f"ip address del {public}/32 dev lo"):
        run = play("plan", inventory({"llama_cluster": {"hosts": {name: {"rpc_server_address": public, **no}}}}))
    refused(run, f"{name} would listen on {public}, which is not a private address", *words)


def test_a_disk_that_is_too_small():
    small = "/mnt/drover-test"
    with on(
        LEADER, f"mkdir -p {small} && mount -t tmpfs -o size=4m none {small}", f"umount --lazy {small}; rmdir {small}"
    ):
        run = play("site", settings={"gguf_model_directory": small})
    refused(run, f"{LEADER} cannot lead", "4.0 MiB free", "set gguf_model_directory to a larger disk")


def test_a_reset_that_is_not_confirmed():
    refused(play("reset"), f"take Drover off {', '.join([*WORKERS, LEADER])}", "run again with -e reset_confirm=true")
