# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How llama.cpp is compiled for which host, and which hosts share one compilation."""

from __future__ import annotations

import re

import pytest
from module_utils.builds.recipe import GIB, build_host, make_recipe
from module_utils.errors import DroverError

SOURCE = {"label": "0.5.0", "sha256": "ab" * 32}
A76 = ["neon", "dotprod", "fp16"]
DEBIAN_12 = {
    "id": "debian",
    "version": "12",
    "codename": "bookworm",
    "like": [],
    "name": "Debian GNU/Linux 12 (bookworm)",
}
DEBIAN_13 = {"id": "debian", "version": "13", "codename": "trixie", "like": [], "name": "Debian GNU/Linux 13 (trixie)"}
SID = {"id": "debian", "version": "", "codename": "forky", "like": [], "name": "Debian GNU/Linux forky/sid"}
UBUNTU_2404 = {
    "id": "ubuntu",
    "version": "24.04",
    "codename": "noble",
    "like": ["debian"],
    "name": "Ubuntu 24.04.1 LTS",
}
UNKNOWN = {"id": "plan9", "version": "4", "codename": "", "like": [], "name": "Plan 9"}


def platform(distribution=DEBIAN_12, architecture="x86_64", isa=("avx2",), **other):
    return {
        "architecture": architecture,
        "system": "linux",
        "distribution": distribution,
        "glibc": "2.36",
        "libstdcxx": "3.4.30",
        "cpu_isa": list(isa),
        "cpu_model": "Some CPU",
        "cores": 4,
        "memory_bytes": 8 * GIB,
        "package": {"manager": "apt", "candidate": None, "known": True},
        **other,
    }


def arm(distribution=DEBIAN_12, isa=A76, **other):
    return platform(distribution, "aarch64", isa, **other)


def recipe(platform, source=SOURCE, **options):
    return make_recipe(source, platform, options)


def defined(made):
    """The CMake options as a dictionary; the last of a name counts, as for CMake."""
    return dict(option[2:].split("=", 1) for option in made["cmake_options"])


def test_generic_on_x86_picks_the_code_when_it_starts():
    made = recipe(platform())
    assert made["kind"] == "debian-12-x86_64-generic"
    assert re.fullmatch(r"0\.5\.0-[0-9a-f]{8}", made["id"])
    assert made["targets"] == ["llama-server", "ggml-rpc-server"]
    assert made["packages"] == ["cmake", "ninja-build", "g++"]
    assert made["compiler"] is None
    options = defined(made)
    assert (options["GGML_NATIVE"], options["GGML_BACKEND_DL"], options["GGML_CPU_ALL_VARIANTS"]) == ("OFF", "ON", "ON")
    assert options["GGML_RPC"] == "ON"
    assert options["CMAKE_INSTALL_RPATH"] == "$ORIGIN"


def test_nothing_is_fetched_and_no_library_of_some_hosts_is_needed():
    options = defined(recipe(platform()))
    off = ("LLAMA_BUILD_UI", "LLAMA_USE_PREBUILT_UI", "LLAMA_CURL", "LLAMA_OPENSSL", "GGML_OPENMP", "GGML_RPC_RDMA")
    assert {options[name] for name in off} == {"OFF"}


@pytest.mark.parametrize(
    ("label", "number", "dev"),
    [("0.5.0", "0", "OFF"), ("v0.7.0", "0", "OFF"), ("b11669", "11669", None), ("main", "0", None)],
)
def test_the_programs_say_what_the_label_says(label, number, dev):
    options = defined(recipe(platform(), {"label": label, "sha256": "AB" * 32}))
    assert options["LLAMA_BUILD_NUMBER"] == number
    assert options.get("LLAMA_BUILD_IS_DEV") == dev
    assert options["LLAMA_BUILD_COMMIT"] == "source-abababab"


@pytest.mark.parametrize(
    ("isa", "march"),
    [
        (["neon"], "armv8-a"),
        (["neon", "fp16"], "armv8-a"),
        (["neon", "dotprod"], "armv8.2-a+dotprod"),
        (A76, "armv8.2-a+dotprod+fp16"),
        ([*A76, "i8mm", "sve", "bf16"], "armv8.2-a+dotprod+fp16+i8mm"),
    ],
)
def test_an_old_compiler_builds_for_one_class_of_arm_processors(isa, march):
    made = recipe(arm(isa=isa))
    assert made["kind"] == f"debian-12-aarch64-{march}"
    assert defined(made)["GGML_CPU_ARM_ARCH"] == march
    assert "GGML_CPU_ALL_VARIANTS" not in defined(made)


@pytest.mark.parametrize("distribution", [DEBIAN_13, SID])
def test_a_new_compiler_builds_for_every_arm_processor(distribution):
    made = recipe(arm(distribution))
    assert made["kind"].endswith("-aarch64-generic")
    assert defined(made)["GGML_CPU_ALL_VARIANTS"] == "ON"
    # ggml refuses both at once.
    assert "GGML_CPU_ARM_ARCH" not in defined(made)
    assert made["id"] == recipe(arm(distribution, isa=["neon"]))["id"]


def test_gcc_13_is_avoided_on_arm_alone():
    made = recipe(arm(UBUNTU_2404))
    assert made["compiler"] == {"c": "gcc-14", "cxx": "g++-14"}
    assert made["packages"] == ["cmake", "ninja-build", "g++-14"]
    assert defined(made)["CMAKE_CXX_COMPILER"] == "g++-14"
    assert made["kind"] == "ubuntu-24.04-aarch64-generic"
    assert any("Gemma 3" in reason for reason in made["reasons"])
    assert recipe(platform(UBUNTU_2404))["compiler"] is None


def test_an_unknown_distribution_gets_what_every_compiler_can():
    assert recipe(arm(UNKNOWN))["kind"] == "plan9-4-aarch64-armv8.2-a+dotprod+fp16"
    assert recipe(platform(UNKNOWN))["kind"] == "plan9-4-x86_64-generic"


def test_native_is_shared_by_equal_processors_alone():
    first = recipe(platform(isa=["avx", "avx2"]), cpu="native")
    assert re.fullmatch(r"debian-12-x86_64-native-[0-9a-f]{8}", first["kind"])
    assert defined(first)["GGML_NATIVE"] == "ON"
    # ggml refuses GGML_NATIVE together with GGML_BACKEND_DL.
    assert "GGML_BACKEND_DL" not in defined(first)
    assert recipe(platform(isa=["avx2", "avx"], cores=64), cpu="native")["id"] == first["id"]
    assert recipe(platform(isa=["avx2", "avx", "avx512f"]), cpu="native")["id"] != first["id"]
    assert recipe(platform(isa=["avx", "avx2"], cpu_model="Other CPU"), cpu="native")["id"] != first["id"]


def test_the_id_tells_all_that_the_result_depends_on():
    ids = [
        recipe(platform())["id"],
        recipe(platform(DEBIAN_13))["id"],
        recipe(arm())["id"],
        recipe(platform(), {**SOURCE, "sha256": "cd" * 32})["id"],
        recipe(platform(), {**SOURCE, "label": "0.5.1"})["id"],
        recipe(platform(), cpu="native")["id"],
        recipe(platform(), cmake_options=["-DGGML_LLAMAFILE=OFF"])["id"],
        recipe(platform(), backends=["vulkan"])["id"],
    ]
    assert len(set(ids)) == len(ids)


def test_the_id_tells_nothing_else():
    same = recipe(platform(isa=["avx512f"], cores=1, memory_bytes=GIB, glibc="2.36"), backends=["cpu"], jobs=3)
    assert same["id"] == recipe(platform())["id"]
    assert recipe(platform(), {**SOURCE, "sha256": "AB" * 32})["id"] == same["id"]


def test_own_options_come_last_and_win():
    made = recipe(platform(), cmake_options=["-DGGML_CPU_ALL_VARIANTS=OFF"])
    assert made["cmake_options"][-1] == "-DGGML_CPU_ALL_VARIANTS=OFF"


@pytest.mark.parametrize(
    ("backend", "option", "package"),
    [("cuda", "GGML_CUDA", "nvidia-cuda-toolkit"), ("vulkan", "GGML_VULKAN", "glslc"), ("hip", "GGML_HIP", "hipcc")],
)
def test_backends(backend, option, package):
    host = platform(compute_capabilities=["8.6"])
    made = recipe(host, backends=["cpu", backend])
    assert made["kind"] == f"debian-12-x86_64-generic-{backend}" + ("-86" if backend == "cuda" else "")
    assert defined(made)[option] == "ON"
    assert package in made["packages"] and made["backends"] == [backend]
    assert made["id"] == recipe(host, backends=[backend, "cpu", backend])["id"]


def test_cuda_is_compiled_for_the_cards_that_are_there():
    made = recipe(platform(compute_capabilities=["8.6", "12.1"]), backends=["cuda"])
    assert defined(made)["CMAKE_CUDA_ARCHITECTURES"] == "86;121"
    assert made["id"] != recipe(platform(compute_capabilities=["8.6"]), backends=["cuda"])["id"]
    own = recipe(platform(), backends=["cuda"], cmake_options=["-DCMAKE_CUDA_ARCHITECTURES=75"])
    assert defined(own)["CMAKE_CUDA_ARCHITECTURES"] == "75"


def test_cuda_without_a_card_is_refused_with_what_installs_the_driver():
    with pytest.raises(DroverError, match=r'no card of NVIDIA was found here: install its driver by "apt install nvid'):
        recipe(platform(), backends=["cuda"])


@pytest.mark.parametrize(
    ("gpus", "capabilities", "backends"),
    [
        ([], [], []),
        (["cuda"], ["8.6"], ["cuda"]),
        # A card whose driver does not tell for what to compile.
        (["cuda"], [], ["vulkan"]),
        (["rocm"], [], ["vulkan"]),
        (["vulkan"], [], ["vulkan"]),
        (["cuda", "rocm"], ["6.1"], ["cuda"]),
        (["metal"], [], []),
    ],
)
def test_each_host_gets_what_drives_its_gpus(gpus, capabilities, backends):
    made = recipe(platform(gpus=gpus, compute_capabilities=capabilities), backends=["auto"])
    assert made["backends"] == backends
    told = [reason for reason in made["reasons"] if reason.startswith("Vulkan drives the card of NVIDIA's")]
    assert bool(told) == ("cuda" in gpus and "cuda" not in backends)


def test_without_its_driver_vulkan_is_not_compiled():
    made = recipe(platform(gpus=["vulkan"], compute_capabilities=[], vulkan_driver=False), backends=["auto"])
    assert made["backends"] == []


@pytest.mark.parametrize(
    ("gpus", "vulkan", "hip", "backends"),
    [
        (["rocm"], False, True, ["hip"]),
        (["rocm"], True, True, ["vulkan"]),
        (["rocm"], False, False, []),
        (["vulkan"], False, True, []),  # no card of AMD's
    ],
)
def test_rocm_drives_a_card_of_amd_s_where_vulkan_has_no_driver(gpus, vulkan, hip, backends):
    host = platform(gpus=gpus, compute_capabilities=[], vulkan_driver=vulkan, hip_driver=hip)
    assert recipe(host, backends=["auto"])["backends"] == backends


def test_a_card_that_cannot_be_seen_is_not_passed_over_in_silence():
    blind = platform(gpus=[], compute_capabilities=[], gpu_problem="NVIDIA's driver is loaded and so on.")
    with pytest.raises(DroverError, match=r"^NVIDIA's driver is loaded and so on\.$"):
        recipe(blind, backends=["auto"])
    assert recipe(blind, backends=["cpu"])["backends"] == []


FEDORA = {"id": "fedora", "version": "43", "codename": "", "like": [], "name": "Fedora Linux 43"}
TOOLS = ["cmake", "ninja", "g++"]


def with_manager(manager, tools=(), **other):
    return platform(FEDORA, package={"manager": manager, "candidate": None, "known": True}, build_tools=tools, **other)


@pytest.mark.parametrize("manager", ["dnf", "pacman", "brew", None])
def test_where_apt_is_not_nothing_is_installed_and_what_is_there_compiles(manager):
    made = recipe(with_manager(manager, TOOLS))
    assert (made["packages"], made["obstacle"]) == ([], None)


@pytest.mark.parametrize(
    ("manager", "tools", "backends", "lacking", "remedy"),
    [
        ("dnf", [], ["cpu"], "cmake, ninja, g++", 'by "dnf install cmake ninja-build gcc-c++"'),
        ("dnf", ["cmake", "g++"], ["cpu"], "ninja", 'by "dnf install cmake ninja-build gcc-c++"'),
        ("pacman", ["cmake"], ["cpu"], "ninja, g++", 'by "pacman -S cmake ninja gcc"'),
        ("dnf", TOOLS, ["vulkan"], "glslc", "ninja-build gcc-c++ vulkan-loader-devel glslc spirv-headers-devel"),
        ("pacman", TOOLS, ["cuda"], "nvcc", 'by "pacman -S cmake ninja gcc cuda"'),
        (None, ["g++"], ["cpu"], "cmake, ninja", "so that they are on PATH"),
    ],
)
def test_a_host_without_apt_and_without_tools_says_what_to_install(manager, tools, backends, lacking, remedy):
    made = recipe(with_manager(manager, tools, compute_capabilities=["8.6"]), backends=backends)
    assert made["packages"] == []
    assert made["obstacle"].startswith(f"it takes {lacking} to compile llama.cpp, which Fedora Linux 43 does not have")
    assert remedy in made["obstacle"]
    assert made["obstacle"].endswith("or take another llama_cpp_method.")


def test_what_apt_installs_need_not_be_there():
    assert recipe(platform(build_tools=[]))["obstacle"] is None
    assert recipe(platform(build_tools=TOOLS))["packages"] == recipe(platform(build_tools=[]))["packages"]


@pytest.mark.parametrize(
    ("cores", "gibibytes", "asked", "jobs"),
    [(4, 8, 0, 4), (4, 3.6, None, 2), (2, 3.5, 0, 2), (64, 16, 0, 12), (4, 0.4, 0, 1), (1, 64, 0, 1), (4, 0.4, 3, 3)],
)
def test_jobs_fit_into_memory(cores, gibibytes, asked, jobs):
    assert recipe(platform(cores=cores, memory_bytes=int(gibibytes * GIB)), jobs=asked)["jobs"] == jobs


def test_reasons_are_sentences():
    reasons = recipe(arm())["reasons"]
    assert len(reasons) == 2
    assert all(reason[0].isupper() or reason[0].isdigit() for reason in reasons)
    assert all(reason.endswith(".") for reason in reasons)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cpu": "fast"}, ["llama_cpp_cpu", "'fast'", "generic, native"]),
        ({"backends": ["cpu", "opencl"]}, ["llama_cpp_backends", "'opencl'", "cpu, cuda, vulkan, hip"]),
        ({"cmake_options": ["GGML_BLAS=ON"]}, ["llama_cpp_cmake_options", "'GGML_BLAS=ON'", "-DNAME=VALUE"]),
        ({"cmake_options": ["-DGGML_BLAS"]}, ["'-DGGML_BLAS'"]),
        ({"jobs": -1}, ["llama_cpp_build_jobs", "-1"]),
        ({"jobs": "many"}, ["llama_cpp_build_jobs", "'many'"]),
    ],
)
def test_bad_options_are_refused_in_one_sentence(options, words):
    with pytest.raises(DroverError) as refusal:
        make_recipe(SOURCE, platform(), options)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (platform(system="darwin", architecture="aarch64"), ["darwin on aarch64", "PATH"]),
        (platform(architecture="armv7l"), ["linux on armv7l", "x86_64 and aarch64"]),
        (platform({**DEBIAN_12, "version": "11", "name": "Debian 11"}), ["Debian 11", "GCC 10", "native"]),
    ],
)
def test_hosts_without_a_recipe_are_refused(host, words):
    with pytest.raises(DroverError) as refusal:
        recipe(host)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("label", ["", "../b1", "a b", "b1,/x", "-b1"])
def test_a_label_that_is_no_name_is_refused(label):
    with pytest.raises(DroverError, match="llama_cpp_tag"):
        recipe(platform(), {**SOURCE, "label": label})


def test_an_old_compiler_builds_for_its_own_processor():
    assert "native" in recipe(platform({**DEBIAN_12, "version": "11"}), cpu="native")["kind"]


def test_the_strongest_host_compiles():
    def host(name, cores, memory):
        return {"host": name, "platform": platform(cores=cores, memory_bytes=memory)}

    hosts = [host("b", 4, 8), host("a", 4, 8), host("c", 4, 16), host("d", 2, 64)]
    assert build_host(hosts) == "c"
    assert build_host(hosts[:2]) == build_host(hosts[1::-1]) == "a"
    assert build_host(hosts[3:]) == "d"
