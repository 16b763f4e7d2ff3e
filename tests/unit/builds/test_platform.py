# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama_cpp_info says of the machine itself."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from module_utils.builds import find, platform
from module_utils.builds.drivers import has_hip_driver, has_vulkan_driver
from module_utils.hosts.tree import Tree
from unit.builds import raw_elf

ROOT = Path(__file__).parents[3]
BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
SID = 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nVERSION_CODENAME=forky\nID=debian\n'
MINT = (
    'NAME=\'Linux Mint\'\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\nVERSION_CODENAME=wilma\nBAD="open\n'
)


def plant(root, files):
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(str(root))


def library(*versions, machine=raw_elf.X86_64):
    return raw_elf.elf(defines=("GLIBCXX_3.4", *versions, "CXXABI_1.3"), machine=machine)


def silent(_command):
    return ""


def test_this_machine_is_described_as_documented():
    module = (ROOT / "plugins" / "modules" / "llama_cpp_info.py").read_text()
    documented = yaml.safe_load(re.search(r'RETURN = r"""(.*?)"""', module, re.DOTALL)[1])
    returned = platform.read_platform(Tree(), package="no-package-has-this-name")
    assert set(documented["platform"]["contains"]) == set(returned)
    assert set(documented["llama_cpp"]["contains"]) == set(find.find_llama_cpp(search_path="", folders=()))
    for name in ("distribution", "package"):
        assert set(documented["platform"]["contains"][name]["sample"]) == set(returned[name])
    assert returned["architecture"] == os.uname().machine
    assert returned["system"] == "linux"
    assert returned["package"]["candidate"] is None
    assert returned["cores"] >= 1
    assert 0 < returned["memory_bytes"] < 2**50


def test_versions_of_this_machine_are_those_that_its_tools_say():
    returned = platform.read_platform(Tree())
    ldd = subprocess.run(["ldd", "--version"], capture_output=True, text=True, check=True).stdout
    assert returned["glibc"] == ldd.splitlines()[0].split()[-1]
    path = subprocess.run(["gcc", "-print-file-name=libstdc++.so.6"], capture_output=True, text=True, check=True).stdout
    strings = Path(path.strip()).read_bytes()
    versions = re.findall(rb"\0GLIBCXX_([0-9.]+)(?=\0)", strings)
    assert returned["libstdcxx"] == max((v.decode() for v in versions), key=lambda v: [*map(int, v.split("."))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            BOOKWORM,
            {"id": "debian", "version": "12", "codename": "", "like": [], "name": "Debian GNU/Linux 12 (bookworm)"},
        ),
        (SID, {"id": "debian", "version": "", "codename": "forky", "like": [], "name": "Debian GNU/Linux forky/sid"}),
        (
            MINT,
            {
                "id": "linuxmint",
                "version": "22",
                "codename": "wilma",
                "like": ["ubuntu", "debian"],
                "name": "Linux Mint",
            },
        ),
        ("", {"id": "linux", "version": "", "codename": "", "like": [], "name": "Linux"}),
    ],
    ids=["release", "testing", "derivative", "nothing"],
)
def test_distribution(tmp_path, text, expected):
    assert platform.read_distribution(plant(tmp_path, {"/usr/lib/os-release": text})) == expected


def test_a_distribution_of_the_owner_s_own_comes_first(tmp_path):
    tree = plant(tmp_path, {"/etc/os-release": SID, "/usr/lib/os-release": BOOKWORM})
    assert platform.read_distribution(tree)["codename"] == "forky"


@pytest.mark.parametrize(
    ("machine", "bits", "expected"),
    [
        ("x86_64", 64, "x86_64"),
        ("aarch64", 64, "aarch64"),
        ("arm64", 64, "aarch64"),
        ("aarch64", 32, "armv7l"),
        ("x86_64", 32, "i686"),
        ("armv6l", 32, "armv6l"),
        ("riscv64", 64, "riscv64"),
    ],
)
def test_a_kernel_of_64_bits_may_run_programs_of_32(machine, bits, expected):
    assert platform.architecture_of(machine, bits) == expected


def test_another_c_library_has_no_version(monkeypatch):
    def unknown(_name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    assert platform.glibc_version() is None


def test_libstdcxx_is_taken_in_the_loader_s_order(tmp_path):
    tree = plant(
        tmp_path,
        {
            "/opt/gcc/lib64/libstdc++.so.6": library("GLIBCXX_3.4.9", "GLIBCXX_3.4.33"),
            "/usr/lib/x86_64-linux-gnu/libstdc++.so.6": library("GLIBCXX_3.4.30"),
            "/usr/lib32/libstdc++.so.6": library("GLIBCXX_3.4.44", machine=raw_elf.AARCH64),
            "/usr/lib/libstdc++.so.6": b"no library",
        },
    )
    cache = (
        "3 libs found in cache `/etc/ld.so.cache'\n"
        "\tlibstdc++.so.6 (libc6) => /usr/lib32/libstdc++.so.6\n"
        "\tlibstdc++.so.6 (libc6,x86-64) => /gone/libstdc++.so.6\n"
        "\tlibstdc++.so.6 (libc6,x86-64) => /opt/gcc/lib64/libstdc++.so.6\n"
        "\tlibstdc++.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libstdc++.so.6\n"
    )
    assert platform.libstdcxx_version(tree, "x86_64", lambda _command: cache) == "3.4.33"
    assert platform.libstdcxx_version(tree, "x86_64", silent) == "3.4.30"
    assert platform.libstdcxx_version(tree, "riscv64", silent) is None


APT = {
    "there": ("llama.cpp-tools:\n  Installed: (none)\n  Candidate: 0.7.0+dfsg-1\n  Version table:\n", "0.7.0+dfsg-1"),
    "not to be had": ("llama.cpp-tools:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n", None),
    "not heard of": ("", None),
}


def have(tmp_path, monkeypatch, *programs):
    for program in programs:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "no lists"])
@pytest.mark.parametrize(("printed", "candidate"), APT.values(), ids=APT)
def test_package_of_apt(tmp_path, monkeypatch, printed, candidate, lists):
    have(tmp_path, monkeypatch, "apt-cache", "brew")
    name = "deb.example_debian_dists_forky_main_binary-amd64_Packages.lz4"
    tree = plant(tmp_path, {f"/var/lib/apt/lists/{name if lists else 'lock'}": ""})
    asked = []
    answer = platform.read_package(tree, "llama.cpp-tools", lambda command: asked.append(command) or printed)
    assert answer == {"manager": "apt", "candidate": candidate, "known": lists or candidate is not None}
    assert asked == [["apt-cache", "policy", "llama.cpp-tools"]]


# What the manuals of the others promise; none was run.
OTHERS = {
    "dnf": ("1.2.3-4.fc44\n", "1.2.3-4.fc44"),
    "pacman": ("Repository      : extra\nName            : llama.cpp\nVersion         : b7000-1\n", "b7000-1"),
    "brew": ("==> llama.cpp: stable 0.7.0 (bottled), HEAD\nLLM inference\n", "0.7.0"),
}


@pytest.mark.parametrize(("manager", "answer"), OTHERS.items(), ids=OTHERS)
def test_package_of_other_managers(tmp_path, monkeypatch, manager, answer):
    printed, candidate = answer
    have(tmp_path, monkeypatch, manager)
    expected = {"manager": manager, "candidate": candidate, "known": True}
    assert platform.read_package(Tree(str(tmp_path)), "llama.cpp", lambda _command: printed) == expected
    nothing = platform.read_package(Tree(str(tmp_path)), "llama.cpp", silent)
    assert nothing == {"manager": manager, "candidate": None, "known": manager == "brew"}


def test_without_a_package_manager_nobody_need_be_asked(tmp_path, monkeypatch):
    have(tmp_path, monkeypatch)
    expected = {"manager": None, "candidate": None, "known": True}
    assert platform.read_package(Tree(str(tmp_path)), "llama.cpp", silent) == expected


def test_no_package_is_asked_for(tmp_path, monkeypatch):
    have(tmp_path, monkeypatch, "apt-cache")
    tree = plant(tmp_path, {"/var/lib/apt/lists/mirror_InRelease": ""})
    assert platform.read_package(tree, None, None) == {"manager": "apt", "candidate": None, "known": False}


def test_memory_that_services_hold_is_not_there_to_compile_with(monkeypatch):
    memory = {"usable_bytes": 5 * 2**30, "held_bytes": 3 * 2**30}
    monkeypatch.setattr(platform, "read_memory", lambda _tree, _units: memory)
    assert platform.read_platform(Tree(), run=silent)["memory_bytes"] == 2 * 2**30
    memory["held_bytes"] = 6 * 2**30
    assert platform.read_platform(Tree(), run=silent)["memory_bytes"] == 0


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Makes a program of this name, which may take 0.3 s, of a shell script."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(platform, "SECONDS", 0.3)

    def make(name, script):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return make


@pytest.mark.parametrize(("script", "expected"), [("echo found", "found\n"), ("echo found; exit 1", "")])
def test_a_command_that_fails_says_nothing(asked, script, expected):
    asked("asked", script)
    assert platform._output(["asked"]) == expected
    assert platform._output(["asked-of-nobody"]) == ""


def test_a_package_manager_that_does_not_answer_in_time_has_not_said_no(asked, tmp_path):
    asked("apt-cache", "exec sleep 60")
    tree = plant(tmp_path / "tree", {"/var/lib/apt/lists/mirror_main_Packages": ""})
    expected = {"manager": "apt", "candidate": None, "known": False}
    assert platform.read_package(tree, "llama.cpp", platform._output) == expected


def test_the_loader_s_usual_folders_are_looked_in_when_it_does_not_answer_in_time(asked, tmp_path, monkeypatch):
    asked("ldconfig", "exec sleep 60")
    monkeypatch.setattr(platform, "LIBRARY_FOLDERS", ("/nowhere",))
    assert platform.libstdcxx_version(Tree(str(tmp_path)), "x86_64", platform._output) is None


@pytest.mark.parametrize(
    ("file", "there"),
    [
        (None, False),
        ("usr/share/vulkan/icd.d/radeon_icd.x86_64.json", True),
        ("etc/vulkan/icd.d/nvidia_icd.json", True),
        ("usr/share/vulkan/icd.d/README", False),
        ("usr/share/vulkan/implicit_layer.d/VkLayer_MESA_device_select.json", False),
    ],
)
def test_a_driver_of_vulkan_is_one_that_its_loader_is_told_of(tmp_path, file, there):
    if file:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}")
    assert has_vulkan_driver(Tree(str(tmp_path))) is there


HIP, BLAS, ROCBLAS = "libamdhip64.so.5", "libhipblas.so.0.1", "librocblas.so.0.1"
DEBIAN = "/usr/lib/x86_64-linux-gnu"


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ([], False),
        (["/dev/kfd"], False),
        (["/dev/kfd", *(f"{DEBIAN}/{name}" for name in (HIP, BLAS, ROCBLAS))], True),
        ([f"{DEBIAN}/{name}" for name in (HIP, BLAS, ROCBLAS)], False),  # a container without the device
        (["/dev/kfd", *(f"/opt/rocm/lib/{name}" for name in (HIP, BLAS, ROCBLAS))], True),
        (["/dev/kfd", f"{DEBIAN}/{HIP}"], False),
        (["/dev/kfd", *(f"/usr/lib/aarch64-linux-gnu/{name}" for name in (HIP, BLAS, ROCBLAS))], False),
    ],
)
def test_rocm_is_there_when_the_kernel_and_the_runtime_are(tmp_path, files, there):
    assert has_hip_driver(plant(tmp_path, dict.fromkeys(files, "")), "x86_64") is there
