# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the memory model is from llama.cpp, and what is allowed."""

from __future__ import annotations

from typing import NamedTuple

from . import cases

PARTS = ("weights", "context", "compute")  # of llama-fit-params
SERVER = "server compute"  # of llama-server
WEIGHT_AND_CONTEXT_SHARE = 0.01
COMPUTE_SHARE = 0.10
COMPUTE_MIB = 32
BELOW_SHARE = 0.02


class Error(NamedTuple):
    """One number: of a row ("RPC0", "Host") and a part (or "total"), predicted and measured in MiB."""

    case: str
    row: str
    part: str
    predicted: float
    measured: float

    @property
    def off(self):
        """MiB off. llama-fit-params cuts off the fraction, so anything within its MiB is exact."""
        off = self.predicted - self.measured
        return off if off < 0 or self.part == SERVER else max(0.0, off - 1)

    @property
    def share(self):
        return self.off / max(self.measured, 1)

    @property
    def allowed(self):
        if self.part in ("compute", SERVER):
            return max(COMPUTE_MIB, COMPUTE_SHARE * self.measured)
        if self.part == "total":
            return BELOW_SHARE * self.measured if self.off < 0 else float("inf")
        return max(1.0, WEIGHT_AND_CONTEXT_SHARE * self.measured)

    @property
    def is_allowed(self):
        return abs(self.off) <= self.allowed


def errors_of(answer, gguf):
    """Every number of one recorded answer beside the prediction for the same case."""
    case = cases.Case.from_record(answer)
    predicted = cases.predict(gguf, case)
    for row, measured in answer.get("compute_mib", {}).items():
        yield Error(case.name, row, SERVER, predicted[row][2], measured)
    for row, measured in answer.get("mib", {}).items():
        for part, ours, theirs in zip(PARTS, predicted[row], measured):
            yield Error(case.name, row, part, ours, theirs)
        yield Error(case.name, row, "total", sum(predicted[row]), sum(measured))


def table(recorded, profiles, each_case=False):
    """The largest errors of each model, as text."""
    lines = [f"llama.cpp build {recorded['build']}: MiB off (and share), worst of all cases of a model; * not allowed"]
    lines.append(f"{'model':<20}{'cases':>6}  " + "".join(f"{part:>22}" for part in (*PARTS, "total below", SERVER)))
    for name, gguf in profiles.items():
        answers = [answer for answer in recorded["answers"] if answer["model"] == name]
        found = [error for answer in answers for error in errors_of(answer, gguf)]
        cells = []
        for part in PARTS:
            cells.append(_worst([error for error in found if error.part == part]))
        cells.append(_worst([error for error in found if error.part == "total" and error.off < 0]))
        cells.append(_worst([error for error in found if error.part == SERVER]))
        lines.append(f"{name:<20}{len(answers):>6}  " + "".join(f"{cell:>22}" for cell in cells))
        if each_case:
            lines += [
                f"    {error.case:<72}{error.row:>5} {error.part:<15}{error.predicted:10.1f}{error.measured:10}"
                for error in found
                if not error.is_allowed
            ]
    return "\n".join(lines)


def _worst(errors):
    if not errors:
        return "none"
    worst = max(errors, key=lambda error: abs(error.off) / error.allowed if error.allowed != float("inf") else 0)
    mark = "" if all(error.is_allowed for error in errors) else " *"
    return f"{worst.off:+.1f} ({worst.share:+.1%}){mark}"
