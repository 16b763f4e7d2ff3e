# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and taints of nodes: whether they can be, and what is to be changed on a node that has others.

K3s gives a node its labels and taints when it joins and never again; so what was wished later is set by kubectl, and
what was wished earlier and is no longer is taken off. Source: k8s.io/apimachinery/pkg/util/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .. import checks
from ..errors import DroverError

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_PART}")
_VALUE = re.compile(rf"(?:{_PART})?")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# What we have set on a node, so that we know what to take off again.
RECORD = "drover.llama/k3s-set"
# A kubelet may not give itself labels of Kubernetes' own; who may do it is not this role either.
_RESERVED = re.compile(r"(?:[a-z0-9.-]+\.)?(?:kubernetes|k8s)\.io/")


def check_labels(value: object, host: str) -> dict[str, str]:
    """``value`` as labels, all of their values as text; raises DroverError for one that no node may have."""
    labels = {}
    for key, given in checks.dictionary(value, f"k3s_labels of {host}").items():
        text = {True: "true", False: "false"}.get(given, str(given)) if isinstance(given, bool) else str(given)
        if not _KEY.fullmatch(str(key)) or not _VALUE.fullmatch(text):
            raise DroverError(
                f"k3s_labels of {host} has {key}={text}, which no node can have: letters, digits, '-', '_' and '.', up "
                "to 63 of them, begin and end with a letter or digit."
            )
        if _RESERVED.match(str(key)):
            raise DroverError(f"k3s_labels of {host} has {key}, which is Kubernetes' own: choose a name of your own.")
        labels[str(key)] = text
    return labels


def check_taints(value: object, host: str) -> tuple[str, ...]:
    """``value``, a list of taints as kubectl writes them (``key=value:NoSchedule`` or ``key:NoSchedule``), sorted."""
    if not isinstance(value, list):
        raise DroverError(f"k3s_taints of {host} is {value!r} but must be a list such as ['gpu=yes:NoSchedule'].")
    for taint in value:
        written, _colon, effect = str(taint).rpartition(":")
        key, _sign, text = written.partition("=")
        if effect not in _EFFECTS or not _KEY.fullmatch(key) or not _VALUE.fullmatch(text):
            raise DroverError(
                f"k3s_taints of {host} has {taint!r} but each must be like gpu=yes:NoSchedule, with one of "
                f"{', '.join(_EFFECTS)} at its end."
            )
    return tuple(sorted(set(map(str, value))))


def changes(node: Mapping[str, Any], labels: Mapping[str, str], taints: Iterable[str]) -> list[list[str]]:
    """The arguments of ``kubectl``, a list for each call, that give a node (the API's object) these labels and taints,
    and take off those that we set on it earlier; none when it has them."""
    metadata = node["metadata"]
    name = metadata["name"]
    has = metadata.get("labels") or {}
    set_before = (metadata.get("annotations") or {}).get(RECORD, "").split(",")
    before = {"label": [key[2:] for key in set_before if key.startswith("l:")]}
    tainted = [_written(taint) for taint in node.get("spec", {}).get("taints") or []]
    wanted_taints = sorted(taints)
    gone_labels = [f"{key}-" for key in before["label"] if key not in labels and key in has]
    gone_taints = [
        f"{_without_value(taint)}-"
        for taint in (key[2:] for key in set_before if key.startswith("t:"))
        if taint not in wanted_taints and taint in tainted
    ]
    set_labels = [f"{key}={value}" for key, value in sorted(labels.items()) if has.get(key) != value]
    set_taints = [taint for taint in wanted_taints if taint not in tainted]
    record = ",".join([*(f"l:{key}" for key in sorted(labels)), *(f"t:{taint}" for taint in wanted_taints)])
    calls = []
    if set_labels or gone_labels:
        calls.append(["label", "node", name, "--overwrite", *set_labels, *gone_labels])
    if set_taints or gone_taints:
        calls.append(["taint", "node", name, "--overwrite", *set_taints, *gone_taints])
    if record != ",".join(filter(None, set_before)):
        calls.append(["annotate", "node", name, "--overwrite", f"{RECORD}={record}" if record else f"{RECORD}-"])
    return calls


def _written(taint: Mapping[str, Any]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _without_value(taint: str) -> str:
    written, _colon, effect = taint.rpartition(":")
    return f"{written.partition('=')[0]}:{effect}"
