# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover await``: an init step of a pod, which ends when what the pod's own program needs is there. A leader that
heals needs no worker; those that are about to start are waited for, since it would plan without them.

Without it a pod would end for want of it, and what ends again and again is started anew up to five minutes later.
"""

from __future__ import annotations

import time
from typing import Any

from ..errors import NotYet
from ..healing.replan import SILENT, SLOW, Answer
from ..serving.cluster import Cluster
from .agents import ask_all
from .known import Known
from .leader import load_members
from .part import Unfinished, check_file, load_deployment
from .say import complain
from .secret import read_secret
from .workers import with_addresses

SECONDS = 2.0
# Of a node that is off, and of a pod that is there and is given its image.
PATIENCE_SECONDS = {SILENT: 30.0, SLOW: 300.0}
TOLD_SECONDS = 10.0


def wait(name: str) -> None:
    """Wait until the files of this host's deployment in the cluster called ``name`` are there, whole (somebody may be
    copying the model in), and the workers that it names have addresses. What is missing is told, and anew when that has
    changed, but a file that grows not all the time. Raises DroverError for what waiting does not mend, such as a file
    that may not be read."""
    cluster, began = Cluster(name), time.monotonic()
    deployment = load_deployment(cluster)
    agents = _Agents(cluster) if deployment["healing"] and deployment["part"] == "leader" else None
    told, next_time = None, 0.0
    while (missing := _missing(deployment, agents, time.monotonic() - began)) is not None:
        if missing != told and time.monotonic() >= next_time:
            complain(missing)
            told, next_time = missing, time.monotonic() + TOLD_SECONDS
        time.sleep(SECONDS)


class _Agents:
    """The agents of the workers of ``cluster``."""

    def __init__(self, cluster: Cluster) -> None:
        self.secret = read_secret(cluster)
        self.known = Known(load_members(cluster), self.secret)

    def missing(self, waited: float) -> str | None:
        """Which of them do not answer and are waited for longer than ``waited`` seconds, in one sentence."""
        answers = ask_all(self.known.now(), self.secret, lent=False)
        self.known.heard(answers)
        missed = sorted(host for host, answer in answers.items() if waited < self._patience(answer))
        return f"Looks for {', '.join(missed)}" if missed else None

    def _patience(self, answer: Answer) -> float:
        return PATIENCE_SECONDS.get(SLOW if self.known.may_start(answer) else answer.problem, 0.0)


def _missing(deployment: dict[str, Any], agents: _Agents | None, waited: float) -> str | None:
    try:
        for file in deployment["files"]:
            check_file(file["path"], file["bytes"])
        if agents:
            return agents.missing(waited)
        with_addresses(deployment["arguments"])
    except (NotYet, Unfinished) as error:
        return str(error)
    return None
