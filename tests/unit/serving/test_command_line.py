# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines: what the plan decides, in the words of the build, and what of the user's own is taken."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.serving.command_line import leader_arguments, plan_arguments, worker_arguments
from module_utils.serving.extra_arguments import REFUSED, extra_arguments
from module_utils.serving.flags import written
from unit.serving.clusters import (
    FLAGS_0_5,
    FLAGS_2024_11,
    FLAGS_2025_05,
    FLAGS_2025_08,
    MODEL,
    RPC_FLAGS_0_5,
    RPC_FLAGS_2024_11,
    device,
    plan,
)

PLACED = ["--rpc", "10.0.0.11:50052", "--tensor-split", "6", "--n-gpu-layers", "6"]


@pytest.mark.parametrize("flags", [None, FLAGS_0_5])
def test_the_plan_in_the_words_of_a_newest_build(flags):
    assert plan_arguments(plan(), flags, 11669) == [
        *["--ctx-size", "8192", "--parallel", "2", "--no-kv-unified"],
        *["--cache-type-k", "f16", "--cache-type-v", "q8_0", "--batch-size", "2048", "--ubatch-size", "512"],
        *["--flash-attn", "auto", "--fit", "off", "--cache-ram", "0", "--ctx-checkpoints", "0"],
        *PLACED,
    ]


@pytest.mark.parametrize(
    ("flags", "after_sizes"),
    [
        (FLAGS_2024_11, []),
        (FLAGS_2025_05, []),
        (FLAGS_2025_08, ["--swa-checkpoints", "0"]),
    ],
)
def test_the_plan_in_the_words_of_older_builds(flags, after_sizes):
    assert plan_arguments(plan(), flags) == [
        *["--ctx-size", "8192", "--parallel", "2", "--cache-type-k", "f16", "--cache-type-v", "q8_0"],
        *["--batch-size", "2048", "--ubatch-size", "512"],
        *after_sizes,
        *PLACED,
    ]


@pytest.mark.parametrize(
    ("flags", "build", "wish", "arguments"),
    [
        (FLAGS_2025_08, None, "on", ["--flash-attn"]),
        (FLAGS_2025_08, None, "off", []),
        (FLAGS_2025_08, None, "auto", []),
        (FLAGS_2025_08, 6324, "on", ["--flash-attn"]),
        # It took a value weeks before the flag came by which it is known without a number.
        (FLAGS_2025_08, 6325, "on", ["--flash-attn", "on"]),
        (FLAGS_2025_08, 6325, "off", ["--flash-attn", "off"]),
        # A build outside of a repository has the number 0.
        (FLAGS_0_5, 0, "off", ["--flash-attn", "off"]),
        (None, None, "auto", ["--flash-attn", "auto"]),
    ],
)
def test_flash_attention_took_no_value_once(flags, build, wish, arguments):
    assert written("--flash-attn", wish, flags, build) == arguments


def test_devices_are_named_in_the_order_of_llama_cpp():
    """Those that hold layers, of every RPC server, then the leader's own by the names that it sees them by."""
    made = plan(
        endpoints=[
            {"host": "a", "address": "10.0.0.2", "port": 50052, "devices": ["CUDA0", "CPU"]},
            {"host": "b", "address": "10.0.0.3", "port": 50060, "devices": ["CPU"]},
        ],
        devices=[device("a", "RPC1", 1, 2), device("b", "RPC2", 3, 3), device("head", "CUDA1", 6, 2, True)],
        leader_blocks=1,
    )
    assert plan_arguments(made, local={"CUDA1": "CUDA0"})[-9:] == [
        *["--rpc", "10.0.0.2:50052,10.0.0.3:50060", "--device", "RPC1,RPC2,CUDA0"],
        *["--tensor-split", "2,3,3", "--n-gpu-layers", "8", "--no-op-offload"],
    ]


@pytest.mark.parametrize(
    ("kept", "experts", "streams", "flags", "told"),
    [
        (0, 0, False, None, []),
        (3, 0, True, None, []),
        (3, 0, False, None, ["--no-op-offload"]),
        (3, 0, False, FLAGS_2025_05, []),
        (0, 2, True, None, ["--n-cpu-moe", "2"]),
        (0, 2, False, None, ["--n-cpu-moe", "2", "--no-op-offload"]),
        (
            *(0, 2, False, [*FLAGS_2025_05, "--override-tensor"]),
            ["--override-tensor", r"blk\.(0|1)\.ffn_(up|down|gate|gate_up)_exps=CPU"],
        ),
    ],
)
def test_what_the_leaders_cpu_keeps_beside_its_gpu(kept, experts, streams, flags, told):
    gpu = {**device("head", "CUDA0", kept, 8 - kept, True), "experts_on_cpu": experts, "streams": streams}
    made = plan_arguments(plan(endpoints=[], devices=[gpu], leader_blocks=kept), flags)
    assert made[made.index("--n-gpu-layers") + 2 :] == told


def test_what_a_leader_without_a_gpu_keeps_is_nothing_to_tell():
    assert "--no-op-offload" not in plan_arguments(plan())


def test_experts_cannot_be_kept_by_a_build_that_cannot():
    gpu = {**device("head", "CUDA0", 0, 8, True), "experts_on_cpu": 2, "streams": True}
    with pytest.raises(DroverError, match="has no flag --override-tensor"):
        plan_arguments(plan(endpoints=[], devices=[gpu], leader_blocks=0), FLAGS_2025_05)


@pytest.mark.parametrize(
    ("holding", "named"),
    [
        ([("a", "RPC0"), ("a", "RPC1"), ("b", "RPC2")], None),
        ([("a", "RPC1"), ("a", "RPC0"), ("b", "RPC2")], "RPC1,RPC0,RPC2"),
        ([("a", "RPC0"), ("b", "RPC2"), ("a", "RPC1")], "RPC0,RPC2,RPC1"),
        ([("a", "RPC0"), ("a", "RPC1")], "RPC0,RPC1"),
    ],
)
def test_devices_are_named_unless_they_are_llama_cpps_own_list(holding, named):
    """Else layers would land on other ones."""
    made = plan(
        endpoints=[
            {"host": "a", "address": "10.0.0.2", "port": 50052, "devices": ["CUDA0", "CPU"]},
            {"host": "b", "address": "10.0.0.3", "port": 50060, "devices": ["CPU"]},
        ],
        devices=[device(host, name, number, 1) for number, (host, name) in enumerate(holding)],
    )
    told = plan_arguments(made)
    assert (told[told.index("--device") + 1] if "--device" in told else None) == named


def test_devices_are_not_named_where_there_are_no_others():
    assert plan_arguments(plan())[-6:] == [
        *["--rpc", "10.0.0.11:50052", "--tensor-split", "6", "--n-gpu-layers", "6"],
    ]


def test_a_leader_alone_uses_no_device():
    alone = plan_arguments(plan(endpoints=[], devices=[]))
    assert alone[-4:] == ["--device", "none", "--n-gpu-layers", "0"]
    assert "--rpc" not in alone


def test_the_leaders_own_devices_need_no_rpc():
    placed = plan(endpoints=[], devices=[device("head", "Vulkan0", 0, 8, True)], leader_blocks=0)
    local = plan_arguments(placed, local={"Vulkan0": "Vulkan0"})
    assert local[-6:] == ["--device", "Vulkan0", "--tensor-split", "9", "--n-gpu-layers", "9"]
    assert "--rpc" not in local


def test_the_leader_is_told_everything_and_the_users_arguments_come_last():
    made = leader_arguments(plan(), MODEL, "10.0.0.1", 8080, 8, "/etc/drover/main/api_key", ["--metrics"], FLAGS_0_5)
    assert made == [
        *["--model", "/var/lib/drover/models/m.gguf", "--alias", "Small", "--host", "10.0.0.1", "--port", "8080"],
        *["--threads", "8", "--api-key-file", "/etc/drover/main/api_key", "--no-slots"],
        *["--cors-origins", "https://none.invalid"],
        *plan_arguments(plan(), FLAGS_0_5),
        "--metrics",
    ]


@pytest.mark.parametrize("flags", [None, RPC_FLAGS_0_5])
def test_the_rpc_server_is_told_everything(flags):
    told = ["--host", "10.0.0.11", "--port", "50052", "--threads", "4"]
    assert worker_arguments("10.0.0.11", 50052, 4, True, flags) == [*told, "--cache"]
    assert worker_arguments("10.0.0.11", 50052, 4, False, flags) == told
    lends = worker_arguments("10.0.0.11", 50052, 4, False, flags, devices=["CUDA0", "CPU"])
    assert lends == [*told, "--device", "CUDA0,CPU"]


def test_a_flag_that_cannot_be_done_without_is_refused_by_name():
    with pytest.raises(DroverError) as caught:
        worker_arguments("10.0.0.11", 50052, 4, True, RPC_FLAGS_2024_11, 4100)
    assert str(caught.value) == (
        "This RPC server (build 4100) has no flag --threads: install another build of llama.cpp on all hosts, or take "
        "back the setting that it comes from."
    )


@pytest.mark.parametrize(
    ("value", "given"), [("on", "--fit"), ("8", "--cache-ram"), ("none", "--device"), ("4", "--ctx-checkpoints")]
)
def test_what_an_old_build_would_do_otherwise_is_not_left_away(given, value):
    with pytest.raises(DroverError, match=f"has no flag {given}:"):
        written(given, value, FLAGS_2024_11)


@pytest.mark.parametrize(
    ("extra", "flags", "arguments"),
    [
        ([], FLAGS_0_5, []),
        (["--metrics"], FLAGS_0_5, ["--metrics"]),
        (["--no-mmap"], FLAGS_2025_05, ["--no-mmap"]),
        (["--no-mmap"], FLAGS_0_5, ["--load-mode", "none"]),
        (["--mlock"], FLAGS_0_5, ["--load-mode", "mmap+mlock"]),
        (["--load-mode", "none", "--metrics"], FLAGS_2025_05, ["--no-mmap", "--metrics"]),
        (["--load-mode", "mmap"], FLAGS_2025_05, []),
        (["--load_mode", "dio"], FLAGS_0_5, ["--load-mode", "dio"]),
        # Nothing is known of the build, or of flags with several values: they go as they are.
        (["--seed", "-1"], None, ["--seed", "-1"]),
        (["--control-vector-layer-range", "2", "7"], None, ["--control-vector-layer-range", "2", "7"]),
        # It drafts without a model.
        (["--spec-type", "ngram-simple,ngram-mod"], None, ["--spec-type", "ngram-simple,ngram-mod"]),
    ],
)
def test_the_users_arguments_in_the_words_of_the_build(extra, flags, arguments):
    assert extra_arguments(extra, flags) == arguments


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--rpc", "10.0.0.9:50052"], "has --rpc: put workers into the inventory instead"),
        (["--metrics", "--tensor_split", "1,1"], "has --tensor-split: take it out, or set placement_split"),
        (["--ctx-size", "1"], "has --ctx-size: set llama_server_context_size instead"),
        (["--api-key", "secret"], "has --api-key: set llama_server_api_key instead"),
        (["--tools", "all"], "has --tools: take it out, since it lets clients act on this host"),
        (["--agent"], "has --agent: take it out"),
        (["--model_draft", "/small.gguf"], "has --model-draft: take it out, since the plan counts one model and no"),
        (["--spec-draft-model", "/small.gguf"], "has --spec-draft-model: take it out, since the plan counts one model"),
        (["--hf-repo-draft", "a/b"], "has --hf-repo-draft: take it out, since the plan counts one model"),
        (["-md", "/small.gguf"], "has the short flag -md: write its long form"),
        (["--spec-type", "draft-mtp"], "has --spec-type draft-mtp: take it out, .* ngram-mod and its like need none"),
        (["--spec-type", "ngram-mod,draft-eagle3"], "has --spec-type ngram-mod,draft-eagle3: take it out"),
        (["--mmproj", "/eyes.gguf"], "has --mmproj: take it out, since the plan counts one model"),
        (["--fim-qwen-7b-spec"], "has --fim-qwen-7b-spec: set gguf_model_path"),
        (["--lookup-cache-static", "/words"], "has --lookup-cache-static: take it out, since it takes memory"),
        (["--version"], "has --version: take it out, since the server would print something and end"),
        (["-ngl", "99"], "has the short flag -ngl: write its long form"),
        (["--seed=1"], "has '--seed=1': write the flag and its value as two entries"),
        (["--seed 1"], "has '--seed 1': write the flag and its value as two entries"),
        (["1"], "begins with '1' but must begin with a flag"),
        (["--no-such", "1"], "has --no-such: this llama-server .build 11669. has no flag --no-such: install another"),
    ],
)
def test_arguments_that_break_a_promise_are_refused_by_name(extra, told):
    with pytest.raises(DroverError, match=f"^llama_server_extra_arguments {told}"):
        extra_arguments(extra, FLAGS_0_5, 11669)


def test_every_flag_that_drover_gives_is_refused_from_the_user():
    """Else the user's one, which comes last, would win."""
    made = leader_arguments(plan(), MODEL, "10.0.0.1", 8080, 8, "/key", [])
    made += plan_arguments(plan(endpoints=[], devices=[]))
    assert {word for word in made if word.startswith("--")} <= REFUSED.keys()
