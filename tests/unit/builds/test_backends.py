# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backends a build has, by its devices, its files, and how it was compiled."""

from __future__ import annotations

import pytest
from module_utils.builds import backends


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["CPU"]),
        (["Vulkan0"], ["CPU", "Vulkan"]),
        (["CUDA0", "CUDA1", "Vulkan0"], ["CPU", "CUDA", "Vulkan"]),
        (["ROCm0"], ["CPU", "ROCm"]),
        (["MTL0"], ["CPU", "Metal"]),
        (["Metal"], ["CPU", "Metal"]),
        (["BLAS", "RPC0"], ["CPU"]),  # no GPU
    ],
)
def test_by_devices(names, expected):
    assert backends.of_devices([{"name": name} for name in names]) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["llama-server", "libggml-base.so", "libggml-cpu-haswell.so", "libggml-rpc.so"], ["CPU"]),
        (["libggml-vulkan.so"], ["CPU", "Vulkan"]),
        (["libggml-vulkan.so.0.9.4", "libggml-hip.so"], ["CPU", "ROCm", "Vulkan"]),
        (["libggml-cuda.so", "libcudart.so.12"], ["CPU", "CUDA"]),
        (["libggml-metal.dylib"], ["CPU", "Metal"]),
        (["llama-server", "libvulkan.so.1"], ["CPU", "Vulkan"]),  # built in
        (["libcuda.so.1"], ["CPU", "CUDA"]),
        (["libggml-cudalike.so", "my-libggml-cuda.so", "libvulkano.so", "libggml.so"], ["CPU"]),
    ],
)
def test_by_libraries(names, expected):
    assert backends.of_libraries(names) == expected


def test_by_the_options_of_the_compilation():
    assert backends.of_options(["cpu"]) == ["CPU"]
    assert backends.of_options([]) == ["CPU"]
    assert backends.of_options(["vulkan", "cpu", "hip", "cuda"]) == ["CPU", "CUDA", "ROCm", "Vulkan"]
