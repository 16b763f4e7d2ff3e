# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start has shown, written down as one more run of the document ``measured``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import checks
from ..gguf.document import read_gguf
from .document import model_of, read_plan
from .fleet import read_fleet
from .learning import EmptyContext, learn
from .measured import build_name, known_runs, layout_of, machines_of, read_measured, with_run
from .policy import Policy
from .problem import Problem
from .request import ONE_TOKEN

REMEDY = "use what the module completion_info returned"


def recorded(
    plan: object,
    gguf: object,
    tallies: object,
    completion: Mapping[str, Any],
    held: Mapping[str, int],
    found: Iterable[object],
    at: int,
    choice: dict[str, Any] | None = None,
    build: int | None = None,
) -> dict[str, Any] | None:
    """The document ``measured`` with what the start of ``plan`` has shown; None where that tells no speed, as when the
    model ended its answer with the first token.

    ``completion`` is what ``serving.completion.complete`` returned right after it, ``held`` worker -> bytes, ``found``
    the documents that were found on hosts before, ``at`` seconds since 1970, ``build`` the number that programs tell,
    and the others as ``planner.make_plan`` has them. Raises DroverError for what does not belong together.
    """
    running, model = read_plan(plan), read_gguf(gguf)
    policy = Policy.from_dict(running["policy"])
    tokens = checks.whole(completion.get("completion_tokens"), "completion_tokens", 0, remedy=REMEDY)
    prompt = checks.whole(completion.get("prompt_tokens"), "prompt_tokens", 0, remedy=REMEDY)
    rate, prompt_rate = completion.get("tokens_per_second"), completion.get("prompt_tokens_per_second")
    if rate is None or prompt_rate is None or tokens < 2 or prompt < 1:
        return None
    machines = machines_of(tallies)
    named = build_name(choice, build)
    speeds = EmptyContext(Problem(model, policy, read_fleet(tallies, policy.margin, choice).hosts))
    layout = speeds.layout(layout_of(running)) if running["feasible"] else None
    if layout is None or named is None:
        return None
    runs, _unread = known_runs(filter(None, found), running["cluster"])
    planned = learn(speeds, runs, named, machines).layout(layout)
    request = speeds.prompt(prompt)
    hosts = [layout.leader.name, *layout.worker_names]
    run = {
        "at": at,
        "model": model_of(model),
        "build": named,
        "machines": {host: machines[host] for host in hosts},
        "layout": layout_of(running),
        "prompt_tokens": prompt,
        "measured": {
            # The first token of an answer comes with its prompt, and llama-server counts it as one that took no time.
            "tokens_per_second": rate * (tokens - 1) / tokens,
            "prompt_tokens_per_second": prompt_rate,
        },
        "predicted": {
            "tokens_per_second": 1 / speeds.judge.seconds(planned, ONE_TOKEN),
            "prompt_tokens_per_second": prompt / speeds.judge.seconds(planned, request),
        },
        "held_bytes": dict(held),
    }
    return read_measured(with_run(runs, run, running["cluster"]))
