# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, sizes, rules, inventory, packages, locks and requirements of the lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lab import binfmt, cpuinfo, host, inventory, machines, names, network, packages, requirements, sizes, spec, state
from lab.container import Container
from lab.errors import LabError
from lab.virtual_machine import VirtualMachine

LAB = spec.parse({"name": "demo", "subnet": "10.9.8.0/24", "hosts": {"pi-1": None, "pi-2": {"groups": ["others"]}}})


@pytest.mark.parametrize("lab", ["demo", "a-lab-with-a-long-name"])
@pytest.mark.parametrize("name", ["pi-1", "a-host-with-a-long-name"])
def test_interface_names_fit_the_kernel(lab, name):
    assert len(names.bridge(lab)) <= 15
    assert len(names.interface(lab, name)) <= 15
    assert all(len(names.bridge(lab, number)) <= 15 >= len(names.interface(lab, name, number)) for number in (1, 2, 3))
    # systemd-nspawn makes the first interface's name from the machine's.
    assert names.interface(lab, name) == "vb-" + names.machine(lab, name)


def test_the_same_host_in_two_labs_has_two_cables():
    long = "a-host-with-a-long-name"
    labs = ("demo", "default", "a-lab-with-a-long-name")
    assert len({names.interface(lab, name) for lab in labs for name in ("pi-1", long)}) == 6


def test_every_card_and_every_network_has_a_name_of_its_own():
    hosts = ("a", "a-1", "a-host-with-a-long-name")
    assert len({names.interface("demo", name, number) for name in hosts for number in range(4)}) == 12
    assert len({names.bridge(lab, number) for lab in ("demo", "demo-1") for number in range(4)}) == 8


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("1.5 GiB", 3 << 29), (1 << 27, 1 << 27)]
)
def test_memory_sizes(text, size):
    assert sizes.parse_memory(text) == size


@pytest.mark.parametrize(("text", "rate"), [("100mbit", 10**8), ("1gbit", 10**9), ("2.5gbit", 25 * 10**8)])
def test_rates_are_read_and_shown(text, rate):
    assert sizes.parse_rate(text) == rate
    assert sizes.show_rate(rate) == text


@pytest.mark.parametrize(("size", "text"), [(1 << 30, "1 GiB"), (3 << 29, "1.5 GiB"), (20 << 20, "20 MiB"), (5, "5 B")])
def test_memory_is_shown(size, text):
    assert sizes.show_memory(size) == text


def test_rules_replace_the_labs_own_table_only():
    for line in network.rules(LAB).splitlines():
        assert line.split()[1:4][-1] == "drover-lab-demo"
    assert "masquerade" in network.rules(LAB)
    assert "drop" not in network.rules(LAB)


def test_a_lab_without_internet_is_kept_in():
    closed = spec.parse({"name": "demo", "internet": False, "hosts": {"a": None}})
    assert 'iifname "dl-demo" oifname != "dl-demo" drop' in network.rules(closed)
    assert 'iifname != "dl-demo" oifname "dl-demo" drop' in network.rules(closed)
    assert "masquerade" not in network.rules(closed)


def two_networks(**more):
    return spec.parse(
        {
            "name": "demo",
            "networks": {"house": "10.8.0.0/24", "cluster": "10.9.0.0/24"},
            "hosts": {"head": {"networks": ["house", "cluster"]}, "pi-1": {"networks": ["cluster"]}, "tv": None},
            **more,
        }
    )


def test_two_networks_of_a_lab_are_apart():
    text = network.rules(two_networks())
    assert 'iifname "dl-demo" oifname "dl-demo_1" drop' in text
    assert 'iifname "dl-demo_1" oifname "dl-demo" drop' in text
    assert text.count("masquerade") == 2
    closed = network.rules(two_networks(internet=False))
    assert 'iifname "dl-demo_1" oifname != "dl-demo_1" drop' in closed
    assert "masquerade" not in closed


def test_a_host_knows_those_by_name_with_which_it_shares_a_network():
    lab = two_networks()
    known = {name: host.known_hosts(lab, wanted).splitlines()[2:] for name, wanted in lab.hosts.items()}
    assert known == {
        "head": ["10.8.0.11 head", "10.9.0.11 head", "10.9.0.12 pi-1", "10.8.0.13 tv"],
        "pi-1": ["10.9.0.11 head", "10.9.0.12 pi-1"],
        "tv": ["10.8.0.11 head", "10.8.0.13 tv"],
    }


def test_the_inventory_has_the_address_in_a_hosts_first_network():
    everyone = yaml.safe_load(inventory.render(two_networks()))["all"]
    assert [values["ansible_host"] for values in everyone["hosts"].values()] == ["10.8.0.11", "10.9.0.12", "10.8.0.13"]


def test_an_emulated_host_has_one_card(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    hosts = {"pi-5": {"architecture": "arm64", "networks": ["house", "cluster"]}}
    with pytest.raises(LabError, match="host pi-5: an emulated host has one network card"):
        machines.choose("demo", two_networks(hosts=hosts).hosts["pi-5"])


def test_the_inventory_has_every_host_in_its_groups():
    everyone = yaml.safe_load(inventory.render(LAB))["all"]
    assert everyone["hosts"] == {"pi-1": {"ansible_host": "10.9.8.11"}, "pi-2": {"ansible_host": "10.9.8.12"}}
    assert everyone["children"] == {
        "llama_cluster": {"hosts": {"pi-1": {}}},
        "others": {"hosts": {"pi-2": {}}},
    }
    assert everyone["vars"]["ansible_user"] == "root"
    assert "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null" in everyone["vars"]["ansible_ssh_common_args"]


def test_host_variables_reach_the_inventory():
    lab = spec.parse({"name": "x", "hosts": {"a": {"vars": {"placement_exclude": True}, "groups": []}}})
    everyone = yaml.safe_load(inventory.render(lab))["all"]
    assert everyone["hosts"]["a"]["placement_exclude"] is True
    assert everyone["children"] == {"ungrouped": {"hosts": {"a": {}}}}


@pytest.mark.parametrize(("own", "timeout"), [("x86_64", 60), ("aarch64", None)])
def test_an_emulated_host_has_time_to_greet(monkeypatch, own, timeout):
    monkeypatch.setattr("platform.machine", lambda: own)
    lab = spec.parse({"name": "x", "hosts": {"pi-5": {"architecture": "arm64"}}})
    assert yaml.safe_load(inventory.render(lab))["all"]["hosts"]["pi-5"].get("ansible_timeout") == timeout


def spec_of(architecture):
    return spec.parse({"name": "x", "hosts": {"pi-5": {"architecture": architecture}}}).hosts["pi-5"]


@pytest.mark.parametrize(
    ("own", "wanted", "kind"),
    [("x86_64", "amd64", Container), ("x86_64", "arm64", VirtualMachine), ("aarch64", "arm64", Container)],
)
def test_hosts_of_another_architecture_are_virtual_machines(monkeypatch, own, wanted, kind):
    monkeypatch.setattr("platform.machine", lambda: own)
    assert type(machines.choose("x", spec_of(wanted))) is kind


def test_an_amd64_host_on_an_arm64_machine_is_refused(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(
        LabError, match=r"host pi-5: architecture amd64 is not this machine's \(arm64\), and .* arm64 only"
    ):
        machines.choose("x", spec_of("amd64"))


def test_a_host_is_found_by_what_it_was_made_from(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(state, "STATE", tmp_path)
    for name in ("amd64", "arm64"):
        state.write(tmp_path / "x/hosts" / name / "fingerprint.json", f'{{"architecture": "{name}"}}')
    assert [type(machines.existing("x", name)) for name in ("amd64", "arm64", "half-made")] == [
        Container,
        VirtualMachine,
        Container,
    ]


def test_memory_and_processors_of_a_virtual_machine_are_soldered_in(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    lab = spec.parse({"name": "x", "hosts": {"a": {"memory": "1GiB", "cpu": 1.5}, "b": None}})
    assert VirtualMachine.fingerprint(lab.hosts["a"]) == {"memory": 1 << 30, "processors": 2}
    assert VirtualMachine.fingerprint(lab.hosts["b"]) == {"memory": 2 << 30, "processors": 3}


PROCESSORS = "processor\t: 0\nflags\t: avx\n\nprocessor\t: 1\nflags\t: avx2\n\nHardware\t: board\n\n"


@pytest.mark.parametrize(("share", "processors"), [(None, 2), (0.5, 1), (1.0, 1), (1.5, 2), (4.0, 2)])
def test_a_host_is_shown_as_many_processors_as_its_share_is_worth(share, processors):
    text = cpuinfo.shown(PROCESSORS, share)
    assert text.count("processor\t") == processors
    assert text.endswith("\n\nHardware\t: board\n\n")
    assert cpuinfo.shown(PROCESSORS, None) == PROCESSORS


def test_downloaded_packages_go_from_host_to_host(monkeypatch, tmp_path):
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    archives = "var/cache/apt/archives"
    (first / archives / "partial").mkdir(parents=True)
    (first / archives / "tree_1_amd64.deb").write_text("whole")
    (first / archives / "partial/htop_1_amd64.deb").write_text("ha")
    packages.harvest("forky", "amd64", first)
    packages.harvest("forky", "amd64", first)
    packages.seed("forky", "amd64", second)
    packages.seed("trixie", "amd64", tmp_path / "other")
    assert [path.name for path in (second / archives).iterdir()] == ["tree_1_amd64.deb"]
    assert (second / archives / "tree_1_amd64.deb").read_text() == "whole"
    assert list((tmp_path / "other" / archives).iterdir()) == []


@pytest.mark.parametrize(
    ("system", "user", "installed", "message"),
    [
        ("darwin", 0, True, "runs on Linux only, and this is darwin"),
        ("linux", 1000, True, "must run as root"),
        ("linux", 0, False, "needs the Debian packages .*mmdebstrap.*: `lab setup` installs them"),
    ],
)
def test_a_machine_that_cannot_have_a_lab_is_told_so(system, user, installed, message):
    with pytest.raises(LabError, match=message):
        requirements.check(system=system, user=user, there=lambda sign: installed)


def test_a_machine_that_has_everything_is_fine():
    assert requirements.check(system="linux", user=0, there=lambda sign: True) is None


def test_only_hosts_of_another_architecture_need_what_emulates_them(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def there(sign):
        return sign not in requirements.NEEDED_TO_EMULATE

    requirements.check({"amd64"}, system="linux", user=0, there=there)
    with pytest.raises(LabError, match=r"qemu-system-arm qemu-user-static: `lab setup` with the spec installs them"):
        requirements.check({"amd64", "arm64"}, system="linux", user=0, there=there)


def test_the_kernel_runs_programs_of_another_architecture_until_the_lab_is_gone(monkeypatch, tmp_path):
    kernel, formats, machine = tmp_path / "kernel", tmp_path / "formats", tmp_path / "machine"
    for directory in (kernel, formats):
        directory.mkdir()
    (kernel / "register").write_text("")
    (formats / "qemu-aarch64.conf").write_text("# comment\n:qemu:M::magic:mask:/qemu:F\n")
    monkeypatch.setattr(binfmt, "_KERNEL", kernel)
    monkeypatch.setattr(binfmt, "_FORMATS", formats)
    monkeypatch.setattr(binfmt, "_MOUNTED", machine / "mounted")
    monkeypatch.setattr(binfmt, "_REGISTERED", machine / "registered")
    binfmt.enable("qemu-aarch64")
    assert (kernel / "register").read_text() == ":qemu:M::magic:mask:/qemu:F"
    handler = kernel / "qemu-aarch64"
    handler.write_text("enabled")
    binfmt.restore()
    assert handler.read_text() == "-1"
    # What somebody else has registered stays.
    handler.write_text("enabled")
    binfmt.enable("qemu-aarch64")
    binfmt.restore()
    assert handler.read_text() == "enabled"


def test_a_lock_waits_for_the_directory_that_is_there_now(tmp_path):
    """Who waited for a directory that was then removed must not believe to hold the new one."""
    directory = tmp_path / "lab"
    waits = []
    holder = state.hold(directory)
    holder.__enter__()

    def replaced_meanwhile():
        waits.append(True)
        directory.rmdir()
        directory.mkdir()
        holder.__exit__(None, None, None)

    with state.hold(directory, replaced_meanwhile):
        script = (
            "import fcntl, os, sys\n"
            "try: fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except BlockingIOError: sys.exit(7)\n"
        )
        assert subprocess.run([sys.executable, "-c", script, directory]).returncode == 7
    assert waits == [True]


def test_a_file_is_written_whole_with_its_mode(tmp_path):
    path = tmp_path / "deep/authorized_keys"
    state.write(path, "key\n", 0o600)
    assert path.read_text() == "key\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["authorized_keys"]


def test_unknown_commands_of_the_machine_are_told():
    from lab.command import run

    with pytest.raises(LabError, match="no-such-command is not installed"):
        run("no-such-command")
    with pytest.raises(LabError, match=r"`sh -c echo sorry >&2; exit 3` failed \(3\): sorry"):
        run("sh", "-c", "echo sorry >&2; exit 3")


def test_the_executable_shows_its_commands():
    executable = Path(spec.__file__).parent / "lab"
    result = subprocess.run([sys.executable, executable, "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    listed = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ")]
    for command in ("up", "down", "inventory", "status", "link", "limit", "run", "kill", "start", "bytes", "doctor"):
        assert command in listed
