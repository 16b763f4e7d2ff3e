# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes and remedies, from the logs of a real llama-server 0.7.0 (build 11669) that was made to fail."""

from __future__ import annotations

import re
import string

import pytest
from module_utils.serving.symptoms import SYMPTOMS, explain

BEGIN = "0.00.001.562 I srv  llama_server: initializing ...\n"
MODEL_END = """\
0.00.023.069 E llama_model_load_from_file_impl: failed to load model
0.00.023.071 E cmn  common_init_: failed to load model '/tmp/demo.gguf'
0.00.023.071 E srv    load_model: failed to load model, '/tmp/demo.gguf'
0.00.023.205 E srv  llama_server: exiting due to model loading error
"""
RECORDED = {
    "dead worker": "./src/ggml-rpc/ggml-rpc.cpp:650: Failed to connect to 10.0.0.2:50052\n\nllama-server(+0x12)",
    "unknown name": "0.00.018.364 E Cannot resolve host 'nosuch'\n",
    "other build": "0.00.012.236 E RPC server version mismatch: 7.0.0\n"
    "./src/ggml-rpc/ggml-rpc.cpp:653: RPC handshake failed for 10.0.0.2:50052\n",
    "worker killed": "0.00.214.471 E send failed (bytes_sent=0, size_to_send=8)\n"
    "./src/ggml-rpc/ggml-rpc.cpp:685: Remote RPC server crashed or returned malformed response\n",
    "port taken": "0.00.026.332 E srv         start: couldn't bind HTTP server socket, hostname: 10.0.0.1, port: 8080\n"
    "0.00.026.535 E srv  llama_server: exiting due to HTTP server error\n",
    "bad argument": "error: invalid argument: --no-such-thing\n",
    "bad value": 'error while handling argument "-ctk": Unsupported cache type: q9_9\n\nusage:\n',
    "no model": "0.00.022.980 E gguf_init_from_file: failed to open GGUF file '/tmp/none.gguf' "
    "(No such file or directory)\n" + MODEL_END,
    "truncated": "0.00.025.557 E llama_model_load: error loading model: tensor 'blk.3.attn_output.weight' data is not "
    "within the file bounds, model is corrupted or incomplete\n" + MODEL_END,
    "not GGUF": "0.00.023.789 E gguf_init_from_reader: invalid magic characters: 'G'??', expected 'GGUF'\n" + MODEL_END,
    "damaged": "0.00.024.214 E read: string length 18446744069414584325 exceeds maximum 1073741824\n"
    "0.00.024.219 E gguf_init_from_reader: failed to read key-value pairs\n" + MODEL_END,
    "unknown architecture": "0.00.015.084 E llama_model_load: error loading model: unknown model architecture: "
    "'lxama'\n" + MODEL_END,
    "quantised V": "0.00.022.252 E llama_init_from_model: quantized V cache requires flash_attn to be enabled\n"
    "0.00.022.309 E cmn  common_init_: failed to create context with model '/tmp/demo.gguf'\n",
    "leader's memory": "0.00.124.292 E ggml_aligned_malloc: insufficient memory (attempted to allocate 15625.00 MB)\n"
    "0.00.124.339 E ggml_backend_buft_alloc_buffer_n_default: failed to allocate CPU buffer of size 16384000000\n"
    "0.00.131.108 E llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache\n"
    "0.00.131.145 E cmn  common_init_: failed to create context with model '/tmp/demo.gguf'\n",
    "worker's memory": "0.00.152.777 W [ggml_backend_rpc_buffer_type_alloc_buffer] endpoint: 10.0.0.2:50052, device: "
    "0, size: 15.26 GiB -> failed\n"
    "0.00.152.786 E ggml_backend_buft_alloc_buffer_n_default: failed to allocate RPC0[10.0.0.2:50052] buffer "
    "of size 16384000000\n",
    # systemd's own words
    "killed by the kernel": "drover-server@main.service: Failed with result 'oom-kill'.\n",
    "illegal instruction": "drover-server@main.service: Main process exited, code=dumped, status=4/ILL\n",
}


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("dead worker", "the worker at 10.0.0.2:50052 did not take part"),
        ("unknown name", "the worker's name nosuch is unknown"),
        ("other build", "the worker at 10.0.0.2:50052 runs another build of llama.cpp, whose RPC protocol 7.0.0"),
        ("worker killed", "a worker ended or left the network"),
        ("port taken", "it could not listen on 10.0.0.1:8080"),
        ("bad argument", "does not know the argument --no-such-thing"),
        ("bad value", "refuses the value of -ctk (Unsupported cache type: q9_9)"),
        ("no model", "cannot open the model /tmp/none.gguf (No such file or directory)"),
        ("truncated", "the model's file is truncated"),
        ("not GGUF", "is not GGUF"),
        ("damaged", "is damaged (failed to read key-value pairs)"),
        ("unknown architecture", "does not know models of the architecture lxama"),
        ("quantised V", "set llama_server_flash_attention to auto or on"),
        ("leader's memory", "CPU could not give a buffer of 16384000000 bytes"),
        ("worker's memory", "the worker at 10.0.0.2:50052 could not give a buffer of 15.26 GiB"),
        ("killed by the kernel", "the memory of this host ran out"),
        ("illegal instruction", "built for a newer processor"),
    ],
)
def test_recorded_failures(case, told):
    assert told in explain(BEGIN + RECORDED[case])


def test_a_healthy_log_explains_nothing():
    assert explain(BEGIN + "0.00.021.093 W srv  llama_server: security: no API key is set\n") is None


@pytest.mark.parametrize("log", ["", "\n", "nothing known\n"])
def test_nothing_to_explain(log):
    assert explain(log) is None


def test_the_trouble_of_another_day_is_left_alone():
    log = BEGIN + RECORDED["no model"] + BEGIN + "loading\n"
    assert explain(log, runs=1) is None
    assert "/tmp/none.gguf" in explain(log, runs=2)


def test_the_latest_run_comes_first():
    log = "Started drover-server@main.service.\n" + RECORDED["no model"] + "Started drover-server.service.\n"
    assert "10.0.0.2:50052" in explain(log + RECORDED["dead worker"], runs=2)


def test_one_start_that_is_announced_twice_is_one_run():
    log = "Started drover-server@main.service.\n" + BEGIN + RECORDED["bad argument"]
    log += "Starting drover-server@main.service...\nStarted drover-server.service.\n" + BEGIN
    assert "--no-such-thing" in explain(log, runs=2)


def test_every_meaning_is_filled_by_its_pattern():
    for pattern, meaning in SYMPTOMS:
        named = {field for _text, field, _spec, _conversion in string.Formatter().parse(meaning) if field}
        assert named <= set(re.compile(pattern).groupindex), pattern
