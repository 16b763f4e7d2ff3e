# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig that K3s writes, made fit for another machine, and merged into one that has other clusters.

Documents here are kubeconfigs as YAML or JSON loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import checks
from ..errors import DroverError

_LISTS = ("clusters", "users", "contexts")


def for_elsewhere(document: Mapping[str, Any], address: str, name: str) -> dict[str, Any]:
    """The kubeconfig of K3s, whose cluster, user and context are all called ``default`` and whose server is on the
    loopback address, with the server's ``address`` (a URL) and ``name`` in place of these."""
    cluster = _only(document, "clusters")["cluster"]
    user = _only(document, "users")["user"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {**cluster, "server": address}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "preferences": {},
    }


def merged(existing: Mapping[str, Any] | None, added: Mapping[str, Any]) -> dict[str, Any]:
    """``existing`` with the one context of ``added`` beside its own, which stay as they are, and so does the current
    one.

    A context of that name is replaced when its cluster has the same CA or server; raises DroverError when it is
    somebody else's.
    """
    if not existing:
        return dict(added)
    result = dict(checks.dictionary(existing, "The kubeconfig to merge into", "choose another file"))
    name = added["current-context"]
    new = _only(added, "clusters")["cluster"]
    for entry in result.get("clusters") or []:
        old = entry.get("cluster") or {}
        ours = any(old.get(key) == new.get(key) for key in ("certificate-authority-data", "server"))
        if entry.get("name") == name and not ours:
            raise DroverError(
                f"The kubeconfig has another cluster {name!r} already ({old.get('server')}): set "
                "k3s_kubeconfig_context to another name."
            )
    for key in _LISTS:
        others = [entry for entry in result.get(key) or [] if entry.get("name") != name]
        result[key] = [*others, *added[key]]
    result["current-context"] = result.get("current-context") or name
    return result


def _only(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    entries = document.get(key)
    if not isinstance(entries, list) or len(entries) != 1:
        raise DroverError(f"The kubeconfig of K3s has no one entry in {key}: see whether the server has started.")
    return entries[0]
