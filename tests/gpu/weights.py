# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the header of a random model (tests/assets/make_random_model.py --header-only) with weights, as fast as they can
be written: one pattern of random numbers over and over."""

from __future__ import annotations

from pathlib import Path

import numpy

from .bench import read_header

PATTERN_BLOCKS = 1 << 20
F32, F16, Q4_0, Q8_0 = 0, 1, 2, 8


def fill(header: Path, target: Path) -> None:
    """Write the model with the header ``header`` to ``target``. Matrices of F16, Q8_0 and Q4_0 only."""
    generator = numpy.random.default_rng(1)
    half = (generator.standard_normal(PATTERN_BLOCKS * 16) * 0.01).astype("<f2")
    eight = numpy.zeros(PATTERN_BLOCKS, dtype=[("scale", "<f2"), ("values", "i1", 32)])
    eight["scale"] = 0.01 / 64
    eight["values"] = generator.integers(-127, 128, (PATTERN_BLOCKS, 32), dtype="i1")
    four = numpy.zeros(PATTERN_BLOCKS, dtype=[("scale", "<f2"), ("values", "u1", 16)])
    four["scale"] = 0.01 / 4
    four["values"] = generator.integers(0, 256, (PATTERN_BLOCKS, 16), dtype="u1")
    patterns = {F16: half.tobytes(), Q8_0: eight.tobytes(), Q4_0: four.tobytes()}
    found = read_header(str(header))
    start = found.data_offsets[0]
    with header.open("rb") as source, target.open("wb") as file:
        file.write(source.read(start))
        for tensor in found.tensors:
            file.seek(start + tensor.offset)
            if tensor.type_id == F32:
                file.write(numpy.ones(tensor.n_bytes // 4, "<f4").tobytes())
                continue
            left = tensor.n_bytes
            while left:
                part = patterns[tensor.type_id][:left]
                file.write(part)
                left -= len(part)
        file.truncate(header.stat().st_size)
