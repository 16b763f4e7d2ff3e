# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that llama-server does not serve, told from real headers before anything is copied."""

from __future__ import annotations

import struct

import gguf
import numpy
import pytest
from module_utils.errors import DroverError
from module_utils.gguf import architectures, profile, reader, servable
from oracle import corpus
from unit.gguf import raw_gguf as raw

TEXT = (
    "token_embd.weight",
    "output_norm.weight",
    "blk.0.attn_q.weight",
    "blk.0.attn_norm.weight",
    "blk.0.ffn_down.weight",
)
# The names that Ollama's own gemma3 has besides (v.blk.N, mm.), and those of other projectors.
VISION = ("v.patch_embedding.weight", "v.blk.0.attn_k.weight", "v.blk.0.mlp.fc1.bias", "mm.mm_input_projection.weight")
SOUND = ("a.conv1d.1.weight", "a.blk.0.attn_q.weight")


def profile_of(tmp_path, architecture="llama", names=TEXT, template="{{ messages }}", type_=None, **more):
    """The profile of a file that the gguf package has written."""
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_embedding_length(32)
    writer.add_head_count(1)
    writer.add_tokenizer_model("gpt2")
    if template:
        writer.add_chat_template(template)
    if type_:
        writer.add_type(type_)
    for key, value in more.items():
        name = f"{architecture}.{key.replace('__', '.')}"
        (writer.add_bool if isinstance(value, bool) else writer.add_uint32)(name, value)
    for name in names:
        writer.add_tensor(name, numpy.zeros((32, 32), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return profile.model_profile(reader.read_header(str(path)))


def sentence(found: list[str]) -> str:
    """The one sentence of a list, which ends as one and holds what to do."""
    assert len(found) == 1
    assert found[0].endswith(".") and ": " in found[0] and "\n" not in found[0]
    return found[0]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "gpt-oss", "deepseek2", "mamba2", "nemotron_h"])
def test_a_model_that_chats(tmp_path, architecture):
    made = profile_of(tmp_path, architecture)
    assert (made["unservable"], made["warnings"]) == ([], [])


@pytest.mark.parametrize("build", corpus.MODELS, ids=lambda build: build.__name__)
def test_real_shapes_are_served(build):
    model = build()
    names = [tensor.name for tensor in model.tensors]
    assert servable.unservable(model.architecture, {}, names) == []
    assert servable.warnings(model.architecture, {"tokenizer.chat_template": "{{ messages }}"}, names) == []


@pytest.mark.parametrize("architecture", ["gemma3", "mistral3", "llama4"])
@pytest.mark.parametrize("extra", [VISION, SOUND, ("resampler.query",), ("adapter.boi",)], ids=lambda names: names[0])
def test_vision_and_sound_inside_the_file(tmp_path, architecture, extra):
    told = sentence(profile_of(tmp_path, architecture, TEXT + extra)["unservable"])
    assert f"some for images or sound ({len(extra)} of {len(TEXT + extra)}: {extra[0]}" in told
    assert f"loads no {architecture}" in told
    assert "take a file that was converted for llama.cpp" in told and "mmproj" in told


@pytest.mark.parametrize("extra", [VISION, SOUND, ("cls.output.weight",)], ids=lambda names: names[0])
def test_no_tensor_speaks_against_an_architecture_that_is_not_known(tmp_path, extra):
    """mllama is Ollama's own; a newer llama.cpp may have others with such tensors."""
    made = profile_of(tmp_path, "mllama", TEXT + extra)
    assert made["unservable"] == []
    assert "The architecture mllama is not among those" in made["warnings"][0]
    assert [f"({len(extra)} of {len(TEXT + extra)}: {extra[0]}" in told for told in made["warnings"][1:]] == (
        [] if extra[0].startswith("cls") else [True]
    )


def test_what_an_unknown_model_says_of_itself_counts(tmp_path):
    told = sentence(profile_of(tmp_path, "hy_v99", pooling_type=3)["unservable"])
    assert "makes embeddings (hy_v99.pooling_type is 3)" in told


@pytest.mark.parametrize(
    ("architecture", "purpose"),
    [
        ("bert", "makes embeddings"),
        ("nomic-bert", "makes embeddings"),
        ("jina-bert-v3", "makes embeddings"),
        ("modern-bert", "makes embeddings"),
        ("t5encoder", "makes embeddings"),
        ("gemma-embedding", "makes embeddings"),
        ("llada", "by diffusion"),
        ("dream", "by diffusion"),
        ("qwen3tts", "makes speech"),
        ("eagle3", "only drafts for another model"),
        ("t5", "an encoder, which llama-server does not run"),
    ],
)
def test_architectures_that_do_not_chat(tmp_path, architecture, purpose):
    told = sentence(profile_of(tmp_path, architecture)["unservable"])
    assert architecture in told and purpose in told and "choose a model that generates text" in told


@pytest.mark.parametrize(
    ("more", "names", "words"),
    [
        ({"pooling_type": 3}, TEXT, "makes embeddings (qwen3.pooling_type is 3)"),
        ({"pooling_type": 1}, TEXT, "makes embeddings (qwen3.pooling_type is 1)"),
        ({"pooling_type": 4}, TEXT, "is a reranker or a classifier"),
        ({}, (*TEXT, "cls.output.weight"), "is a reranker or a classifier"),
        ({"attention__causal": False}, TEXT, "reads a text in both directions"),
    ],
)
def test_decoders_that_do_not_chat(tmp_path, more, names, words):
    told = sentence(profile_of(tmp_path, "qwen3", names, **more)["unservable"])
    assert words in told and "choose a model that generates text" in told


@pytest.mark.parametrize("more", [{"pooling_type": 0}, {"attention__causal": True}])
def test_decoders_that_chat_although_they_speak_of_pooling(tmp_path, more):
    assert profile_of(tmp_path, "qwen3", **more)["unservable"] == []


def test_two_reasons_are_told_both(tmp_path):
    assert len(profile_of(tmp_path, "bert", TEXT + VISION)["unservable"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"architecture": "hy_v99"}, "The architecture hy_v99 is not among those that Drover knows llama.cpp to have"),
        ({"names": (*TEXT, "blk.0.attn_novel.weight")}, "asks for 1 tensor of the model (blk.0.attn_novel.weight)"),
        ({"names": (*TEXT, "novel", "blk.0.x", "y", "z")}, "4 tensors of the model (novel, blk.0.x, y ...)"),
        ({"template": ""}, "brings no chat template"),
    ],
)
def test_what_is_worth_a_warning_passes(tmp_path, options, words):
    made = profile_of(tmp_path, **options)
    assert made["unservable"] == []
    assert words in sentence(made["warnings"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type_": "adapter", "names": ("blk.0.attn_q.weight.lora_a",)}, "a LoRA adapter"),
        ({"architecture": "clip", "names": VISION}, "the vision or audio part of a model (mmproj)"),
        ({"type_": "mmproj", "names": VISION}, "the vision or audio part of a model (mmproj)"),
        ({"type_": "imatrix", "names": ("blk.0.attn_q.weight.in_sum2",)}, "an importance matrix"),
        ({"architecture": "controlvector", "names": ("direction.1",)}, "a control vector"),
        ({"architecture": "wavtokenizer-dec", "names": ("posnet.0.conv1.weight",)}, "makes sound"),
        ({"names": ()}, "holds only a vocabulary"),
    ],
)
def test_files_that_are_no_model(tmp_path, options, words):
    with pytest.raises(DroverError) as refusal:
        profile_of(tmp_path, **options)
    assert words in str(refusal.value)
    assert ": give the GGUF of " in str(refusal.value)


def test_an_importance_matrix_without_an_architecture(tmp_path):
    """As llama-imatrix writes it."""
    path = tmp_path / "imatrix.gguf"
    pairs = [
        raw.pair("general.type", raw.STRING, raw.text("imatrix")),
        raw.pair("imatrix.chunk_count", raw.UINT32, struct.pack("<I", 10)),
    ]
    path.write_bytes(raw.model(pairs, [raw.tensor("blk.0.attn_q.weight.in_sum2", (8,))], data_bytes=32))
    with pytest.raises(DroverError, match="an importance matrix"):
        profile.model_profile(reader.read_header(str(path)))


def test_the_architectures_of_the_gguf_package_are_known():
    names = set(gguf.MODEL_ARCH_NAMES.values()) - {"clip"}
    assert names <= architectures.ARCHITECTURES
    assert architectures.PURPOSES.keys() <= architectures.ARCHITECTURES


def test_the_tensors_of_the_gguf_package_are_known():
    """All that a text architecture may have; no tensor for images and sound is among them."""
    text = {kind for arch, kinds in gguf.MODEL_TENSORS.items() if arch.name != "MMPROJ" for kind in kinds}
    names = [gguf.TENSOR_NAMES[kind].format(bid=0, xid=0) + ".weight" for kind in text]
    assert len(names) > 200
    assert servable.warnings("llama", {"tokenizer.chat_template": "{{ messages }}"}, names) == []
    assert not [name for name in names if name.partition(".")[0] in architectures.PROJECTOR_TENSORS]


def test_the_tensors_for_images_and_sound_of_the_gguf_package_are_known():
    names = [gguf.TENSOR_NAMES[kind] for kind in gguf.MODEL_TENSORS[gguf.MODEL_ARCH.MMPROJ]]
    assert len(names) > 50
    assert {name.partition(".")[0] for name in names} <= architectures.PROJECTOR_TENSORS
