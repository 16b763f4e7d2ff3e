# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way every host gets the same build, which hosts are left out, and what is said of it."""

from __future__ import annotations

import pytest
from module_utils.builds.choice import choose
from module_utils.errors import DroverError

SHA = "ab" * 32


def platform(architecture="x86_64", version="12", glibc="2.36", candidate=None, known=True, cores=4):
    return {
        "architecture": architecture,
        "system": "linux",
        "distribution": {
            "id": "debian",
            "version": version,
            "codename": "",
            "like": [],
            "name": f"Debian {version or 'testing'}",
        },
        "glibc": glibc,
        "libstdcxx": "3.4.30",
        "cpu_isa": ["dotprod"] if architecture == "aarch64" else ["avx2"],
        "cpu_model": "a processor",
        "cores": cores,
        "memory_bytes": 8 << 30,
        "package": {"manager": "apt", "candidate": candidate, "known": known},
    }


def host(name, builds=(), found=False, current=None, devices=(), loaded=("RPC", "CPU"), problem=None, gpus=(), **more):
    return {
        "host": name,
        "platform": {**platform(**more), "gpus": list(gpus), "compute_capabilities": []},
        "llama_cpp": {
            "found": found,
            "builds": list(builds),
            "current": current,
            "build_backends": {build: ["CPU", "CUDA"] for build in builds},
            "devices": [{"name": device} for device in devices],
            "backends": list(loaded),
            "problem": problem,
        },
    }


def offer(architecture="x86_64", label="b100", glibc="2.34", id=None):
    return {
        "id": id or f"{label}-{architecture[:4]}0000",
        "label": label,
        "file": f"llama-{label}-{architecture}.tar.gz",
        "path": f"/cache/{architecture}",
        "url": None,
        "sha256": SHA,
        "architecture": architecture,
        "glibc": glibc,
        "libstdcxx": "3.4.29",
        "libraries": [],
        "backends": ["CPU", "Vulkan"],
    }


SOURCE = {"label": "b100", "sha256": SHA}


def test_without_any_setting_packages_are_taken():
    choice = choose([host("a", version="", candidate="0.7.0-1"), host("b", version="", candidate="0.7.0-1")])
    assert choice["method"] == "package"
    assert choice["label"] is None
    assert choice["left_out"] == {}
    assert [way["installed"] for way in choice["hosts"].values()] == [False, False]
    assert choice["hosts"]["a"]["packages"] == ["llama.cpp-tools", "llama.cpp-tools-extra", "libggml0-backend-rpc"]
    assert choice["hosts"]["a"]["backends"] == ["CPU"]


def test_the_number_of_a_build_that_packages_have_put_there_is_known():
    there = host("a", found=True)
    there["llama_cpp"]["build"] = 11669
    assert choose([there])["hosts"]["a"]["build"] == 11669


def test_programs_that_are_there_are_used_as_they_are():
    choice = choose([host("a", found=True)])
    assert choice["hosts"]["a"] == {
        "id": None,
        "build": None,
        "installed": True,
        "in_force": True,
        "backends": ["CPU"],
        "devices": [],
        "packages": [],
        "archive": None,
        "recipe": None,
        "build_host": None,
    }
    assert choice["reasons"] == ["llama.cpp by method package, there already."]


BASE = ["llama.cpp-tools", "llama.cpp-tools-extra", "libggml0-backend-rpc"]
VULKAN = "libggml0-backend-vulkan"


@pytest.mark.parametrize(
    ("backends", "about", "packages", "driven"),
    [
        (["cpu"], {"gpus": ["rocm"]}, BASE, ["CPU"]),
        (["auto"], {}, BASE, ["CPU"]),
        (["auto"], {"gpus": ["cuda"]}, [*BASE, VULKAN], ["CPU", "Vulkan"]),
        (["hip", "vulkan"], {}, [*BASE, VULKAN, "libggml0-backend-hip"], ["CPU", "ROCm", "Vulkan"]),
        (["auto"], {"gpus": ["vulkan"], "found": True}, [VULKAN], ["CPU", "Vulkan"]),
        (["auto"], {"gpus": ["vulkan"], "found": True, "loaded": ("Vulkan", "CPU")}, [], ["CPU"]),
    ],
)
def test_packages_of_the_backends_that_are_wanted(backends, about, packages, driven):
    way = choose([host("a", candidate="0.7.0-1", **about)], options={"backends": backends})["hosts"]["a"]
    assert (way["packages"], way["backends"], way["installed"]) == (packages, driven, not packages)


@pytest.mark.parametrize(
    ("vulkan", "hip", "packages", "driven"),
    [
        (False, True, [*BASE, "libggml0-backend-hip"], ["CPU", "ROCm"]),
        (True, True, [*BASE, VULKAN], ["CPU", "Vulkan"]),
        (False, False, BASE, ["CPU"]),
    ],
)
def test_the_package_of_hip_is_taken_where_rocm_is_and_no_driver_of_vulkan(vulkan, hip, packages, driven):
    one = host("a", candidate="0.7.0-1", gpus=["rocm"])
    one["platform"].update(vulkan_driver=vulkan, hip_driver=hip)
    choice = choose([one], options={"backends": ["auto"]})
    assert (choice["hosts"]["a"]["packages"], choice["hosts"]["a"]["backends"]) == (packages, driven)
    # Nothing is told of Vulkan where something else drives the card.
    assert any("Vulkan finds no GPU" in reason for reason in choice["reasons"]) == (driven == ["CPU"])


def on_vulkan(found=True, driver=True, packaged=("CPU",), gpus=("vulkan",), **more):
    made = host("a", candidate="0.7.0-1", found=found, gpus=gpus, **more)
    made["platform"]["vulkan_driver"] = driver
    made["llama_cpp"]["package_backends"] = list(packaged)
    return made


@pytest.mark.parametrize(
    ("one", "packages", "driven", "driver"),
    [
        (on_vulkan(found=False), [*BASE, VULKAN], ["CPU", "Vulkan"], None),
        (on_vulkan(), [VULKAN], ["CPU", "Vulkan"], None),
        # Without a driver the backend does not load: its package would not help.
        (on_vulkan(found=False, driver=False), BASE, ["CPU"], "mesa-vulkan-drivers"),
        (on_vulkan(driver=False), [], ["CPU"], "mesa-vulkan-drivers"),
        (on_vulkan(packaged=["CPU", "Vulkan"]), [], ["CPU"], "mesa-vulkan-drivers"),
        (on_vulkan(driver=False, gpus=["cuda"]), [], ["CPU"], "nvidia-driver"),
        (on_vulkan(driver=False, gpus=[]), [], ["CPU"], None),
        (
            on_vulkan(packaged=["CPU", "Vulkan"], loaded=("Vulkan", "CPU"), devices=["Vulkan0"]),
            [],
            ["CPU", "Vulkan"],
            None,
        ),
    ],
)
def test_a_gpu_without_its_driver_is_not_planned_with_and_the_driver_is_named(one, packages, driven, driver):
    choice = choose([one], options={"backends": ["auto"]})
    assert (choice["hosts"]["a"]["packages"], choice["hosts"]["a"]["backends"]) == (packages, driven)
    told = [
        reason for reason in choice["reasons"] if reason.startswith("a computes on its CPU, since Vulkan finds no GPU")
    ]
    assert [driver in reason for reason in told] == ([True] if driver else [])
    assert len(choose([one], options={"backends": ["cpu"]})["reasons"]) == 1


def test_an_archive_with_vulkan_drives_nothing_without_the_driver():
    choice = choose([on_vulkan(driver=False)], archives=[offer()], options={"backends": ["auto"]})
    assert choice["hosts"]["a"]["backends"] == ["CPU"]
    assert "mesa-vulkan-drivers" in choice["reasons"][0]


def test_a_build_that_waits_to_be_in_force_has_the_devices_that_it_lists():
    waiting = host("a", builds=["b100-x86_0000"])
    devices = [{"name": "Vulkan0"}]
    waiting["llama_cpp"]["build_devices"] = {"b100-x86_0000": devices}
    way = choose([waiting], archives=[offer()])["hosts"]["a"]
    assert (way["installed"], way["in_force"], way["backends"], way["devices"]) == (
        True,
        False,
        ["CPU", "Vulkan"],
        devices,
    )


def test_a_host_whose_package_lists_were_never_fetched_may_have_the_package():
    assert choose([host("fresh", known=False)])["left_out"] == {}


def test_a_host_without_packages_is_left_out_with_the_remedy():
    choice = choose([host("new", version="", candidate="0.7.0-1"), host("old")])
    assert list(choice["hosts"]) == ["new"]
    assert choice["left_out"]["old"].startswith("Debian 12 has no llama.cpp packages")
    assert "llama_cpp_method" in choice["left_out"]["old"]


def test_packages_of_other_managers_are_not_counted_on():
    fedora = host("fedora", candidate="b6000-1.fc43")
    fedora["platform"]["package"]["manager"] = "dnf"
    choice = choose([fedora, host("debian", candidate="0.7.0-1")])
    assert "no llama.cpp packages that Drover knows" in choice["left_out"]["fedora"]


def test_when_no_host_can_have_it_each_is_named():
    with pytest.raises(
        DroverError, match=r"No host can get llama.cpp by method package: a: Debian 12 .* b: Debian 12 "
    ):
        choose([host("a"), host("b")])


def test_auto_prefers_what_the_user_named_over_packages():
    choice = choose([host("a", candidate="0.7.0-1")], archives=[offer()])
    assert (choice["method"], choice["label"]) == ("archive", "b100")
    assert choice["hosts"]["a"]["archive"]["path"] == "/cache/x86_64"


def test_auto_takes_the_first_way_that_serves_every_host_and_says_why():
    hosts = [host("new", glibc="2.41", version="13"), host("old", glibc="2.36")]
    choice = choose(hosts, archives=[offer(glibc="2.38")], source=SOURCE)
    assert choice["method"] == "source"
    assert choice["left_out"] == {}
    assert "Method archive does not serve every host: old: " in choice["reasons"][0]
    assert "2.38" in choice["reasons"][0]


def test_auto_leaves_out_as_few_as_possible_when_no_way_serves_all():
    hosts = [host("a"), host("b"), host("odd", architecture="riscv64")]
    choice = choose(hosts, bundle=[offer(architecture="aarch64")], archives=[offer()])
    assert choice["method"] == "archive"
    assert list(choice["left_out"]) == ["odd"]


def test_a_method_that_was_asked_for_is_not_replaced():
    choice = choose([host("a", glibc="2.36"), host("b", glibc="2.41")], "archive", archives=[offer(glibc="2.38")])
    assert list(choice["hosts"]) == ["b"]
    assert list(choice["left_out"]) == ["a"]


@pytest.mark.parametrize(
    ("method", "setting"),
    [("archive", "llama_cpp_archive_sha256"), ("source", "llama_cpp_source_sha256"), ("bundle", "llama_cpp_bundle")],
)
def test_a_method_without_what_it_needs_is_refused(method, setting):
    with pytest.raises(DroverError, match=f"llama_cpp_method is {method}, which needs .*{setting}"):
        choose([host("a")], method)


def test_every_architecture_gets_its_own_archive_of_the_same_build():
    choice = choose([host("pc"), host("pi", architecture="aarch64")], archives=[offer(), offer("aarch64")])
    assert choice["hosts"]["pc"]["archive"]["architecture"] == "x86_64"
    assert choice["hosts"]["pi"]["archive"]["architecture"] == "aarch64"


def test_the_first_archive_that_runs_is_taken():
    newer, older = offer(glibc="2.38", id="b100-00000001"), offer(glibc="2.31", id="b100-00000002")
    choice = choose([host("old", glibc="2.36"), host("new", glibc="2.41")], bundle=[newer, older])
    assert choice["hosts"]["old"]["id"] == "b100-00000002"
    assert choice["hosts"]["new"]["id"] == "b100-00000001"


def test_an_architecture_without_an_archive_is_named():
    choice = choose([host("pc"), host("pi", architecture="aarch64")], "archive", archives=[offer()])
    assert "x86_64" in choice["left_out"]["pi"]
    assert "aarch64" in choice["left_out"]["pi"]


def test_archives_of_two_builds_are_refused():
    with pytest.raises(DroverError, match=r"different builds \(b100, b101\)"):
        choose([host("a")], archives=[offer(), offer(label="b101")])


def test_a_build_that_is_there_is_not_installed_again():
    there = offer()["id"]
    choice = choose([host("a", builds=[there]), host("b")], archives=[offer()])
    assert choice["hosts"]["a"]["installed"]
    assert not choice["hosts"]["b"]["installed"]
    assert choice["reasons"] == ["llama.cpp b100 by method archive, to be put on b."]


@pytest.mark.parametrize(
    ("builds", "current", "keep", "in_force"),
    [
        (["BUILD"], "BUILD", 1, True),
        (["BUILD"], "BUILD", 0, True),
        (["BUILD", "b99-00000000"], "BUILD", 2, True),
        (["BUILD", "b99-00000000"], "BUILD", 1, False),
        (["BUILD"], None, 1, False),
        (["BUILD", "b99-00000000"], "b99-00000000", 2, False),
        ([], None, 1, False),
    ],
)
def test_a_build_is_in_force_when_nothing_is_left_to_do_for_it(builds, current, keep, in_force):
    names = {"BUILD": offer()["id"]}
    there = host("a", builds=[names.get(name, name) for name in builds], current=names.get(current, current))
    choice = choose([{**there, "keep": keep}], archives=[offer()])
    assert choice["hosts"]["a"]["in_force"] is in_force


def test_packages_are_not_in_force_while_builds_are_left():
    assert not choose([host("a", found=True, builds=["b99-00000000"])])["hosts"]["a"]["in_force"]
    assert not choose([host("a", version="", candidate="0.7.0-1")])["hosts"]["a"]["in_force"]


def test_one_host_of_each_kind_compiles():
    hosts = [
        host("slow-12", cores=2),
        host("fast-12", cores=8),
        host("one-13", version="13", glibc="2.41"),
        host("pi", architecture="aarch64"),
    ]
    ways = choose(hosts, source=SOURCE)["hosts"]
    assert {name: way["build_host"] for name, way in ways.items()} == {
        "slow-12": "fast-12",
        "fast-12": "fast-12",
        "one-13": "one-13",
        "pi": "pi",
    }
    assert ways["slow-12"]["id"] == ways["fast-12"]["id"]
    assert len({way["id"] for way in ways.values()}) == 3


def test_a_host_that_has_the_build_does_not_compile_it_for_another():
    build = choose([host("a")], source=SOURCE)["hosts"]["a"]["id"]
    ways = choose([host("a", builds=[build], cores=16), host("b", cores=1)], source=SOURCE)["hosts"]
    assert [way["build_host"] for way in ways.values()] == ["b", "b"]
    assert choose([host("a", builds=[build], cores=16)], source=SOURCE)["hosts"]["a"]["build_host"] == "a"


def fedora(name, tools=(), **more):
    there = host(name, **more)
    there["platform"].update(build_tools=list(tools), package={"manager": "dnf", "candidate": None, "known": True})
    return there


def test_who_has_no_tools_and_no_apt_is_left_out_of_what_is_compiled():
    choice = choose([host("deb"), fedora("a", version="9"), fedora("b", version="9")], "source", source=SOURCE)
    assert list(choice["hosts"]) == ["deb"]
    assert choice["left_out"]["a"] == choice["left_out"]["b"]
    assert 'install them yourself by "dnf install cmake ninja-build gcc-c++"' in choice["left_out"]["a"]


def test_one_host_with_tools_compiles_for_those_of_its_kind_without():
    ways = choose([fedora("a", cores=16), fedora("b", ["cmake", "ninja", "g++"], cores=1)], source=SOURCE)["hosts"]
    assert {name: way["build_host"] for name, way in ways.items()} == {"a": "b", "b": "b"}
    assert ways["b"]["recipe"]["packages"] == []


def test_who_has_the_build_needs_no_tools():
    build = choose([fedora("a", ["cmake", "ninja", "g++"])], source=SOURCE)["hosts"]["a"]["id"]
    choice = choose([fedora("a", builds=[build]), fedora("b")], "source", source=SOURCE)
    assert (list(choice["hosts"]), list(choice["left_out"])) == (["a"], ["b"])
    assert choice["hosts"]["a"]["build_host"] == "a"


def test_compiled_builds_differ_with_the_options():
    generic = choose([host("a")], source=SOURCE)["hosts"]["a"]["id"]
    native = choose([host("a")], source=SOURCE, options={"cpu": "native"})["hosts"]["a"]["id"]
    assert generic != native


def test_a_host_that_cannot_compile_is_left_out():
    choice = choose([host("a"), host("odd", architecture="riscv64")], "source", source=SOURCE)
    assert "riscv64" in choice["left_out"]["odd"]
    assert list(choice["hosts"]) == ["a"]


def test_the_devices_of_a_build_in_force_say_what_drives_them():
    assert choose([host("a", found=True, devices=["Vulkan0"])])["hosts"]["a"]["backends"] == ["CPU", "Vulkan"]
    build = offer()["id"]
    # It has libraries for CUDA and was made for Vulkan, and its server offers neither.
    in_force = choose([host("a", builds=[build], current=build)], archives=[offer()])
    assert in_force["hosts"]["a"]["backends"] == ["CPU"]


def test_a_build_that_is_there_and_not_in_force_has_what_its_libraries_are_for():
    build = offer()["id"]
    there = host("a", builds=[build, "b99-00000000"], current="b99-00000000", devices=["Vulkan0"])
    assert choose([there], archives=[offer()])["hosts"]["a"]["backends"] == ["CPU", "CUDA"]


def test_a_build_that_is_to_come_has_what_its_archive_or_its_options_say():
    assert choose([host("a")], archives=[offer()])["hosts"]["a"]["backends"] == ["CPU", "Vulkan"]
    assert choose([host("a")], source=SOURCE)["hosts"]["a"]["backends"] == ["CPU"]
    options = {"backends": ["cpu", "hip"]}
    assert choose([host("a")], source=SOURCE, options=options)["hosts"]["a"]["backends"] == ["CPU", "ROCm"]


BROKEN = "/usr/bin/llama-server ends with an illegal instruction; install another."


def test_a_host_whose_programs_do_not_run_is_left_out_with_the_reason():
    choice = choose([host("a", found=True), host("b", found=True, problem=BROKEN)])
    assert (list(choice["hosts"]), choice["left_out"]) == (["a"], {"b": BROKEN})


@pytest.mark.parametrize("given", [{"archives": [offer()]}, {"source": SOURCE}])
def test_a_build_in_force_that_does_not_run_leaves_its_host_out(given):
    build = choose([host("a")], **given)["hosts"]["a"]["id"]
    hosts = [host("a"), host("b", builds=[build], current=build, problem=BROKEN)]
    method = "archive" if "archives" in given else "source"
    assert choose(hosts, method, **given)["left_out"] == {"b": BROKEN}


def test_programs_that_do_not_run_are_replaced_by_a_build():
    hosts = [
        host("a", found=True, problem=BROKEN),
        host("b", builds=["b1-00000000"], current="b1-00000000", problem=BROKEN),
    ]
    choice = choose(hosts, archives=[offer()])
    assert (list(choice["hosts"]), choice["left_out"]) == (["a", "b"], {})
