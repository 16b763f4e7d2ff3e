# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a long job is waited for: what is asked of the host, what is told meanwhile, and how it ends."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from unit.plugins.actions import action_class

WAIT = action_class("wait_for_job")
DONE = {"finished": 1, "changed": True, "rc": 0}
MIB = 1024 * 1024
DOWNLOAD = {"job": "j1.2", "name": "m.gguf", "folder": "/models/.incoming", "bytes": 100 * MIB}
COMPILATION = {"job": "j1.2", "name": "llama.cpp b1", "steps": ["ninja", "-n"]}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def wait(monkeypatch):
    """``wait(given, answer)``: what the action returns, the lines that it tells and the modules that it asks, where
    ``answer(second, module, arguments)`` is what the host answers."""

    def run(given, answer):
        clock, told, asked = Clock(), [], []

        def ask(_self, name, arguments, task_vars):
            name = name.rpartition(".")[2]
            asked.append(f"{name} {arguments['mode']}" if "mode" in arguments else name)
            found = answer(clock.now, name, arguments)
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(sys.modules[WAIT.__module__], "time", clock)
        module = sys.modules[WAIT.run.__globals__["told_progress"].__module__]
        monkeypatch.setattr(
            module, "Display", lambda: SimpleNamespace(display=lambda *a, **more: told.append((a, more)))
        )
        monkeypatch.setattr(WAIT, "_execute_module", ask)
        monkeypatch.setattr(WAIT, "get_shell_option", lambda self, name, default: default)
        monkeypatch.setattr(WAIT, "_remote_expand_user", lambda self, path: path.replace("~", "/root"))
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), reset=lambda: asked.append("reset"))
        task = SimpleNamespace(action="wait_for_job", args=given, async_val=0, check_mode=False)
        action = WAIT(task, connection, play_context=None, loader=None, templar=None, shared_loader_obj=None)
        result = action.run(task_vars={"inventory_hostname": "pi-1"})
        assert all(more == {"stderr": True} for _line, more in told)
        return result, [line for (line,), _more in told], asked

    return run


def job(ends, then=DONE, **others):
    """A host whose job goes on until the second ``ends``; other modules are answered by functions of the second."""

    def answer(second, name, arguments):
        if name != "async_status":
            return others[name](second)
        assert (arguments["jid"], arguments["_async_dir"]) == ("j1.2", "/root/.ansible_async")
        return then if second >= ends else {"finished": 0, "started": 1}

    return answer


def test_what_is_done_at_once_is_not_waited_for(wait):
    result, told, asked = wait(DOWNLOAD, job(0))
    assert (result["changed"], result["rc"], told) == (True, 0, [])
    assert asked == ["async_status status", "async_status cleanup"]


def test_a_download_is_measured_by_what_is_in_the_folder(wait):
    grown = lambda second: {"files": [{"size": int(second * MIB)}, {"size": 0}]}  # noqa: E731
    _result, told, _asked = wait(DOWNLOAD, job(90, find=grown))
    assert told == [
        "pi-1: m.gguf: 35 % of 100 MiB, 1.0 MiB a second, 1 min left",
        "pi-1: m.gguf: 65 % of 100 MiB, 1.0 MiB a second, 35 s left",
    ]


def test_a_compilation_is_measured_by_the_steps_that_are_left(wait):
    left = lambda second: {"stdout": f"[1/{400 - 2 * int(second)}] Building\n"}  # noqa: E731
    _result, told, _asked = wait(COMPILATION, job(60, command=left))
    assert told == ["pi-1: llama.cpp b1: 17 % of 400 steps, 2 min left"]


@pytest.mark.parametrize("said", ["", "ninja: error: loading 'build.ninja'"])
def test_nothing_is_told_of_what_cannot_be_measured(wait, said):
    assert wait(COMPILATION, job(60, command=lambda _second: {"stdout": said}))[1] == []
    assert wait(DOWNLOAD, job(60, find=lambda _second: {"failed": True}))[1] == []


def test_a_job_that_failed_fails_the_task_with_what_it_said(wait):
    failed = {"finished": 1, "failed": True, "msg": "HTTP Error 404", "status_code": 404}
    result, _told, asked = wait(DOWNLOAD, job(3, then=failed, find=lambda _second: {"files": []}))
    assert (result["failed"], result["msg"], result["status_code"]) == (True, "HTTP Error 404", 404)
    assert asked[-1] == "async_status cleanup"


def test_a_job_that_nobody_knows_fails_the_task(wait):
    assert wait(DOWNLOAD, job(0, then={"failed": True, "msg": "could not find job"}))[0]["failed"]


def test_a_network_that_fails_is_waited_for(wait):
    def gone(second, name, arguments):
        if 5 < second < 300:
            return AnsibleConnectionFailure("no route to host")
        return job(400, find=lambda _second: {"files": []})(second, name, arguments)

    result, _told, asked = wait(DOWNLOAD, gone)
    assert (result["rc"], "reset" in asked) == (0, True)


def test_a_network_that_is_gone_for_good_ends_it(wait):
    with pytest.raises(AnsibleConnectionFailure, match="no route"):
        wait(DOWNLOAD, lambda *_asked: AnsibleConnectionFailure("no route to host"))


def test_it_is_not_waited_for_ever(wait):
    result = wait({**DOWNLOAD, "timeout": 120}, job(9999, find=lambda _second: {"files": []}))[0]
    assert (result["failed"], result["msg"]) == (True, "m.gguf took more than 120 s.")


@pytest.mark.parametrize(
    "given", [{**DOWNLOAD, "steps": ["ninja"]}, {"job": "j", "name": "n"}, {**COMPILATION, "bytes": 1}]
)
def test_what_is_measured_is_one_thing_and_whole(wait, given):
    refused = wait(given, job(0))[0]
    assert refused["failed"] and "folder" in refused["msg"]
