# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts a pod's program anew, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from module_utils.runtime import keep

PLUGINS = Path(keep.__file__).parents[2]
# As the first process of a pod, told what to run by its arguments.
KEEPER = """
import sys
from module_utils.runtime import keep
keep.RESTART_SECONDS = 0.1
sys.exit(keep.keep_running([sys.executable, "-c", sys.argv[1], *sys.argv[2:], "worker", "--cluster", "main"]))
"""
# Notes down every start, then does what is told.
PROGRAM = """
import os, signal, sys, time
file = open(sys.argv[1], "a"); file.write(f"{os.getpid()}\\n"); file.close()
starts = len(open(sys.argv[1]).readlines())
"""


def keeper(code, path):
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    return subprocess.Popen(
        [sys.executable, "-c", KEEPER, PROGRAM + code, str(path)],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(code, path):
    """Exit code, starts, and what was said."""
    process = keeper(code, path)
    _output, said = process.communicate(timeout=60)
    return process.returncode, len(path.read_text().splitlines()), said


def test_what_cannot_be_run_at_all_is_told_at_once(tmp_path):
    assert ended("sys.exit(78)", tmp_path / "starts") == (78, 1, "")


def test_what_ends_by_itself_again_and_again_is_left_to_kubernetes(tmp_path):
    code, starts, said = ended("sys.exit(1)", tmp_path / "starts")
    assert (code, starts) == (1, keep.FAILURES)
    assert said == "drover: worker ended with code 1, and is started anew\n" * 2


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        # llama-server, when a worker dies.
        ("os.abort()", "was ended by SIGABRT"),
        # An address that is not there yet.
        ("sys.exit(75)", "ended with code 75"),
        ("sys.exit(0)", "ended with code 0"),
    ],
)
def test_what_is_ended_for_a_reason_is_started_anew_for_as_long_as_it_takes(tmp_path, end, said):
    code, starts, told = ended(f"sys.exit(78) if starts == 6 else 0\n{end}", tmp_path / "starts")
    assert (code, starts) == (78, 6)
    assert told == f"drover: worker {said}, and is started anew\n" * 5


def test_a_failure_after_a_long_run_is_the_first_one(monkeypatch):
    moments = iter(range(0, 10_000, 60))
    codes = iter([1] * 9 + [78])
    monkeypatch.setattr(keep.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(keep.signal, "signal", lambda *_arguments: None)
    monkeypatch.setattr(keep._Kept, "run", lambda _self: next(codes))
    monkeypatch.setattr(keep._Kept, "rest", lambda _self, _seconds: None)
    assert keep.keep_running(["drover", "leader", "--cluster", "main"]) == 78
    assert list(codes) == []


def test_told_to_end_it_ends_the_program_and_starts_none_anew(tmp_path):
    path = tmp_path / "starts"
    process = keeper("print('up', flush=True); time.sleep(60)", path)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    (pid,) = path.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_it_runs_the_part_by_the_same_runtime(monkeypatch):
    ran = []
    monkeypatch.setattr(keep, "keep_running", lambda command: ran.append(command) or 0)
    monkeypatch.setattr(keep.sys, "argv", ["/usr/local/lib/drover/drover.pyz", "keep"])
    assert keep.keep("leader", "main") == 0
    assert ran == [[sys.executable, "/usr/local/lib/drover/drover.pyz", "leader", "--cluster", "main"]]


STUCK = """
import socket
def say(line):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(line.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
"""


def test_what_is_stuck_for_longer_than_it_has_said_is_ended_and_started_anew(tmp_path):
    code = f"{STUCK}\nif starts == 2: sys.exit(78)\nsay('WATCHDOG_USEC=1000000')\n"
    code += "for _ in range(20):\n    say('WATCHDOG=1'); time.sleep(0.1)\n"
    code += "open(sys.argv[1] + '.well', 'w').close(); time.sleep(600)"
    assert ended(code, tmp_path / "starts") == (
        78,
        2,
        "drover: worker is stuck, and is ended\ndrover: worker was ended by SIGKILL, and is started anew\n",
    )
    # It was left alone for as long as it said that all is well.
    assert (tmp_path / "starts.well").exists()


def test_what_says_nothing_of_that_is_left_alone(tmp_path):
    assert ended(
        f"{STUCK}\nsay('STATUS=a\\nWATCHDOG_USEC=none'); time.sleep(2); sys.exit(78)", tmp_path / "starts"
    ) == (78, 1, "")
