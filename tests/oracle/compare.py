#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the memory model against llama.cpp's own numbers and print the errors as a table.

python tests/oracle/compare.py            against the recorded numbers
python tests/oracle/compare.py --live     ask the oracle (see host.py for how to name one)
python tests/oracle/compare.py --record   ask the oracle and record its numbers
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0:1] = [str(HERE.parent.parent / "plugins"), str(HERE.parent)]

from oracle import cases, errors  # noqa: E402
from oracle.host import OracleError, configured  # noqa: E402

RECORDED = HERE / "recorded.json"


def ask(oracle, profiles, step=1):
    """Put every case of every model to the oracle, or every ``step``-th: ``{"build": number, "answers": [record,
    ...]}``."""
    answers = []
    questions = [
        (name, case, key)
        for name, (_path, _bytes, gguf) in profiles.items()
        for key, some in (
            ("mib", cases.fit_cases(name, gguf["block_count"])),
            ("mib", cases.expert_cases(name, gguf)),
            ("compute_mib", cases.server_cases(name, gguf["block_count"])),
        )
        for case in some
    ]
    there = {}
    for name, case, key in questions[::step]:
        if name not in there:
            path, header_bytes, _gguf = profiles[name]
            with open(path, "rb") as file:
                there[name] = oracle.put(path.name, file.read(header_bytes), path.stat().st_size)
        answer = oracle.memory if key == "mib" else oracle.server_compute
        answers.append({**case.as_record(), key: answer(there[name], case.arguments(), len(case.layers))})
    return {"build": oracle.build(), "answers": answers}


def dump(recorded):
    """The record as JSON with a line for each answer, so that a change of numbers reads as one."""
    lines = ",\n".join(json.dumps(answer) for answer in recorded["answers"])
    return f'{{"build": {recorded["build"]}, "answers": [\n{lines}\n]}}\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", action="store_true", help="ask the oracle")
    parser.add_argument("--record", action="store_true", help="ask the oracle and record its numbers")
    parser.add_argument("--cases", action="store_true", help="print a line for each case")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        profiles = cases.profiles(Path(directory))
        if options.live or options.record:
            try:
                with configured() as oracle:
                    recorded = ask(oracle, profiles)
            except OracleError as error:
                return str(error)
            if options.record:
                RECORDED.write_text(dump(recorded))
        else:
            recorded = json.loads(RECORDED.read_text())
    print(errors.table(recorded, {name: gguf for name, (_path, _bytes, gguf) in profiles.items()}, options.cases))
    return 0


if __name__ == "__main__":
    sys.exit(main())
