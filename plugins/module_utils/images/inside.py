# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run once within an image that is being made: have the programs say what they can, and compile what will be imported.

That it ends well is the proof that the programs and the runtime run in this image.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import py_compile
import sys

from ..builds.find import find_llama_cpp
from ..runtime.say import complain

FOLDER = "/usr/local/lib/drover"
BUILDS = "/opt/llama.cpp"
PROGRAMS = "programs.json"


def main() -> int:
    """Write the document of the programs and return 0, or say in one sentence what does not work and return 1."""
    programs = find_llama_cpp(builds_path=BUILDS)
    if programs["problem"] or not programs["found"]:
        complain(programs["problem"] or "llama-server or ggml-rpc-server is not in the image.")
        return 1
    # The builder's devices are not those of whoever runs the image.
    text = json.dumps({**programs, "devices": []}, indent=1, sort_keys=True) + "\n"
    with open(os.path.join(FOLDER, PROGRAMS), "w", encoding="utf-8") as file:
        file.write(text)
    compile_imported()
    return 0


def compile_imported() -> None:
    """Compile the modules of Python that the runtime imports: an unprivileged user could not keep the result.

    By content and without a look at dates: those are set to one moment when the image is done.
    """
    brain = __name__.partition(".")[0]
    for module in pkgutil.walk_packages(importlib.import_module(brain).__path__, f"{brain}."):
        importlib.import_module(module.name)
    for found in list(sys.modules.values()):
        path = getattr(found, "__file__", None) or ""
        if path.endswith(".py") and os.path.isfile(path):
            py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
