# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that are put to the oracle, and the same questions put to Drover's memory model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from module_utils.footprint.model import MemoryModel, Settings
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header

from . import corpus, header_only

MIB = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """One layout of one model: ``leader_blocks`` stay on the leader, ``layers`` go to the devices in order."""

    model: str
    settings: Settings
    leader_blocks: int
    layers: tuple
    experts: int = 0  # of how many blocks after the leader's the CPU keeps the experts

    @property
    def name(self):
        values = self.settings
        return (
            f"{self.model} c={values.context_size} np={values.parallel} kv={values.cache_type_k}"
            f" fa={values.flash_attention} ub={values.ubatch_size} leader={self.leader_blocks}"
            f" layers={'+'.join(map(str, self.layers))} experts={self.experts}"
        )

    def arguments(self):
        """The layout as arguments of a llama.cpp program."""
        values = self.settings
        split = ["-ts", ",".join(map(str, self.layers))] if self.layers else []
        experts = ["-ncmoe", str(self.leader_blocks + self.experts)] if self.experts else []
        return [
            *split,
            *experts,
            "-c",
            str(values.context_size),
            "-np",
            str(values.parallel),
            "-b",
            str(values.batch_size),
            "-ub",
            str(values.ubatch_size),
            "-ctk",
            values.cache_type_k,
            "-ctv",
            values.cache_type_v,
            # Repacked weights are missing in what llama.cpp says of Host.
            "--no-repack",
            "-fa",
            values.flash_attention,
            "-ngl",
            str(sum(self.layers)),
        ]

    def as_record(self):
        record = {**asdict(self), "layers": list(self.layers)}
        return record if self.experts else {key: value for key, value in record.items() if key != "experts"}

    @classmethod
    def from_record(cls, record):
        settings, layers = Settings(**record["settings"]), tuple(record["layers"])
        return cls(record["model"], settings, record["leader_blocks"], layers, record.get("experts", 0))


def fit_cases(model, block_count):
    """For llama-fit-params: two contexts, two cache types and two splits of a model, each further setting once."""
    for case in _layouts(model, block_count):
        yield replace(case, settings=replace(case.settings, outputs=case.settings.micro_batch))


def expert_cases(model, gguf):
    """For llama-fit-params, where the model has experts: those of a third and of nearly all blocks on the leader's CPU.
    With all of them there the device computes none, and the memory model counts what it would take for one block."""
    blocks = gguf["block_count"]
    for settings in (
        Settings(context_size=4096, flash_attention="on", outputs=512),
        Settings(context_size=32768, cache_type_k="q8_0", cache_type_v="q8_0", flash_attention="on", outputs=512),
        Settings(context_size=8192, flash_attention="off", outputs=512),
        Settings(context_size=8192, flash_attention="on", ubatch_size=2048, outputs=2048),
    ):
        for experts in (blocks // 3, blocks - 1) if gguf["expert_count"] else ():
            yield Case(model, settings, 0, (blocks + 1,), experts)


def server_cases(model, block_count):
    """For llama-server: some of the same; it reserves fewer outputs."""
    layouts = list(_layouts(model, block_count))
    yield from (layouts[0], layouts[7], layouts[8], layouts[9], layouts[10])


def _layouts(model, block_count):
    layers = block_count + 1
    half = (layers // 2, layers - layers // 2)
    third = layers // 3
    leader_first = (third, (layers - third) // 2, layers - third - (layers - third) // 2)
    for context_size in (4096, 32768):
        for cache_type in ("f16", "q8_0"):
            settings = Settings(context_size=context_size, cache_type_k=cache_type, cache_type_v=cache_type)
            yield Case(model, settings, 0, half)
            yield Case(model, settings, leader_first[0], leader_first[1:])
    yield Case(model, Settings(context_size=8192), layers, ())
    yield Case(model, Settings(context_size=8192), 0, (layers,))
    yield Case(model, Settings(context_size=8192, parallel=4), 0, half)
    yield Case(model, Settings(context_size=8192, flash_attention="off"), 0, half)
    yield Case(model, Settings(context_size=8192, ubatch_size=128), 0, half)
    yield Case(model, Settings(context_size=8192, ubatch_size=2048, flash_attention="on"), 0, half)


def predict(gguf, case):
    """What the memory model says, in the oracle's form: MiB of weights, context and compute for each row."""
    model = MemoryModel(gguf, case.settings)
    rows, first = {}, case.leader_blocks
    for index, count in enumerate(case.layers):
        apart = sum(model.layer_expert_bytes[first : first + case.experts])
        rows[f"RPC{index}"] = [
            (model.device_weight_bytes(first, count) - apart) / MIB,
            sum(model.layer_kv_bytes[first : first + count]) / MIB,
            model.device_compute_bytes(first, count, case.leader_blocks) / MIB,
        ]
        first += count
    host = model.host_bytes(case.leader_blocks, len(case.layers), case.experts)
    rows["Host"] = [host.weight_bytes / MIB, host.kv_bytes / MIB, host.compute_bytes / MIB]
    return rows


def profiles(directory):
    """``{name: (path, header bytes, gguf)}`` of every model of the corpus, written into ``directory``."""
    result = {}
    for make in corpus.MODELS:
        model = make()
        path = directory / f"{model.name}.gguf"
        header_bytes = header_only.write(model, path)
        result[model.name] = (path, header_bytes, model_profile(read_header(str(path))))
    return result
