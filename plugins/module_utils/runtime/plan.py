# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover plan``: the plan that the module placement makes, of files."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import DroverError
from ..gguf.document import read_gguf
from ..gguf.profile import model_profile
from ..gguf.reader import read_header
from ..placement.planner import make_plan
from ..placement.policy import Policy
from .documents import load_document, print_document

MAGIC = b"GGUF"


def print_plan(given: argparse.Namespace) -> bool:
    """Print the plan for the model, tallies and policy in the files that are given; tell whether it is feasible."""
    policy = load_document(given.policy, "give the path of a policy") if given.policy else {}
    plan = make_plan(
        _model(given.model),
        [load_document(path, "give the path of a tally, as drover tally prints it") for path in given.tally],
        Policy.from_dict(policy),
        cluster=given.cluster,
    )
    print_document(plan)
    return bool(plan["feasible"])


def _model(path: str) -> dict[str, Any]:
    """The ``gguf`` of the model at ``path``, or the one that was written there as JSON."""
    try:
        with open(path, "rb") as file:
            is_model = file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise DroverError(f"{path} cannot be read ({error.strerror}): give the path of a GGUF model.") from error
    if is_model:
        return model_profile(read_header(path))
    return read_gguf(load_document(path, "give the path of a GGUF model, or of the JSON of its gguf_info"))
