# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp's programs print, as they really do, and what is made of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from module_utils.builds import ask

RECORDED = Path(__file__).parent / "recorded"
NEW = "version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU 16.2.0 for Linux x86_64\n"
OLD = "version: 6789 (abcdef12)\nbuilt with cc (Debian 12.2.0-14) 12.2.0 for x86_64-linux-gnu\n"
# What the RPC server printed until 2026.
OLD_RPC_HELP = """Usage: rpc-server [options]

options:
  -h, --help                show this help message and exit
  -t,      --threads N      number of threads for the CPU backend (default: 4)
  -H HOST, --host HOST      host to bind to (default: 127.0.0.1)
  -p PORT, --port PORT      port to bind to (default: 50052)
  -m MEM,  --mem MEM        backend memory size (in MB)
  -c,      --cache          enable local file cache
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (NEW, ("0.7.0", 11669, "Debian")),
        (OLD, (None, 6789, "abcdef12")),
        ("version: 0 (unknown)\n", (None, 0, "unknown")),
        ("load_backend: loaded CPU backend from x.so\n" + NEW, ("0.7.0", 11669, "Debian")),
        ("usage: llama-server\n", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_parse_version(output, expected):
    assert tuple(ask.parse_version(output).values()) == expected


def test_the_flags_of_the_real_server():
    flags = ask.parse_flags((RECORDED / "llama_server_0.7.0_help_begin.txt").read_text())
    assert flags == sorted(set(flags))
    assert len(flags) == 79
    # The first of a line, the middle, the last; alone on a line; with a value that has commas.
    named = {"--fit", "--gpu-layers", "--n-gpu-layers", "--no-kv-offload", "--split-mode", "--tensor-split"}
    assert named <= set(flags)
    # Only told of in a text about another.
    assert "--no-mmproj" not in flags
    assert not [flag for flag in flags if not flag.startswith("--") or not flag[2:].replace("-", "").isalnum()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (RECORDED / "rpc_server_0.7.0_help.txt").read_text(),
            ["--cache", "--device", "--help", "--host", "--port", "--threads"],
        ),
        (OLD_RPC_HELP, ["--cache", "--help", "--host", "--mem", "--port", "--threads"]),
        ("----- common params -----\n\n", []),
        ("error: no --such flag\n        --not-ours\n", []),
        ("", []),
    ],
)
def test_parse_flags(text, expected):
    assert ask.parse_flags(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Available devices:\n  (none)\n", []),
        (
            "Available devices:\n  Vulkan0: llvmpipe (LLVM 21.1.8, 256 bits) (24105 MiB, 24079 MiB free)\n",
            [("Vulkan0", "llvmpipe (LLVM 21.1.8, 256 bits)", None, 24105, 24079)],
        ),
        (
            "ggml_vulkan: Found 2 Vulkan devices:\n"
            "ggml_vulkan: 0 = Intel(R) UHD Graphics 630 (CFL GT2) (Intel open-source Mesa driver) | uma: 1 | fp16: 1\n"
            "ggml_vulkan: 1 = AMD Radeon RX 6600 (RADV NAVI23) (radv) | uma: 0 | fp16: 1 | bf16: 0\n"
            "Available devices:\n"
            "  Vulkan0: Intel(R) UHD Graphics 630 (CFL GT2) (15879 MiB, 12000 MiB free)\n"
            "  Vulkan1: AMD Radeon RX 6600 (RADV NAVI23) (8176 MiB, 8000 MiB free)\n",
            [
                ("Vulkan0", "Intel(R) UHD Graphics 630 (CFL GT2)", True, 15879, 12000),
                ("Vulkan1", "AMD Radeon RX 6600 (RADV NAVI23)", False, 8176, 8000),
            ],
        ),
        (
            "ggml_cuda_init: found 2 CUDA devices (Total VRAM: 162158 MiB):\n"
            "  Device 0: NVIDIA H100 80GB HBM3, compute capability 9.0, VMM: yes, VRAM: 81079 MiB\n"
            "Available devices:\n"
            "  CUDA0: NVIDIA H100 80GB HBM3 (81079 MiB, 80552 MiB free)\n"
            "  CUDA1: NVIDIA H100 80GB HBM3 (81079 MiB, 0 MiB free)\n",
            [
                ("CUDA0", "NVIDIA H100 80GB HBM3", None, 81079, 80552),
                ("CUDA1", "NVIDIA H100 80GB HBM3", None, 81079, 0),
            ],
        ),
        (
            # Recorded on a machine with one H200, compiled by the recipe of the role.
            "Available devices:\n  CUDA0: NVIDIA H200 (143155 MiB, 142629 MiB free)\n",
            [("CUDA0", "NVIDIA H200", None, 143155, 142629)],
        ),
        (
            # The same with CUDA_VISIBLE_DEVICES empty.
            "0.00.070.807 E ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected\n"
            "Available devices:\n  (none)\n",
            [],
        ),
        ("error: invalid argument: --list-devices\n", []),
    ],
)
def test_parse_devices(text, expected):
    found = [tuple(device.values()) for device in ask.parse_devices(text)]
    assert found == [(name, text, unified, total << 20, free << 20) for name, text, unified, total, free in expected]


def test_explain_exit_names_the_signal():
    assert "SIGABRT" in ask.explain_exit("/bin/x", -signal.SIGABRT, "")


@pytest.mark.parametrize(
    ("question", "seconds"), [(ask.ask_flags, "HELP_SECONDS"), (ask.ask_devices, "DEVICES_SECONDS")]
)
def test_a_program_that_does_not_end_is_ended_and_says_nothing(tmp_path, monkeypatch, question, seconds):
    monkeypatch.setattr(ask, seconds, 0.3)
    program = tmp_path / "llama-server"
    program.write_text(f'#!/bin/sh\necho $$ > "{tmp_path}/pid"\nexec sleep 60\n')
    program.chmod(0o755)
    began = time.monotonic()
    assert question(str(program)) == []
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("question", [ask.ask_flags, ask.ask_devices])
@pytest.mark.parametrize(
    "text", [None, "\x7fELF of another machine", "#!/no/such/loader\n", "#!/bin/sh\nkill -SEGV $$\n"]
)
def test_a_program_that_does_not_run_says_nothing(tmp_path, question, text):
    program = tmp_path / "llama-server"
    if text:
        program.write_text(text)
        program.chmod(0o755)
    assert question(str(program)) == []
