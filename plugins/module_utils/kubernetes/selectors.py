# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether labels are those that a selector asks for, and how the API is asked for them.

Source: k8s.io/apimachinery/pkg/labels, and core/v1's Toleration.ToleratesTaint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# What keeps new pods away. PreferNoSchedule does not.
REPELLING = ("NoSchedule", "NoExecute")


def matches(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Tell whether all of ``wanted`` are among ``labels``."""
    return all((labels or {}).get(name) == value for name, value in wanted.items())


def selector_text(wanted: Mapping[str, str]) -> str:
    """The same as text, for the API's ``labelSelector`` (and ``fieldSelector``): ``a=1,b=2``."""
    return ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))


def untolerated(taints: Iterable[Mapping[str, Any]] | None, tolerations: Iterable[Mapping[str, Any]]) -> str | None:
    """The first of a node's ``taints`` that keeps a pod with these ``tolerations`` away, as kubectl writes it
    (``key=value:effect``), or None."""
    known = list(tolerations)
    for taint in taints or ():
        if taint.get("effect") in REPELLING and not any(_tolerates(each, taint) for each in known):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"{taint['key']}{value}:{taint['effect']}"
    return None


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    # Without a key only "Exists" stands for all taints.
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
