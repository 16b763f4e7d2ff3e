# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods: an address of their own, workers by name, and probes that tell a replaced worker and kill nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from module_utils.hosts.document import read_tally
from module_utils.hosts.tree import Tree
from module_utils.runtime import command, probes, waiting, workers
from module_utils.runtime.archive import write_archive
from module_utils.serving import cluster
from unit.ports import free_port
from unit.runtime.pods import Pod

NAMES = {"pi-1.pods": ["10.0.0.1"]}


@pytest.fixture
def names(monkeypatch):
    """What the name servers know: name -> addresses, or the error that they answer with."""
    known = dict(NAMES)
    real = socket.getaddrinfo

    def ask(host, *more):
        if host.replace(".", "").isdigit():
            return real(host, *more)
        found = known.get(host, socket.gaierror(socket.EAI_NONAME, "unknown"))
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return known


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path))
    monkeypatch.setenv("DROVER_ADDRESS", "127.0.0.1")
    monkeypatch.setattr(probes, "SECONDS", 0.3)
    return lambda kind: Pod(tmp_path, kind)


@pytest.fixture
def leader(make, names):
    return make("leader")


def drover(capsys, *arguments):
    code = command.main("1", arguments)
    return code, capsys.readouterr().err


def started(monkeypatch, capsys, kind):
    """The arguments that the program of this part is started with, or the exit code and the sentence."""
    became = []
    monkeypatch.setattr(os, "execve", lambda program, arguments, environment: became.append(arguments[1:]))
    code, error = drover(capsys, kind, "--cluster", "main")
    return became[0] if became else (code, error)


# --- its own address --------------------------------------------------------------------------------------------------


def test_a_pod_listens_on_the_address_that_the_environment_tells(make, monkeypatch, capsys):
    pod = make("worker")
    told = started(monkeypatch, capsys, "worker")
    assert told == [str(pod.program), "--host", "127.0.0.1", "--port", str(pod.port)]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (None, "DROVER_ADDRESS is not set"),
        ("", "DROVER_ADDRESS is not set"),
        ("fd00::1", "DROVER_ADDRESS is 'fd00::1'"),
        ("node-1", "DROVER_ADDRESS is 'node-1'"),
    ],
)
def test_without_an_ipv4_address_a_pod_says_so(make, monkeypatch, capsys, address, told):
    make("worker")
    monkeypatch.delenv("DROVER_ADDRESS")
    if address is not None:
        monkeypatch.setenv("DROVER_ADDRESS", address)
    code, error = started(monkeypatch, capsys, "worker")
    assert code == 78
    assert error.startswith(f"drover: {told}, and the deployment leaves the address to the pod: set it")
    assert error.count("\n") == 1 and error.endswith(".\n")


def test_outside_pods_the_environment_changes_nothing(make, monkeypatch, capsys):
    pod = make("worker")
    monkeypatch.setenv("DROVER_ADDRESS", "nonsense")
    pod.write(listen={"address": "127.0.0.1", "port": pod.port})
    assert "{address}" in started(monkeypatch, capsys, "worker")


# --- workers by name --------------------------------------------------------------------------------------------------


def test_a_leader_is_started_with_addresses(leader, monkeypatch, capsys):
    told = started(monkeypatch, capsys, "leader")
    assert told[told.index("--rpc") + 1] == "10.0.0.1:50052,10.0.0.9:50053"
    assert told[-2:] == ["--prompt", ""]


def late():
    threading.Event().wait(5)
    return []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "The worker pi-1 is not there yet, since its name pi-1.pods has no address: start it"),
        (socket.gaierror(socket.EAI_NONAME, ""), "since its name pi-1.pods has no address: start it"),
        (socket.gaierror(socket.EAI_NODATA, ""), "since its name pi-1.pods has no address: start it"),
        (socket.gaierror(socket.EAI_AGAIN, ""), "since its name pi-1.pods cannot be looked up: start it"),
        (late, "since its name pi-1.pods cannot be looked up: start it"),
        (UnicodeError("label too long"), "since its name pi-1.pods has no address: start it"),
        (
            ["10.0.0.2", "10.0.0.1"],
            "pi-1 is being replaced, since its name pi-1.pods stands for 10.0.0.1 and 10.0.0.2:",
        ),
    ],
)
def test_a_worker_without_one_address_is_waited_for(leader, names, monkeypatch, capsys, found, told):
    monkeypatch.setattr(workers, "START_SECONDS", 0.2)
    names["pi-1.pods"] = found
    code, error = started(monkeypatch, capsys, "leader")
    assert (code, error.count("\n")) == (75, 1)
    assert told in error


@pytest.mark.parametrize(
    "arguments", [[], ["--rpc"], ["--rpc", "10.0.0.1:50052,10.0.0.2:50053"], ["x", "--model", "m"]]
)
def test_what_names_no_host_stays(names, arguments):
    names.clear()
    assert workers.with_addresses(arguments) == arguments


def test_all_names_are_asked_for_at_once(names):
    everybody = threading.Barrier(8, timeout=5)
    for number in range(8):
        names[f"pi-{number}.pods"] = lambda: [f"10.0.0.{everybody.wait()}"]
    entries = ",".join(f"pi-{number}.pods:50052" for number in range(8))
    told = workers.with_addresses(["--rpc", entries])[1]
    assert sorted(told.split(",")) == [f"10.0.0.{number}:50052" for number in range(8)]


def test_a_real_name_is_looked_up():
    assert workers.look_up(["localhost", "127.0.0.2"], 10) == {"localhost": ["127.0.0.1"]}


# --- ready ------------------------------------------------------------------------------------------------------------


def test_a_worker_is_ready_when_its_port_listens_and_is_never_connected_to(make, capsys):
    pod = make("worker")
    code, error = drover(capsys, "ready", "--cluster", "main")
    assert (code, error) == (
        1,
        f"drover: Nothing listens on 127.0.0.1:{pod.port} yet: look at the log of the RPC server.\n",
    )
    with socket.create_server(("127.0.0.1", pod.port), backlog=1) as server:
        for _probe in range(5):
            assert drover(capsys, "ready", "--cluster", "main") == (0, "")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody is in its queue
            server.accept()
    assert drover(capsys, "ready", "--cluster", "main")[0] == 1


@pytest.mark.parametrize(("address", "code"), [("0.0.0.0", 0), ("127.0.0.2", 1)])
def test_a_worker_must_listen_on_its_own_address(make, capsys, address, code):
    pod = make("worker")
    with socket.create_server((address, pod.port)):
        assert drover(capsys, "ready", "--cluster", "main")[0] == code


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("503", "is not ready (it is still loading the model): wait, or look at its log."),
        ("hang", "is not ready (no answer): wait, or look at its log."),
        ("500", "answered with status 500, which llama-server does not"),
    ],
)
def test_a_leader_is_ready_when_it_says_so(leader, capsys, status, told):
    arguments = leader.arguments()
    code, error = drover(capsys, "ready", "--cluster", "main")
    assert (code, "connection refused" in error) == (1, True)
    with leader.running(arguments):
        assert drover(capsys, "ready", "--cluster", "main") == (0, "")
        leader.health.write_text(status)
        code, error = drover(capsys, "ready", "--cluster", "main")
        assert (code, error.count("\n")) == (1, 1)
        assert told in error


# --- replaced workers -------------------------------------------------------------------------------------------------

REPLACED = (
    "The worker pi-1 was replaced, since its name pi-1.pods stands for {} and llama-server was started with 10.0.0.1: "
    "start it anew."
)


@pytest.mark.parametrize(
    ("found", "alive", "ready"),
    [
        (["10.0.0.1"], None, None),
        (["10.0.0.7"], REPLACED.format("10.0.0.7"), REPLACED.format("10.0.0.7")),
        # The old pod is on its way out, and its address with it.
        (["10.0.0.7", "10.0.0.1"], None, None),
        # The new pod is not there yet: a new start would wait for it without serving either.
        ([], None, REPLACED.format("no address")),
        (socket.gaierror(socket.EAI_NONAME, ""), None, REPLACED.format("no address")),
        # The name server is down, which says nothing about the workers.
        (socket.gaierror(socket.EAI_AGAIN, ""), None, None),
        (late, None, None),
    ],
)
def test_only_a_replaced_worker_makes_a_leader_start_anew(leader, names, capsys, found, alive, ready):
    arguments = leader.arguments()
    with leader.running(arguments):
        names["pi-1.pods"] = found
        began = time.monotonic()
        for name, expected in (("alive", alive), ("ready", ready)):
            told = (1, f"drover: {expected}\n") if expected else (0, "")
            assert drover(capsys, name, "--cluster", "main") == told
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", ["503", "500", "hang"])
def test_a_leader_that_loads_or_does_not_answer_is_alive(leader, capsys, status):
    leader.health.write_text(status)
    arguments = leader.arguments()
    with leader.running(arguments):
        assert drover(capsys, "alive", "--cluster", "main") == (0, "")


@pytest.mark.parametrize("case", ["nothing runs", "written since", "damaged", "no deployment"])
def test_what_cannot_be_told_is_alive(leader, names, capsys, case):
    arguments = leader.arguments()
    names["pi-1.pods"] = ["10.0.0.7"]
    if case == "nothing runs":
        assert drover(capsys, "alive", "--cluster", "main") == (0, "")
        return
    with leader.running(arguments):
        assert drover(capsys, "alive", "--cluster", "main")[0] == 1
        if case == "written since":
            leader.write(arguments=[*leader.deployment["arguments"], "--metrics"])
        elif case == "damaged":
            (leader.folder / "main" / "deployment.json").write_text("{")
        else:
            (leader.folder / "main" / "deployment.json").unlink()
        assert drover(capsys, "alive", "--cluster", "main") == (0, "")


def test_a_worker_is_alive(make, capsys):
    make("worker")
    assert drover(capsys, "alive", "--cluster", "main") == (0, "")


@pytest.mark.parametrize("name", ["ready", "alive"])
def test_a_probe_of_no_part(make, capsys, name):
    code, error = drover(capsys, name, "--cluster", "main")
    assert (code, error.count("\n")) == ((1, 1) if name == "ready" else (0, 0))


# --- the init step ----------------------------------------------------------------------------------------------------


def test_waiting_ends_when_the_model_is_whole_and_the_workers_have_addresses(leader, names, monkeypatch, capsys):
    model = leader.folder / "model.gguf"
    leader.write(files=[{"path": str(model), "bytes": 8}])
    del names["pi-1.pods"]
    steps = [
        lambda: model.write_bytes(b"GGUF"),
        lambda: model.write_bytes(b"GGUF..."),
        lambda: model.write_bytes(b"GGUF...."),
        lambda: names.update(NAMES),
    ]
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: steps.pop(0)())
    monkeypatch.setattr(waiting, "TOLD_SECONDS", 0)
    code, told = drover(capsys, "await", "--cluster", "main")
    assert (code, steps) == (0, [])
    assert [line.partition(": ")[2].replace(str(model), "M")[:27] for line in told.splitlines()] == [
        "M is not there: mount its d",
        "M has 4 bytes where 8 were ",
        "M has 7 bytes where 8 were ",
        "The worker pi-1 is not ther",
    ]


def test_a_file_that_grows_is_told_of_now_and_then(leader, monkeypatch, capsys):
    model = leader.folder / "model.gguf"
    leader.write(files=[{"path": str(model), "bytes": 8}])
    monkeypatch.setattr(
        waiting.time, "sleep", lambda seconds: model.write_bytes((model.read_bytes() if model.exists() else b"") + b".")
    )
    code, told = drover(capsys, "await", "--cluster", "main")
    assert (code, told.count("\n")) == (0, 1)


def test_what_waiting_does_not_mend_ends_it(leader, capsys):
    leader.write(files=[{"path": "/etc/passwd/model.gguf", "bytes": 8}])
    code, told = drover(capsys, "await", "--cluster", "main")
    assert code == 78
    assert "cannot be read (Not a directory)" in told


def test_process_1_of_a_pod_ends_when_it_is_told_to(make, tmp_path):
    """The kernel passes a signal to process 1 only when it has asked for it, so the step must ask."""
    pod = make("worker")
    pod.write(files=[{"path": "/nowhere/model", "bytes": 1}])
    program = (
        "import sys; from module_utils.serving import cluster; from module_utils.runtime import command\n"
        f"cluster.CLUSTERS_FOLDER = {str(tmp_path)!r}\n"
        "sys.exit(command.main('1', ['await', '--cluster', 'main']))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert "/nowhere/model is not there" in process.stderr.readline()
        process.terminate()
        assert process.wait(10) == 128 + 15
    finally:
        process.kill()
        process.stderr.close()


def test_a_port_that_is_taken_is_not_the_pods(make, monkeypatch, capsys):
    pod = make("worker")
    pod.write(listen={"address": None, "port": free_port()})
    with socket.create_server(("127.0.0.1", pod.deployment["listen"]["port"])):
        code, error = started(monkeypatch, capsys, "worker")
    assert code == 75
    assert "Another program holds 127.0.0.1:" in error


# --- a pod as the kernel makes one ------------------------------------------------------------------------------------

NEW = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc"]
# Read-only, an ordinary user without a single privilege, and hardly an environment.
INSIDE = (
    "mount --make-rprivate / && mount -o bind,remount,ro / && ip link set lo up && exec setpriv --reuid=10001 "
    "--regid=10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all env -i PATH=/usr/bin:/bin "
)
CAN = os.geteuid() == 0 and subprocess.run([*NEW, "sh", "-c", f"{INSIDE} true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not CAN, reason="only root can make namespaces, and not in every container")
def test_a_node_is_tallied_from_inside_a_pod():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        os.chmod(folder, 0o755)
        archive = f"{folder}/drover.pyz"
        write_archive(str(Path(command.__file__).parents[1]), archive, "1")
        program = f"python3 {archive} tally --pod --host node-1 --no-bandwidth"
        told = subprocess.run([*NEW, "sh", "-c", INSIDE + program], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    tally = read_tally(json.loads(told.stdout))
    assert (tally["host"], tally["machine"], tally["obstacles"]) == ("node-1", None, [])
    assert tally["memory"]["total_bytes"] == Tree().table("/proc/meminfo")["MemTotal"] * 1024
    assert [each["address"] for each in tally["network"]["addresses"]] == ["127.0.0.1"]
