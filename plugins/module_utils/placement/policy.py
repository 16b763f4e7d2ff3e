# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``policy``: everything that a person may wish of a plan."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from .. import checks
from ..errors import DroverError
from ..footprint.settings import Settings
from .request import Request

MAX_DEVICES = 16  # upstream: llama_max_devices and GGML_RPC_MAX_SERVERS
SPREADS = ("auto", "all")
DEFAULT_MARGIN = 0.05
# A chat. What is new in a turn, since llama-server keeps what came before in the slot's cache: a question and some text
# that goes with it, together one batch; and an answer of half a page. In published logs of chats, answers have 215
# tokens on average (LMSYS-Chat-1M) to 338 (ShareGPT), questions without what programs add to them 70 to 161.
DEFAULT_PROMPT_TOKENS = 512
DEFAULT_ANSWER_TOKENS = 256
# Each keeps the model's file, too; and more than a few help nobody, who needs most members to be there.
# A third one would count a majority without the first two, and two of its votes might be theirs, too.
MOST_STANDBYS = 2
# A context that long has nobody; it keeps hostile numbers out of the arithmetic.
MOST_TOKENS = 1 << 30


@dataclass(frozen=True)
class Policy:
    """What to plan for, by the names of the options of the module placement.

    ``context_size`` to ``flash_attention`` are settings of ``llama-server`` (see ``footprint.settings``). ``margin`` is
    the share of every device's usable bytes that stays free, ``split`` the layers for each host by name, or None, and
    ``leader`` the host that must lead, or None. ``prompt_tokens`` and ``answer_tokens`` are those of the request whose
    time is minimised; ``standby`` how many hosts stand by to lead. Raises ``DroverError`` for what cannot be.
    """

    context_size: int = 4096
    parallel: int = 1
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    batch_size: int = 2048
    ubatch_size: int = 512
    flash_attention: str = "auto"
    spread: str = "auto"
    split: dict[str, int] | None = None
    margin: float = DEFAULT_MARGIN
    max_devices: int = MAX_DEVICES
    leader: str | None = None
    prompt_tokens: int = DEFAULT_PROMPT_TOKENS
    answer_tokens: int = DEFAULT_ANSWER_TOKENS
    standby: int = 0

    def __post_init__(self) -> None:
        _checked = self.settings  # which checks its own
        checks.choice(self.spread, "spread", SPREADS)
        if self.split is not None:
            for host, layers in checks.dictionary(self.split, "split", "give layers by host, such as pi-1: 10").items():
                checks.whole(layers, f"The split's number of layers for {host}", 0)
        checks.number(self.margin, "margin", 0, 0.99, "it is the share of usable memory to leave free, 0.05 is 5 %")
        checks.whole(self.max_devices, "max_devices", 1, MAX_DEVICES, "llama.cpp takes no more devices than that")
        if self.leader is not None:
            checks.text(self.leader, "leader", "give the host's name, or none to have one elected")
        checks.whole(self.prompt_tokens, "prompt_tokens", 0, MOST_TOKENS)
        checks.whole(self.answer_tokens, "answer_tokens", 1, MOST_TOKENS)
        checks.whole(self.standby, "standby", 0, MOST_STANDBYS)

    @classmethod
    def from_dict(cls, value: object) -> Policy:
        """The policy of a document; what it leaves out has its default. Raises ``DroverError`` for unknown keys."""
        given = checks.dictionary(value, "The policy")
        known = [field.name for field in fields(cls)]
        unknown = sorted(str(key) for key in given if key not in known)
        if unknown:
            raise DroverError(
                f"The policy has {', '.join(unknown)}, which it knows nothing of: it has {', '.join(known)}."
            )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """The document; where nobody is to stand by, it is as it was before that could be wished."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        # Ansible's own kind of dictionary, which a split may be, cannot be copied as one.
        document["split"] = None if self.split is None else dict(self.split)
        return document if self.standby else {name: document[name] for name in document if name != "standby"}

    @cached_property
    def settings(self) -> Settings:
        """What decides how much memory ``llama-server`` takes."""
        return Settings(
            self.context_size,
            self.parallel,
            self.cache_type_k,
            self.cache_type_v,
            self.batch_size,
            self.ubatch_size,
            self.flash_attention,
        )

    @cached_property
    def request(self) -> Request:
        """The request whose time is minimised."""
        return Request.of(self.prompt_tokens, self.answer_tokens, self.settings.micro_batch)
