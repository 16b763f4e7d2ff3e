# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a model: a prompt to read and an answer to write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A prompt of ``prompt_tokens``, computed in so many ``batches``, and ``answer_tokens`` generated one by one.

    The seconds of every layout are linear in these three numbers, so one token and one batch are requests, too.
    """

    prompt_tokens: int
    batches: int
    answer_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, answer_tokens: int, batch_tokens: int) -> Request:
        """The request whose prompt is computed ``batch_tokens`` at a time."""
        return cls(prompt_tokens, -(-prompt_tokens // batch_tokens), answer_tokens)

    @property
    def passes(self) -> int:
        """How often the chain of devices is gone through."""
        return self.batches + self.answer_tokens

    @property
    def tokens(self) -> int:
        """All tokens that go through the chain."""
        return self.prompt_tokens + self.answer_tokens


ONE_TOKEN = Request(0, 0, 1)
