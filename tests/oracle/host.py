# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place where llama.cpp's own memory estimate can be asked: a directory to chroot into, or a host by SSH.

Either must have Debian's packages ``llama.cpp-tools-extra`` and ``libggml0-backend-rpc``. RPC servers serve one
client at a time, so ask one question after another.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess

ROOT_VARIABLE = "DROVER_ORACLE_ROOT"
SSH_VARIABLE = "DROVER_ORACLE_SSH"
HOW_TO_CONFIGURE = (
    f"No oracle to hold the memory model against: set {ROOT_VARIABLE} to a directory with llama.cpp to chroot into, or "
    f"{SSH_VARIABLE} to the ssh command of a host with llama.cpp, by its address (for example 'ssh root@192.0.2.1')."
)
ANSWER_SECONDS = 120

# Stops with its standard input, so that nothing outlives the oracle, not even behind SSH. A client that is killed in
# the middle of an answer would take the server with it by SIGPIPE.
_SERVER = """
trap '' PIPE
server=$(command -v ggml-rpc-server || ls /usr/libexec/*/llama/bin/ggml-rpc-server) || exit 1
nice -n 10 $server -H {address} -p {port} -t 1 </dev/null >/dev/null 2>&1 & pid=$!
until grep -q ':{port:04X} 00000000:0000 0A' /proc/net/tcp; do kill -0 $pid || exit 1; sleep 0.1; done
echo ready; read _; kill $pid; wait $pid
"""

# llama-server estimates its memory before it loads the model; it is stopped between the two.
_ASK_SERVER = """
log=$(mktemp -p /var/tmp)
nice -n 10 {server} --host $log.sock >$log 2>&1 </dev/null & pid=$!
for _ in $(seq 400); do grep -q 'reserve took' $log && break; kill -0 $pid || break; sleep 0.05; done
kill -9 $pid; wait $pid 2>/dev/null; cat $log; rm -f $log $log.sock
"""


class OracleError(Exception):
    """llama.cpp did not answer; the text holds what it said."""


class Oracle:
    """Runs commands where llama.cpp is, and keeps ``count`` idle RPC servers there. Use it as a context."""

    def __init__(self, prefix, address="127.0.0.1", count=2):
        self._prefix = prefix
        self.address = address
        self._count = count
        self._servers = []
        self.endpoints = []
        self.directory = None

    def __enter__(self):
        self.directory = self.shell("mktemp -d -p /var/tmp").strip()
        for _server in range(self._count):
            self._start_server()
        return self

    def __exit__(self, *_exception):
        for server in self._servers:
            server.communicate("stop\n", timeout=30)
        self.shell(f"rm -r {shlex.quote(self.directory)}")

    def _start_server(self):
        port = _port()
        server = subprocess.Popen(
            self._command(_SERVER.format(address=self.address, port=port)),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if server.stdout.readline() != "ready\n":
            raise OracleError(f"no RPC server came up on port {port}")
        self._servers.append(server)
        self.endpoints.append(f"{self.address}:{port}")

    def _command(self, script):
        """The command that runs a shell script there; SSH hands its words to a shell once more."""
        words = ["sh", "-c", script]
        return self._prefix + ([shlex.join(words)] if self._prefix[0] == "ssh" else words)

    def shell(self, script, data=b""):
        """Run a shell script there and return its standard output; ``data`` is its standard input."""
        run = subprocess.run(self._command(script), input=data, capture_output=True, timeout=ANSWER_SECONDS)
        if run.returncode:
            errors = run.stderr.decode(errors="replace")
            told = [line for line in errors.splitlines() if " E " in line or "what():" in line]
            told = told or errors.splitlines()[-3:]
            raise OracleError("; ".join(told) or f"exit status {run.returncode}")
        return run.stdout.decode()

    def put(self, name, header, size):
        """Put a file of ``size`` bytes there that holds ``header`` and a hole; return its path."""
        path = f"{self.directory}/{name}"
        self.shell(f"cat > {shlex.quote(path)} && truncate -s {size} {shlex.quote(path)}", header)
        return path

    def _devices(self, count):
        return ["--rpc", ",".join(self.endpoints[:count])] if count else []

    def build(self):
        """llama.cpp's build number."""
        return int(re.search(r"build (\d+)", self.shell("llama-fit-params --version 2>&1")).group(1))

    def memory(self, path, arguments, device_count):
        """What ``llama-fit-params`` says: ``{"RPC0": [weights, context, compute], ..., "Host": [...]}`` in MiB."""
        question = ["llama-fit-params", "-m", path, *self._devices(device_count), "--fit-print", "on", *arguments]
        rows = {}
        for line in self.shell("nice -n 10 " + shlex.join(question)).splitlines():
            match = re.fullmatch(r"(RPC\d+|Host) (\d+) (\d+) (\d+) ?", line)
            if match:
                rows[match.group(1)] = [int(number) for number in match.groups()[1:]]
        if len(rows) != device_count + 1:
            raise OracleError(f"expected {device_count} devices and Host, got {sorted(rows)}")
        return rows

    def server_compute(self, path, arguments, device_count):
        """What ``llama-server`` says before it loads anything: ``{"RPC0": compute, ..., "Host": compute}`` in MiB."""
        question = ["llama-server", "-m", path, *self._devices(device_count), "--fit", "on", "-lv", "5", *arguments]
        told = self.shell(_ASK_SERVER.format(server=shlex.join(question)))
        rows = {}
        for match in re.finditer(r"sched_reserve: +(RPC|CPU)\S* compute buffer size = +([\d.]+) MiB", told):
            rows["Host" if match.group(1) == "CPU" else f"RPC{len(rows)}"] = float(match.group(2))
        if len(rows) != device_count + 1:
            raise OracleError(f"expected {device_count} devices and Host, got {sorted(rows)}: {told[-500:]}")
        return rows


def _port():
    """A port below those that outgoing connections take."""
    return random.randrange(20000, 32000)


def configured(count=2):
    """The oracle that the environment names, with ``count`` RPC servers, or ``OracleError`` with what to set."""
    if os.environ.get(ROOT_VARIABLE):
        return Oracle(["chroot", os.environ[ROOT_VARIABLE]], count=count)
    if os.environ.get(SSH_VARIABLE):
        words = shlex.split(os.environ[SSH_VARIABLE])
        return Oracle(words, address=words[-1].rpartition("@")[2], count=count)
    raise OracleError(HOW_TO_CONFIGURE)
