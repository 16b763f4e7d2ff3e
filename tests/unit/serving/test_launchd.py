# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment as a job of launchd. Python's own reader of property lists stands in for a Mac's."""

from __future__ import annotations

import json
import plistlib

import pytest
from module_utils.errors import DroverError
from module_utils.runtime.command import main
from module_utils.serving.deployment import read_deployment
from module_utils.serving.launchd import launchd_plist, pf_rules

WORKER = {
    "schema": 1,
    "cluster": "main",
    "host": "mac-mini",
    "part": "worker",
    "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
    "program": "/usr/local/opt/llama.cpp/current/ggml-rpc-server",
    "arguments": ["--host", "10.0.0.9", "--port", "50052", "--threads", "4", "--device", "MTL0", "--cache"],
    "environment": {"LLAMA_CACHE": "/var/cache/drover"},
    "nodes": [],
    "groups": [],
    "listen": {"address": "10.0.0.9", "port": 50052},
    "allow": ["10.0.0.1", "10.0.1.0/24"],
    "files": [],
    "memory_bytes": 0,
    "cache": {"directory": "/var/cache/drover/rpc", "days": 30},
    "healing": None,
}
LEADER = {
    **WORKER,
    "part": "leader",
    "program": "/usr/local/opt/llama.cpp/current/llama-server",
    "arguments": ["--model", "/var/lib/drover/models/m.gguf", "--api-key-file", "/etc/drover/main/api_key"],
    "environment": {},
    "allow": None,
    "cache": None,
}


def job(deployment):
    return plistlib.loads(launchd_plist(read_deployment(deployment)))


def test_a_worker():
    made = job(WORKER)
    assert made["Label"] == "io.github.drover.worker.main"
    assert made["ProgramArguments"] == [WORKER["program"], *WORKER["arguments"]]
    assert made["EnvironmentVariables"] == {"LLAMA_CACHE": "/usr/local/var/drover/cache"}
    # From the start of the Mac on, again when it ends, and never as root.
    assert (made["RunAtLoad"], made["KeepAlive"], made["UserName"], made["Umask"]) == (True, True, "_drover", 0o077)
    assert made["StandardErrorPath"] == "/usr/local/var/log/drover/io.github.drover.worker.main.log"


def test_a_leader_has_its_files_in_folders_of_its_own():
    assert job(LEADER)["ProgramArguments"][1:] == [
        *["--model", "/usr/local/var/drover/models/m.gguf"],
        *["--api-key-file", "/usr/local/etc/drover/main/api_key"],
    ]
    # What only begins like such a folder is another.
    other = {**LEADER, "arguments": ["--model", "/var/lib/droverette/m.gguf"]}
    assert job(other)["ProgramArguments"][2] == "/var/lib/droverette/m.gguf"


def test_two_clusters_are_two_jobs():
    assert job({**WORKER, "cluster": "lab"})["Label"] != job(WORKER)["Label"] != job(LEADER)["Label"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"healing": {"port": 51052}}, "mac-mini is to heal itself"),
        ({"nodes": ["/dev/nvidia0"]}, "so is no Mac"),
        ({"listen": {"address": None, "port": 50052}}, "so is no Mac"),
        ({"program": "/opt/homebrew/bin/llama-server"}, "Homebrew's build of llama.cpp has no RPC"),
        ({"program": "/usr/local/Cellar/llama.cpp/1/bin/rpc-server"}, "Homebrew's build of llama.cpp has no RPC"),
    ],
)
def test_what_a_mac_cannot_run_is_refused(changed, sentence):
    with pytest.raises(DroverError, match=sentence):
        job({**WORKER, **changed})


def test_its_port_is_closed_to_strangers():
    assert pf_rules(WORKER) == (
        "pass in quick proto tcp from { 127.0.0.1 10.0.0.1 10.0.1.0/24 } to any port 50052\n"
        "block in quick proto tcp from any to any port 50052\n"
    )
    assert "from { 127.0.0.1 } to" in pf_rules({**WORKER, "allow": []})
    assert pf_rules(LEADER) == ""


def test_the_command(tmp_path, capsys):
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(WORKER))
    assert main("0", ["launchd", "--deployment", str(file)]) == 0
    assert plistlib.loads(capsys.readouterr().out.encode())["ProgramArguments"][0] == WORKER["program"]
    assert main("0", ["launchd", "--deployment", str(file), "--pf"]) == 0
    assert capsys.readouterr().out == pf_rules(WORKER)
    file.write_text(json.dumps({**WORKER, "program": "/opt/homebrew/bin/rpc-server"}))
    assert main("0", ["launchd", "--deployment", str(file)]) == 78
    assert "Homebrew" in capsys.readouterr().err
