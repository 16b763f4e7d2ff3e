# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How llama.cpp is compiled for a kind of host: CMake options, packages, and the id of the result.

Hosts whose recipes have the same id share one compilation. The options were found by trial on Debian 12 and 13.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from .. import checks
from ..errors import DroverError
from .backends import AUTO, wanted
from .drivers import missing_driver, without_cuda
from .tools import packages_to_compile, why_it_cannot_compile

CPUS = ("generic", "native")
GIB = 1024**3
# Of the objects of llama.cpp 0.5.0 that were looked at, the largest takes 0.6 GiB to compile with GCC 12. The rest is
# for later releases, and for the page cache that a small machine needs to read all those headers from.
JOB_BYTES = 1280 * 1024**2

# Counts as part of what a build depends on: raise it when compile.yml makes something else of the same recipe.
_FORMAT = 1
_TARGETS = ["llama-server", "ggml-rpc-server"]
_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    # Upstream's warnings are for upstream, and would bury an error.
    "-DLLAMA_ALL_WARNINGS=OFF",
    # Programs and libraries find each other wherever the folder is, and carry no debug symbols.
    "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
    "-DCMAKE_INSTALL_RPATH=$ORIGIN",
    "-DCMAKE_EXE_LINKER_FLAGS=-s",
    "-DCMAKE_SHARED_LINKER_FLAGS=-s",
    "-DCMAKE_MODULE_LINKER_FLAGS=-s",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    # Else the user interface is downloaded while compiling.
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    # Libraries that only some hosts have: none of them is needed to serve a local model.
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DGGML_OPENMP=OFF",
    "-DGGML_RPC_RDMA=OFF",
    "-DGGML_RPC=ON",
)
_CUDA_ARCHITECTURES = "-DCMAKE_CUDA_ARCHITECTURES"
_RUNTIME_DISPATCH = ["-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"]

# cuda was compiled and run; vulkan and hip were configured only, since it takes the hardware to run them.
_BACKENDS: dict[str, list[str]] = {
    "cpu": [],
    "cuda": ["-DGGML_CUDA=ON"],
    "vulkan": ["-DGGML_VULKAN=ON"],
    "hip": ["-DGGML_HIP=ON"],
}
# Major version of the GCC that g++ stands for. Debian testing and sid have no VERSION_ID.
_DEFAULT_GCC = {
    ("debian", "11"): 10,
    ("debian", "12"): 12,
    ("debian", "13"): 14,
    ("debian", "14"): 16,
    ("debian", ""): 16,
    ("ubuntu", "22.04"): 11,
    ("ubuntu", "24.04"): 13,
    ("ubuntu", "25.04"): 14,
    ("ubuntu", "25.10"): 15,
    ("ubuntu", "26.04"): 15,
    ("fedora", "42"): 15,
    ("fedora", "43"): 15,
}
# ggml's variants of x86_64 end with AMX and AVX-VNNI, those of aarch64 with SME, and it builds all or none.
_GCC_FOR_VARIANTS = {"x86_64": 11, "aarch64": 14}
# Miscompiles Gemma 3 on Cortex-A76, the core of the Raspberry Pi 5 (llama.cpp issue 22011); 12 and 14 do not.
_BAD_ARM_GCC, _GOOD_ARM_GCC = 13, 14


def make_recipe(source: dict, platform: dict, options: dict) -> dict:
    """The recipe to compile ``source`` for hosts like the one that ``platform`` describes.

    ``source`` is ``{label, sha256}``; ``platform`` is what llama_cpp_info returns; of ``options`` these are read:
    ``cpu`` (one of ``CPUS``, generic by default), ``backends`` (of auto, cpu, cuda, vulkan and hip), ``cmake_options``
    (the user's own, put last) and ``jobs`` (0 or None: by cores and memory).

    Returns ``kind`` (readable), ``id`` (``<label>-<8 hex>`` of a digest over all that the result depends on),
    ``label``, ``backends`` (besides the CPU's), ``cmake_options``, ``targets``, ``packages`` (that Drover installs for
    it), ``obstacle`` (why this host cannot compile what it could run, or None), ``compiler`` (``{c, cxx}``, None for
    the default one), ``jobs`` (compilers at the same time on this host) and ``reasons`` (sentences). Raises
    ``DroverError`` for input it has no recipe for.
    """
    _check(source, platform)
    auto = AUTO in (options.get("backends") or ())
    if auto and platform.get("gpu_problem"):
        raise DroverError(platform["gpu_problem"])
    cpu, backends, own = _checked(options, platform)
    gcc, compiler, reasons = _compiler(platform)
    target, cpu_options, reason = _cpu(cpu, platform, gcc)
    extra = sorted(set(backends) - {"cpu"})
    distribution = platform["distribution"]
    version = distribution["version"] or distribution["codename"] or "rolling"
    kind = "-".join([distribution["id"], version, platform["architecture"], target, *extra])
    cmake_options = [*_OPTIONS, *_label_options(source), *cpu_options]
    for backend in extra:
        cmake_options += _BACKENDS[backend]
    if "cuda" in extra and not any(option.startswith(_CUDA_ARCHITECTURES) for option in own):
        architectures = _cuda_architectures(platform)
        cmake_options.append(f"{_CUDA_ARCHITECTURES}={';'.join(architectures)}")
        kind = "-".join([kind, *architectures])
    if compiler:
        cmake_options += [f"-DCMAKE_C_COMPILER={compiler['c']}", f"-DCMAKE_CXX_COMPILER={compiler['cxx']}"]
    cmake_options += own
    inputs = [_FORMAT, source["label"], (source.get("sha256") or "").lower(), kind, cmake_options, _TARGETS]
    jobs = options.get("jobs") or max(1, min(platform["cores"], platform["memory_bytes"] // JOB_BYTES))
    return {
        "kind": kind,
        "id": f"{source['label']}-{_digest(inputs)}",
        "label": source["label"],
        "backends": extra,
        "cmake_options": cmake_options,
        "targets": list(_TARGETS),
        "packages": packages_to_compile(platform, extra, compiler),
        "obstacle": why_it_cannot_compile(platform, extra, compiler),
        "compiler": compiler,
        "jobs": jobs,
        "reasons": [*reasons, reason, *without_cuda(auto, platform), _jobs_reason(jobs, options, platform)],
    }


def build_host(hosts: Iterable[dict]) -> str:
    """The name of the one of ``hosts`` that compiles for all: most cores, then most memory, then the first by name.

    ``hosts`` is a list of ``{host, platform}``, all of one kind.
    """
    best = min(hosts, key=lambda host: (-host["platform"]["cores"], -host["platform"]["memory_bytes"], host["host"]))
    return str(best["host"])


def _check(source: dict, platform: dict) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", source["label"]):
        raise DroverError(
            f"llama_cpp_tag is {source['label']!r}, and a folder gets that name: take letters, digits, dots and dashes."
        )
    if platform["system"] != "linux" or platform["architecture"] not in _GCC_FOR_VARIANTS:
        raise DroverError(
            f"Drover compiles llama.cpp on Linux for {' and '.join(_GCC_FOR_VARIANTS)}, and this is "
            f"{platform['system']} on {platform['architecture']}; install llama-server and ggml-rpc-server on it "
            "yourself, anywhere on PATH."
        )


def _checked(options: dict, platform: dict) -> tuple[str, list[str], list[str]]:
    cpu = checks.choice(options.get("cpu") or "generic", "llama_cpp_cpu", CPUS)
    backends = [
        checks.choice(backend, "A backend in llama_cpp_backends", _BACKENDS)
        for backend in wanted(options.get("backends") or ["cpu"], platform, _BACKENDS)
    ]
    own = options.get("cmake_options") or []
    for option in own:
        if not re.match(r"-D\w+(:\w+)?=", str(option)):
            raise DroverError(
                f"llama_cpp_cmake_options has {option!r}, which does not define anything: write -DNAME=VALUE."
            )
    jobs = options.get("jobs") or 0
    checks.whole(jobs, "llama_cpp_build_jobs", 0, remedy="0 has Drover choose how many compilers run at a time")
    return cpu, backends, [str(option) for option in own]


def _compiler(platform: dict) -> tuple[int | None, dict | None, list[str]]:
    """Major version of the GCC to compile with (None when unknown), how it is called if not g++, and why."""
    distribution = platform["distribution"]
    gcc = _DEFAULT_GCC.get((distribution["id"], distribution["version"]))
    if platform["architecture"] == "aarch64" and gcc == _BAD_ARM_GCC:
        reason = (
            f"{distribution['name']} compiles with GCC {gcc}, which miscompiles Gemma 3 on processors like the "
            f"Raspberry Pi 5's: GCC {_GOOD_ARM_GCC} is taken instead."
        )
        return _GOOD_ARM_GCC, {"c": f"gcc-{_GOOD_ARM_GCC}", "cxx": f"g++-{_GOOD_ARM_GCC}"}, [reason]
    return gcc, None, []


def _cpu(cpu: str, platform: dict, gcc: int | None) -> tuple[str, list[str], str]:
    """What the kind says of the processor, the CMake options for it, and why."""
    architecture, isa = platform["architecture"], platform["cpu_isa"]
    if cpu == "native":
        same = _digest([platform["cpu_model"], sorted(isa)])
        return f"native-{same}", ["-DGGML_NATIVE=ON"], f"Compiled for processors like {platform['cpu_model']} alone."
    enough = _GCC_FOR_VARIANTS[architecture]
    if architecture == "x86_64":
        if gcc is not None and gcc < enough:
            raise DroverError(
                f"{platform['distribution']['name']} compiles with GCC {gcc}, and code for every x86_64 processor "
                f"needs GCC {enough}: set llama_cpp_cpu to native."
            )
        return (
            "generic",
            _RUNTIME_DISPATCH,
            "Compiled for every x86_64 processor; the best code is picked at the start.",
        )
    if gcc is not None and gcc >= enough:
        return (
            "generic",
            _RUNTIME_DISPATCH,
            "Compiled for every aarch64 processor; the best code is picked at the start.",
        )
    march = _arm_class(isa)
    known = "an unknown compiler" if gcc is None else f"GCC {gcc}"
    reason = f"Compiled for {march} with {known}; code for every aarch64 processor takes GCC {enough}."
    return march, ["-DGGML_NATIVE=OFF", f"-DGGML_CPU_ARM_ARCH={march}"], reason


def _arm_class(isa: list[str]) -> str:
    """The -march of the class of processors with these features.

    Features are added to Armv8.2 one by one: a processor with i8mm need not have all else that Armv8.6 brings
    (Neoverse V1 has not). SVE is left out, since its code depends on the vector length.
    """
    if "dotprod" not in isa:
        return "armv8-a"
    return "+".join(["armv8.2-a", "dotprod", *(name for name in ("fp16", "i8mm") if name in isa)])


def _cuda_architectures(platform: dict) -> list[str]:
    """CMake's names of the cards that hosts of this kind have: without one, it compiles for all that there are."""
    known = platform.get("compute_capabilities") or []
    if not known:
        raise DroverError(
            f"llama_cpp_backends has cuda, and no card of NVIDIA was found here: {missing_driver('cuda', platform)}, "
            "or name the card's architecture in llama_cpp_cmake_options (-DCMAKE_CUDA_ARCHITECTURES=86)."
        )
    return [capability.replace(".", "") for capability in known]


def _label_options(source: dict) -> list[str]:
    """What the programs say of their version: a tarball has no git that CMake could ask."""
    label, sha256 = source["label"], (source.get("sha256") or "").lower()
    build = re.fullmatch(r"b(\d+)", label)
    options = [
        f"-DLLAMA_BUILD_NUMBER={build[1] if build else 0}",
        f"-DLLAMA_BUILD_COMMIT={f'source-{sha256[:8]}' if sha256 else 'unknown'}",
    ]
    if re.fullmatch(r"v?\d+\.\d+\.\d+", label):
        options.append("-DLLAMA_BUILD_IS_DEV=OFF")
    return options


def _jobs_reason(jobs: int, options: dict, platform: dict) -> str:
    if options.get("jobs"):
        return f"{jobs} compilers at the same time, as llama_cpp_build_jobs says."
    memory = platform["memory_bytes"] / GIB
    return f"{jobs} compilers at the same time: {platform['cores']} cores, and {memory:.1f} GiB of memory to use."


def _digest(value: list) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]
