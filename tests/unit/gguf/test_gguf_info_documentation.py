# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gguf_info says it returns is what it returns."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from module_utils.gguf import profile, reader

ROOT = Path(__file__).parents[3]
TYPES = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict, "raw": (int, list)}


def test_return_documentation():
    module = (ROOT / "plugins" / "modules" / "gguf_info.py").read_text()
    fields = yaml.safe_load(re.search(r'RETURN = r"""(.*?)"""', module, re.DOTALL)[1])["gguf"]["contains"]
    gguf = profile.model_profile(reader.read_header(str(ROOT / "tests" / "assets" / "drover-demo.gguf")))
    for documented, returned in ((fields, gguf), (fields["blocks"]["contains"], gguf["blocks"][0])):
        assert set(documented) == set(returned)
        for name, field in documented.items():
            assert isinstance(returned[name], TYPES[field["type"]]), name
            assert "contains" in field or isinstance(field["sample"], TYPES[field["type"]]), name
