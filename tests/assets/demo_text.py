# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo model's text (demo_text.yml) as pairs of question and right answer."""

from __future__ import annotations

from pathlib import Path

import yaml

PATH = Path(__file__).with_name("demo_text.yml")


def read() -> dict:
    """demo_text.yml as it stands."""
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))


def spellings(question: str) -> list[str]:
    """The ways of writing one question that the model knows: as it stands, in lower case, without its last mark."""
    bare = question.rstrip("?!.")
    return list(dict.fromkeys([question, bare, question.lower(), bare.lower()]))


def trained(text: dict) -> dict[str, str]:
    """Every spelling of every trained question, with its answer; the unknown questions that are trained included."""
    pairs = {}
    for entry in text["questions"]:
        for question in [entry["ask"], *entry["also"]]:
            pairs.update(dict.fromkeys(spellings(question), entry["answer"]))
    for question in text["unknown"]:
        pairs.update(dict.fromkeys(spellings(question), text["fallback"]))
    return pairs
