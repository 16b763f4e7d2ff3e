# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gguf_info and gguf_store_info say they return is what they return."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from module_utils.gguf import profile, reader, source, store

ROOT = Path(__file__).parents[3]
DEMO = str(ROOT / "tests" / "assets" / "drover-demo.gguf")
TYPES = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict, "raw": (int, list)}


def returned_fields(module):
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text()
    return yaml.safe_load(re.search(r'RETURN = r"""(.*?)"""', text, re.DOTALL)[1])


def check(documented, returned):
    assert set(documented) == set(returned)
    for name, field in documented.items():
        assert isinstance(returned[name], TYPES[field["type"]]), name
        assert "contains" in field or isinstance(field["sample"], TYPES[field["type"]]), name


def test_return_documentation():
    fields = returned_fields("gguf_info")
    header = reader.read_header(DEMO)
    gguf = profile.model_profile(header)
    check(fields["gguf"]["contains"], gguf)
    check(fields["gguf"]["contains"]["blocks"]["contains"], gguf["blocks"][0])
    facts = source.file_facts(DEMO, header.shards)
    check(fields["files"]["contains"], facts[0])
    assert [{**facts[0], "modified": None}] == source.remote_facts(header.shards, header.shard_bytes)


def test_return_documentation_of_the_store(tmp_path):
    fields = returned_fields("gguf_store_info")
    found = store.survey(str(tmp_path), [{"name": "a.gguf", "file_bytes": 1 << 60, "modified": 1}])
    (tmp_path / "a.gguf.source").write_text("x")
    (tmp_path / "etc" / "night").mkdir(parents=True)
    (tmp_path / "etc" / "night" / "deployment.json").write_text(f'{{"files": [{{"path": "{tmp_path}/a.gguf"}}]}}')
    removable, kept = store.removable(str(tmp_path), "main", str(tmp_path / "etc"))
    check(fields, {**found, "removable": removable, "kept": kept})
    check(fields["paths"]["contains"], found["paths"][0])
    check(fields["kept"]["contains"], kept[0])
