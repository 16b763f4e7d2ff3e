# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab tried out for real: needs root, and takes about two minutes. `pytest tests/lab` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from lab import names, state
from lab.limits import Group

EXECUTABLE = Path(__file__).with_name("lab")
NAME = "selftest"
CLOSED = "closedtest"  # no part of the other's name, or traces of the one would be taken for the other's
APART = "apart"  # short, so that the names of its cables show whose they are
SPEC = {
    "name": NAME,
    "subnet": "10.213.200.0/24",
    "hosts": {
        "small": {"memory": "256MiB", "cpu": 0.5},
        "large": {"memory": "512MiB", "cpu": 1.0},
        "third": {"memory": "256MiB"},
    },
}
BOTH_WAYS = ["head -c 4000000 /dev/zero", "cat > /dev/null"]  # what a host runs to send 4 MB, and to get them
ALLOCATE = "python3 -c 'b = bytearray(%d << 20); b[::4096] = bytes(len(b[::4096])); print(1)'; exit $?"


def lab(*arguments, check=True, given=None, **changes):
    """Run the command line as a person would; ``given`` is its standard input."""
    command = [sys.executable, EXECUTABLE, *arguments]
    result = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=1200, env={**os.environ, **changes}
    )
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def on(host, command, check=True):
    return lab("run", f"{NAME}/{host}", "--", command, check=check)


def booted(host):
    """Changes when the host has booted again."""
    return on(host, "stat -c %Y.%i /proc/1 && ps -o lstart= 1").stdout


def traces(name):
    """All that shows on the machine that a lab of this name is, or was, there."""
    wanted = [names.bridge(name), names.table(name), f"/{name}", f"{name}-", f"-{name}"]
    found = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    found += subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    found += subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()
    found += Path("/proc/self/mountinfo").read_text().splitlines()
    found += [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{names.CGROUP}/*")]
    found += [str(path) for path in Path("/run/systemd").glob("nspawn/*/*")]
    found += [str(path) for path in (state.STATE, state.cache() / "images") for path in path.glob("*")]
    found = [line for line in found if any(word in line for word in wanted)]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (process / "cmdline").read_text().replace("\0", " ")
            # Without arguments it is a zombie, which only its parent can take away.
            if arguments and f"{names.CGROUP}/{name}" in arguments + (process / "cgroup").read_text():
                found.append(arguments)
    return found


def the_rate_holds(host, command):
    """4 MB at 16 Mbit/s are 2 s, less the first 32 kB: no machine is fast enough to be quicker."""
    lab("link", host, "--rate", "16mbit")
    assert "16mbit" in lab("status").stdout
    started = time.monotonic()
    lab("run", host, "--", command, given="\0" * 4_000_000)
    elapsed = time.monotonic() - started
    lab("link", host, "--unlimited")
    assert elapsed > 1.8


def bytes_are_counted(host):
    """What the host sends counts as sent, and hardly anything as received."""
    before = json.loads(lab("bytes", host).stdout)
    lab("run", host, "--", "head -c 3000000 /dev/zero")
    after = json.loads(lab("bytes", host).stdout)
    assert 3_000_000 < after["sent_bytes"] - before["sent_bytes"] < 3_600_000
    assert after["received_bytes"] - before["received_bytes"] < 600_000


def write(tmp_path, document):
    path = tmp_path / f"{document['name']}.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    lab("down", NAME, check=False)
    path = write(tmp_path_factory.mktemp("spec"), SPEC)
    lab("up", path)
    yield path
    lab("down", path)


def cut_off(path, reached, **changes):
    """Start `lab up` and kill it as soon as ``reached()`` says so, as a crash or a closed terminal would."""
    process = subprocess.Popen(
        [sys.executable, EXECUTABLE, "up", path],
        env={**os.environ, **changes},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    while process.poll() is None and not reached():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had ended before"


def interfaces(*wanted):
    return any(Path("/sys/class/net", name).exists() for name in wanted)


def programs():
    """The names of all that runs in the lab's hosts."""
    for pid in Group(names.group(NAME)).processes():
        with suppress(OSError):
            yield Path(f"/proc/{pid}/comm").read_text().strip()


# What `up` has made by and by, and how one sees it.
STAGES = {
    "directory": lambda: state.lab_directory(NAME).exists(),
    "bridge": lambda: interfaces(names.bridge(NAME)),
    "disk": lambda: f"/{NAME}/" in Path("/proc/self/mountinfo").read_text(),
    "process": lambda: any(programs()),
    "cable": lambda: interfaces(*(names.interface(NAME, host) for host in SPEC["hosts"])),
    "host": lambda: "sshd" in programs(),
}


@pytest.mark.parametrize("host", SPEC["hosts"])
def test_a_host_is_what_the_spec_says(spec, host):
    assert on(host, "hostname; systemctl is-system-running").stdout.split() == [host, "running"]
    total = int(on(host, "free -m").stdout.split("Mem:")[1].split()[0])
    assert f"{total}MiB" == SPEC["hosts"][host]["memory"]


@pytest.mark.parametrize(("host", "processors"), [("small", 1), ("large", 1), ("third", os.cpu_count())])
def test_a_host_shows_the_processors_that_its_share_is_worth(spec, host, processors):
    assert on(host, "grep -c ^processor /proc/cpuinfo").stdout == f"{processors}\n"


def test_the_shown_processors_change_with_the_share(spec):
    lab("limit", f"{NAME}/small", "--cpu", "none")
    assert on("small", "grep -c ^processor /proc/cpuinfo").stdout == f"{os.cpu_count()}\n"
    lab("limit", f"{NAME}/small", "--cpu", "0.5")
    assert on("small", "grep -c ^processor /proc/cpuinfo").stdout == "1\n"


def test_hosts_reach_each_other_by_name_and_the_world(spec):
    assert (
        "2 packets transmitted, 2 received" in on("small", "ping -c1 -W2 large >/dev/null && ping -c2 -W2 third").stdout
    )
    on("small", "apt-get update")


def test_the_inventory_works_with_ansible(spec):
    inventory = lab("inventory", NAME).stdout.strip()
    everyone = yaml.safe_load(Path(inventory).read_text())["all"]
    assert set(everyone["children"]["llama_cluster"]["hosts"]) == set(SPEC["hosts"])
    variables = everyone["vars"]
    command = ["ssh", "-i", variables["ansible_ssh_private_key_file"], *variables["ansible_ssh_common_args"].split()]
    for host, values in everyone["hosts"].items():
        answer = subprocess.run(
            [*command, f"root@{values['ansible_host']}", "hostname"], capture_output=True, text=True
        )
        assert answer.stdout.strip() == host


def test_too_much_memory_is_killed_and_nobody_else_notices(spec):
    before = booted("large"), booted("third")
    assert on("small", ALLOCATE % 100).stdout == "1\n"
    over = on("small", ALLOCATE % 400, check=False)
    assert (over.returncode, over.stdout) == (137, "")
    assert (booted("large"), booted("third")) == before


def test_memory_can_be_changed_while_running(spec):
    lab("limit", f"{NAME}/small", "--memory", "768MiB")
    assert " 768 " in on("small", "free -m").stdout
    assert on("small", ALLOCATE % 400).stdout == "1\n"
    lab("limit", f"{NAME}/small", "--memory", "256MiB")
    assert on("small", ALLOCATE % 400, check=False).returncode == 137
    refused = lab("limit", f"{NAME}/small", "--memory", "256", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "lab: memory '256' is too small: systemd needs at least 64MiB to boot.\n"


def test_the_cpu_share_holds(spec):
    group = Group(names.group(NAME, "small"))

    def throttled():
        counters = (group.layout.cpu / group.path / "cpu.stat").read_text().split()
        return int(counters[counters.index("nr_throttled") + 1])

    lab("limit", f"{NAME}/small", "--cpu", "0.1")
    before = throttled()
    on("small", "timeout 1 sh -c 'while :; do :; done' || true")
    lab("limit", f"{NAME}/small", "--cpu", "0.5")
    assert throttled() - before >= 3


@pytest.mark.parametrize("command", BOTH_WAYS)
def test_the_rate_holds_both_ways(spec, command):
    the_rate_holds(f"{NAME}/large", command)


def test_bytes_are_counted_as_the_host_sees_them(spec):
    bytes_are_counted(f"{NAME}/large")


def test_a_pulled_cable_cuts_off_and_comes_back(spec):
    before = booted("third")
    lab("link", f"{NAME}/third", "--down")
    assert on("small", "ping -c1 -W1 third", check=False).returncode == 1
    lab("link", f"{NAME}/third", "--up")
    on("small", "for i in $(seq 50); do ping -c1 -W1 third && exit; sleep 0.1; done; exit 1")
    assert booted("third") == before


def test_a_power_cut_keeps_the_disk(spec):
    on("third", "echo kept > /root/note && sync")
    before = booted("third")
    lab("kill", f"{NAME}/third")
    assert Group(names.group(NAME, "third")).processes() == []
    assert on("small", "ping -c1 -W1 third", check=False).returncode == 1
    refused = lab("bytes", f"{NAME}/third", check=False)
    assert "Host third of lab selftest is not running: `lab start selftest/third` boots it." in refused.stderr
    lab("start", f"{NAME}/third")
    assert on("third", "cat /root/note").stdout == "kept\n"
    assert booted("third") != before
    assert " 256 " in on("third", "free -m").stdout


def test_a_host_that_powered_off_is_booted_by_up(spec):
    on("third", "systemctl poweroff", check=False)
    group = Group(names.group(NAME, "third"))
    deadline = time.monotonic() + 30
    while group.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "third: booted" in lab("up", spec).stdout
    assert on("third", "cat /root/note").stdout == "kept\n"


def test_hosts_install_packages_at_the_same_time(spec):
    commands = [
        [sys.executable, EXECUTABLE, "run", f"{NAME}/{host}", "--", "apt-get install --yes tree && tree --version"]
        for host in SPEC["hosts"]
    ]
    started = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for one in commands]
    outputs = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], outputs


def test_a_second_up_leaves_running_hosts_alone(spec):
    before = [booted(host) for host in SPEC["hosts"]]
    output = lab("up", spec).stdout
    assert output.count("already running") == 3
    assert [booted(host) for host in SPEC["hosts"]] == before


def test_a_changed_spec_changes_only_what_it_must(spec, tmp_path):
    before = booted("small")
    hosts = {
        "small": {**SPEC["hosts"]["small"], "memory": "320MiB", "link": "50mbit"},
        "large": SPEC["hosts"]["large"],
        "late": {"memory": "256MiB"},
    }
    output = lab("up", write(tmp_path, {**SPEC, "hosts": hosts})).stdout
    assert "third: no longer in the spec" in output
    assert "small: already running" in output
    assert "late: made and booted" in output
    assert booted("small") == before
    assert " 320 " in on("small", "free -m && ping -c1 -W2 late").stdout
    assert "50mbit" in lab("status").stdout
    again = lab("up", spec).stdout
    assert "third: made and booted" in again
    assert on("third", "test -e /root/note", check=False).returncode == 1
    # It was installed on the earlier host of that name: what was downloaded is still here.
    assert list((state.cache() / "packages/forky-amd64").glob("tree_*.deb"))


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A lab of two networks: a head that is in both, one host in each; gives a way to run commands."""
    hosts = {
        "head": {"memory": "256MiB", "networks": ["house", "cluster"]},
        "tv": {"memory": "256MiB"},
        "node": {"memory": "256MiB", "networks": ["cluster"]},
    }
    networks = {"house": "10.213.202.0/24", "cluster": "10.213.203.0/24"}
    lab("up", write(tmp_path_factory.mktemp("apart"), {"name": APART, "networks": networks, "hosts": hosts}))
    yield lambda host, command, check=True: lab("run", f"{APART}/{host}", "--", command, check=check)
    lab("down", APART)
    assert traces(APART) == []


def test_a_host_with_two_cards_reaches_both_networks_and_leads_nobody_across(apart):
    assert [line.split()[2] for line in apart("head", "ip -4 -brief address | grep ^host").stdout.splitlines()] == [
        "10.213.202.11/24",
        "10.213.203.11/24",
    ]
    apart("head", "ping -c1 -W2 tv && ping -c1 -W2 node")
    assert "src 10.213.203.11" in apart("head", "ip route get 10.213.203.13").stdout
    assert apart("tv", "ping -c1 -W1 10.213.203.13", check=False).returncode == 1
    assert apart("node", "ping -c1 -W1 10.213.202.12", check=False).returncode == 1
    routes = {host: apart(host, "ip route show default").stdout.split()[2] for host in ("head", "tv", "node")}
    assert routes == {"head": "10.213.202.1", "tv": "10.213.202.1", "node": "10.213.203.1"}


def test_both_networks_have_a_way_out(apart):
    for host in ("head", "node"):
        apart(host, "apt-get update")


def test_one_cable_of_two_is_pulled_slowed_and_counted(apart):
    lab("link", f"{APART}/head", "--rate", "50mbit", "--network", "cluster")
    assert "unlimited, 50mbit" in lab("status").stdout
    lab("link", f"{APART}/head", "--down", "--network", "cluster")
    assert apart("head", "ping -c1 -W1 node", check=False).returncode == 1
    lab("link", f"{APART}/head", "--up", "--network", "cluster")
    apart("head", "for i in $(seq 50); do ping -c1 -W1 node && exit; sleep 0.1; done; exit 1")
    lab("link", f"{APART}/head", "--unlimited")
    assert "50mbit" not in lab("status").stdout
    both, house = (
        json.loads(lab("bytes", f"{APART}/head", *more).stdout)["sent_bytes"] for more in ([], ["--network", "house"])
    )
    assert both > house > 0
    refused = lab("link", f"{APART}/node", "--down", "--network", "house", check=False)
    assert "Host node is not in a network house: give one of cluster." in refused.stderr


def test_a_host_that_leaves_a_network_is_made_anew(apart, tmp_path):
    hosts = {"head": {"memory": "256MiB", "networks": ["house", "cluster"], "default_route": "cluster"}}
    networks = {"house": "10.213.202.0/24", "cluster": "10.213.203.0/24"}
    lab("up", write(tmp_path, {"name": APART, "networks": networks, "hosts": hosts}))
    assert apart("head", "ip route show default").stdout.split()[2] == "10.213.203.1"
    kept = {"name": APART, "subnet": networks["house"], "hosts": {"head": {"memory": "256MiB"}}}
    assert "head: made and booted" in lab("up", write(tmp_path, kept)).stdout
    assert not interfaces(names.bridge(APART, 1), names.interface(APART, "head", 1))
    lab("kill", f"{APART}/head")
    wider = {"name": APART, "networks": networks, "hosts": {**hosts, "node": {"networks": ["cluster"]}}}
    lab("up", write(tmp_path, wider))
    lab("kill", f"{APART}/head")
    lab("start", f"{APART}/head")
    apart("head", "ping -c1 -W2 node")
    # What `down` then takes away is seen by its names.
    assert len([line for line in traces(APART) if line.startswith(("vb-apart", "dl-apart"))]) == 5


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A second lab with a host of the same name, of older suites and without internet; gives a way to run commands."""
    hosts = {
        "small": {"memory": "256MiB"},
        "older": {"memory": "256MiB", "suite": "bookworm"},
        "newer": {"memory": "256MiB", "suite": "trixie"},
    }
    path = write(tmp_path_factory.mktemp("closed"), {"name": CLOSED, "internet": False, "hosts": hosts})
    lab("up", path)
    yield lambda host, command, check=True: lab("run", f"{CLOSED}/{host}", "--", command, check=check)
    lab("down", CLOSED)
    assert traces(CLOSED) == []


def test_two_labs_with_the_same_host_names_get_along(spec, closed):
    assert closed("small", "hostname").stdout == "small\n"
    assert "Several labs have a host small" in lab("link", "small", "--down", check=False).stderr
    on("small", "ping -c1 -W2 large")


@pytest.mark.parametrize(("host", "codename"), [("older", "bookworm"), ("newer", "trixie")])
def test_older_suites_work(spec, closed, host, codename):
    assert closed(host, "systemctl is-system-running").stdout == "running\n"
    assert f"VERSION_CODENAME={codename}\n" in closed(host, "cat /etc/os-release").stdout
    closed(host, "python3 -c 'import apt' && nft list tables && loginctl list-sessions")
    assert " 256 " in closed(host, "free -m").stdout


def test_ansible_works_with_every_suite(spec, closed):
    inventory = lab("inventory", CLOSED).stdout.strip()
    for module, arguments in (("setup", "gather_subset=!all"), ("apt", "name=systemd state=present")):
        command = ["ansible", "all", "-i", inventory, "-m", f"ansible.builtin.{module}", "-a", arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("SUCCESS") == 3


def test_hosts_without_internet_reach_each_other_and_the_controller(closed):
    closed("small", "ping -c1 -W2 older && ping -c1 -W2 newer")
    gateway = closed("small", "ip -brief address show dev host0").stdout.split()[2].rsplit(".", 1)[0] + ".1"
    closed("small", f"ping -c1 -W2 {gateway}")


@pytest.mark.parametrize(
    "attempt",
    [
        "ping -c1 -W2 10.213.200.11",
        "getent ahosts example.org",
        "ip route show default | grep .",
        "ip -6 route show default | grep .",
        # With a way out that somebody adds, by either protocol.
        "ip route add default via $(ip -brief -4 address show dev host0 | sed 's/.* \\(.*\\)\\.[0-9]*\\/.*/\\1.1/') && "
        "{ ping -c1 -W2 10.213.200.11; ended=$?; ip route del default; exit $ended; }",
    ],
)
def test_hosts_without_internet_have_no_way_out(spec, closed, attempt):
    assert closed("small", attempt, check=False).returncode != 0
    assert closed("small", "ip route show default").stdout == ""


def test_nobody_gets_into_a_lab_without_internet(spec, closed):
    inside = closed("small", "hostname -I").stdout.split()[0]
    assert on("large", f"ping -c1 -W2 {inside}", check=False).returncode == 1


def test_a_subnet_in_use_is_refused(spec, tmp_path):
    path = write(tmp_path, {"name": "selftest-3", "subnet": SPEC["subnet"], "hosts": {"a": {"memory": "256MiB"}}})
    refused = lab("up", path, check=False)
    assert "subnet 10.213.200.0/24 of lab selftest-3 overlaps with 10.213.200.0/24 on dl-selftest" in refused.stderr
    lab("down", "selftest-3")
    assert traces("selftest-3") == []


def test_down_leaves_nothing(spec):
    assert len(traces(NAME)) > 10
    lab("down", spec)
    assert traces(NAME) == []
    assert "lab selftest is not there" in lab("down", spec).stdout


@pytest.mark.parametrize("stage", STAGES)
def test_down_after_a_cut_off_up_leaves_nothing(tmp_path, stage):
    path = write(tmp_path, SPEC)
    cut_off(path, STAGES[stage])
    assert traces(NAME) != []
    lab("down", path)
    assert traces(NAME) == []


def test_up_after_a_cut_off_up_goes_on(tmp_path):
    path = write(tmp_path, SPEC)
    cut_off(path, STAGES["cable"])
    try:
        lab("up", path)
        assert on("small", "hostname").stdout == "small\n"
    finally:
        lab("down", path)
    assert traces(NAME) == []


@pytest.mark.parametrize("made", ["build.log", "root/usr/bin/dpkg"])
def test_down_after_a_cut_off_build_leaves_nothing(tmp_path, made):
    """The first `up` on a machine makes the root file system: here in a cache of its own, to be cut off in it."""
    path = write(tmp_path, SPEC)
    cache = tmp_path / "cache"
    cut_off(path, lambda: any(cache.glob(f"images/*.partial-{NAME}/{made}")), DROVER_LAB_CACHE=str(cache))
    assert len(list((cache / "images").glob("*.partial-*"))) == 1
    lab("down", path, DROVER_LAB_CACHE=str(cache))
    assert list((cache / "images").iterdir()) == []
    assert traces(NAME) == []
