# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker as files below a folder: what its agent reads, with no process but those that a test invents."""

from __future__ import annotations

import json

from unit.documents import worker_deployment

GIB = 1 << 30
SECRET = b"s" * 48
BOOT = "7d0c1c2e-0000-4000-8000-000000000001"
ADDRESS = "10.0.0.11"
# 10.0.0.11:50052 as /proc/net/tcp has it.
LOCAL = "0B00000A:C384"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
DEPLOYMENT = worker_deployment(
    build={"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
    program="/usr/libexec/ggml-rpc-server",
    arguments=["--host", ADDRESS, "--port", "50052", "--threads", "4", "--device", "CUDA0,CPU", "--cache"],
    environment={"LLAMA_CACHE": "/var/cache/drover"},
    allow=["10.0.0.1"],
    memory_bytes=GIB,
    cache={"directory": "/var/cache/drover/rpc", "days": 30},
    healing={"port": 50053},
)


def make(root, pid=4711, started=123456, clients=(), again=0):
    """The files of a worker whose RPC server is the process ``pid``, or none without one, which has sent its answers to
    ``clients`` so often ``again``."""
    lines = [HEAD]
    if pid:
        lines.append(f"   0: {LOCAL} 00000000:0000 0A 00000000:00000000 00:00000000 00000000   997        0 9001 1")
        folder = root / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        (folder / "fd" / "3").unlink(missing_ok=True)
        (folder / "fd" / "3").symlink_to("socket:[9001]")
        (folder / "stat").write_text(f"{pid} (ggml-rpc-server) S {' '.join(['1'] * 18)} {started} 0 0\n")
        (folder / "status").write_text("Name: ggml-rpc-server\nRssAnon: 1024 kB\nRssShmem: 0 kB\n")
        (folder / "cgroup").write_text("0::/system.slice/system-drover\\x2drpc.slice/drover-rpc@main.service\n")
        (folder / "cmdline").write_text("/usr/libexec/ggml-rpc-server\0--host\0")
    for number, client in enumerate(clients, 1):
        peer = "".join(f"{int(part):02X}" for part in reversed(client.split(".")))
        lines.append(
            f"   {number}: {LOCAL} {peer}:9C40 01 00000000:00000000 {int(again > 0):02}:00000000 {again:08X} 997 0"
            f" {9001 + number} 1"
        )
    write(root, "proc/net/tcp", "\n".join(lines) + "\n")
    write(root, "proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n")
    write(root, "proc/1/comm", "systemd\n")
    write(root, "proc/self/mountinfo", "")
    write(root, "proc/sys/kernel/random/boot_id", BOOT + "\n")
    write(root, "var/cache/drover/rpc/0123456789abcdef", "tensor")
    write(root, "etc/drover/main/deployment.json", json.dumps(DEPLOYMENT))
    (root / "var/lib/drover/healing/main").mkdir(parents=True, exist_ok=True)


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
