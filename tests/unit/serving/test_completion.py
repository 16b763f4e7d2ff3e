# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for llama-server and proving it, against servers that answer as the real one was seen to."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading

import pytest
from module_utils.errors import DroverError
from module_utils.serving import completion

# As llama-server 0.7.0 answers.
OK = (200, '{"status":"ok"}')
LOADING = (503, '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}')
NO_KEY = (401, '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}')
TOO_LONG = (
    400,
    '{"error":{"code":400,"message":"request (4014 tokens) exceeds the available context size (512 tokens), try '
    'increasing it","type":"exceed_context_size_error","n_prompt_tokens":4014,"n_ctx":512}}',
)
ANSWER = {
    "choices": [{"finish_reason": "length", "index": 0, "message": {"role": "assistant", "content": "Hello! I know"}}],
    "model": "/tmp/demo.gguf",
    "usage": {"completion_tokens": 4, "prompt_tokens": 16, "total_tokens": 20},
    "timings": {"prompt_n": 16, "prompt_per_second": 2202.6, "predicted_n": 4, "predicted_per_second": 713.7},
}
SAID = (200, json.dumps(ANSWER))
DROP = "close the connection without an answer"
HANG = "say nothing until the client gives up"


class Recorder:
    """A server that gives the scripted answers in turn, the last one for ever, and remembers what it was asked."""

    def __init__(self, health, answers):
        self.script = {"/health": list(health), "/v1/chat/completions": list(answers)}
        self.requests = []
        self.released = threading.Event()

    def next(self, path):
        script = self.script.get(path, [(404, "")])
        return script.pop(0) if len(script) > 1 else script[0]


@pytest.fixture
def serve(monkeypatch):
    """Starts a server with scripts for /health and for completions; returns its URL and its recorder."""
    monkeypatch.setattr(completion, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(completion, "UNIT_SECONDS", 0.0)
    with contextlib.ExitStack() as stack:

        def start(health=(OK,), answers=(SAID,)):
            recorder = Recorder(health, answers)

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    self.reply()

                def do_POST(self):
                    self.reply()

                def reply(self):
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    recorder.requests.append((self.path, dict(self.headers), json.loads(body) if body else None))
                    scripted = recorder.next(self.path)
                    if scripted == HANG:
                        recorder.released.wait()
                    if scripted in (HANG, DROP):
                        self.close_connection = True
                        return
                    status, text = scripted
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(text.encode())

                def log_message(self, *arguments):
                    pass

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            stack.callback(recorder.released.set)
            return f"http://127.0.0.1:{server.server_address[1]}", recorder

        yield start


@pytest.fixture
def nowhere():
    """The URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


class Unit:
    """A unit that goes through the given states, and stays in the last."""

    name = "drover-server@main.service"

    def __init__(self, *states, log=""):
        self.states = list(states)
        self.text = log

    def state(self):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def log(self):
        return self.text


def running(restarts=0):
    return {"ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": restarts}


def test_a_completion(serve):
    url, recorder = serve()
    answer = completion.complete(url, "sesame", "Hello", 4, timeout=30)
    assert answer.pop("seconds") > 0
    assert answer.pop("waited_seconds") >= 0
    assert answer == {
        "text": "Hello! I know",
        "model": "/tmp/demo.gguf",
        "prompt_tokens": 16,
        "completion_tokens": 4,
        "prompt_tokens_per_second": 2202.6,
        "tokens_per_second": 713.7,
    }
    _path, headers, body = recorder.requests[-1]
    assert headers["Authorization"] == "Bearer sesame"
    assert (body["temperature"], body["max_tokens"], body["cache_prompt"]) == (0, 4, False)
    assert body["messages"] == [{"role": "user", "content": "Hello"}]


def test_no_key_is_sent_when_there_is_none(serve):
    url, recorder = serve()
    completion.complete(url + "/", timeout=30)
    assert all("Authorization" not in headers for _path, headers, _body in recorder.requests)


def test_it_waits_while_the_model_is_loaded(serve):
    url, recorder = serve(health=[LOADING, DROP, (502, "bad gateway"), OK])
    assert completion.complete(url, timeout=30)["text"] == "Hello! I know"
    assert [path for path, _headers, _body in recorder.requests].count("/health") == 4


def test_a_server_that_is_not_ready_after_all_is_asked_again(serve):
    url, _recorder = serve(answers=[LOADING, SAID])
    assert completion.complete(url, timeout=30)["completion_tokens"] == 4


def test_one_abort_is_forgiven(serve):
    url, _recorder = serve(answers=[DROP, SAID])
    assert completion.complete(url, timeout=30)["text"] == "Hello! I know"


def test_a_thinking_model_has_said_something(serve):
    message = {"role": "assistant", "content": "", "reasoning_content": "The user greets me."}
    url, _recorder = serve(answers=[(200, json.dumps({**ANSWER, "choices": [{"message": message}]}))])
    assert completion.complete(url, timeout=30)["text"] == "The user greets me."


@pytest.mark.parametrize("timings", [{"predicted_n": 1, "predicted_per_second": 1000000.0}, None])
def test_the_speed_of_a_single_token_is_not_told(serve, timings):
    url, _recorder = serve(answers=[(200, json.dumps({**ANSWER, "timings": timings}))])
    assert completion.complete(url, timeout=30)["tokens_per_second"] is None


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"answers": [NO_KEY]}, "refuses the API key; give the one that llama-server was started with."),
        ({"answers": [TOO_LONG]}, "with status 400: request (4014 tokens) exceeds the available context size"),
        ({"answers": [DROP]}, "ended 2 times in the middle of a completion: most likely a worker is down"),
        ({"answers": [(200, "<html>")]}, "answered a completion with status 200 and '<html>'"),
        ({"answers": [(200, "{}")]}, "answered a completion with status 200 and '{}'"),
        ({"answers": [(200, '{"choices": []}')]}, "which llama-server does not"),
        ({"answers": [(200, "[" * 100_000)]}, "which llama-server does not"),
        ({"answers": [(500, '{"error": "text"}')]}, "answered a completion with status 500"),
        ({"health": [(404, "")]}, "/health answered with status 404, which llama-server does not"),
    ],
)
def test_an_answer_that_ends_the_wait_at_once(serve, script, told):
    url, _recorder = serve(**script)
    with pytest.raises(DroverError) as raised:
        completion.complete(url, timeout=30)
    assert told in str(raised.value)
    assert url in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_request_that_hangs(serve):
    url, _recorder = serve(answers=[HANG])
    with pytest.raises(DroverError, match="most likely a worker vanished from the network"):
        completion.complete(url, timeout=0.2)


@pytest.mark.parametrize("script", [{"health": [LOADING]}, {"answers": [LOADING]}])
def test_a_model_that_is_never_loaded(serve, script):
    url, _recorder = serve(**script)
    with pytest.raises(DroverError, match=r"was not ready within 1 seconds \(it is still loading the model\)"):
        completion.complete(url, timeout=1)


def test_what_was_asked_in_the_last_moment_tells_nothing_new(serve):
    url, _recorder = serve(health=[LOADING, HANG])
    with pytest.raises(DroverError, match=r"was not ready within 0.9 seconds \(it is still loading the model\)"):
        completion.complete(url, timeout=0.9)


def test_a_server_that_is_not_there(nowhere, monkeypatch):
    monkeypatch.setattr(completion, "POLL_SECONDS", 0.001)
    with pytest.raises(DroverError, match=r"was not ready within 0.1 seconds \(connection refused\)"):
        completion.complete(nowhere, timeout=0.1)


CONNECT = "llama_server: initializing ...\n./src/ggml-rpc/ggml-rpc.cpp:650: Failed to connect to 10.0.0.2:50052\n"


@pytest.mark.parametrize(
    ("states", "log", "told"),
    [
        (
            [running(), {"ActiveState": "failed", "Result": "core-dump"}],
            CONNECT,
            "drover-server@main.service failed (core-dump): the worker at 10.0.0.2:50052 did not take part",
        ),
        (
            [running(), {"ActiveState": "failed", "Result": "signal"}],
            "",
            'failed (signal): start it, and look with "journalctl -u drover-server@main.service"',
        ),
        ([{"ActiveState": "inactive", "NRestarts": 0}], "", "does not run, so nothing answers at"),
        ([running(7), running(8), running(9)], CONNECT, "keeps ending and was restarted 2 times: the worker at"),
    ],
)
def test_a_unit_that_fails_ends_the_wait(nowhere, monkeypatch, states, log, told):
    monkeypatch.setattr(completion, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(completion, "UNIT_SECONDS", 0.0)
    with pytest.raises(DroverError) as raised:
        completion.complete(nowhere, timeout=30, unit=Unit(*states, log=log))
    assert told in str(raised.value)


@pytest.mark.parametrize("states", [[running(3), running(4)], [{}]])
def test_a_unit_that_runs_is_waited_for(serve, states):
    url, _recorder = serve(health=[LOADING, LOADING, LOADING, OK])
    assert completion.complete(url, timeout=30, unit=Unit(*states))["text"] == "Hello! I know"


@pytest.mark.parametrize("url", ["", "10.0.0.1:8080", "ftp://10.0.0.1", "http://", "http://host:99999"])
def test_no_url(url):
    with pytest.raises(DroverError, match="is not the URL of a server"):
        completion.complete(url)


@pytest.mark.parametrize("key", ["sésame", "two\nlines"])
def test_a_key_that_no_header_can_carry(key):
    with pytest.raises(DroverError, match="API key holds characters"):
        completion.complete("http://127.0.0.1:1", key)


def test_no_tokens():
    with pytest.raises(DroverError, match="max_tokens is 0"):
        completion.complete("http://127.0.0.1:1", max_tokens=0)


@pytest.mark.parametrize("text", ["sesame\n", "\n# a comment\n sesame \nother\n", "sesame"])
def test_read_api_key(tmp_path, text):
    (tmp_path / "key").write_text(text)
    assert completion.read_api_key(str(tmp_path / "key")) == "sesame"


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"\xff\xfe"])
def test_a_file_without_a_key(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(DroverError, match=r"^The API key file .*key"):
        completion.read_api_key(str(tmp_path / "key"))


def test_no_key_file(tmp_path):
    with pytest.raises(DroverError, match=r"cannot be read \(No such file or directory\)"):
        completion.read_api_key(str(tmp_path / "key"))
