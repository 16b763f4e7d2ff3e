# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret with the keys of the API: made once, and kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DroverError
from .healers import AGENTS_SECRET
from .leader import API_KEY
from .names import Names
from .pods import metadata
from .settings import Settings


def api_secret(settings: Settings, cluster: str, keys: Sequence[str]) -> dict[str, Any]:
    """The Secret with ``keys``, one a line as llama-server reads them. Raises DroverError for what is no key."""
    for key in keys:
        if not key or key.strip() != key or "\n" in key or key.startswith("#"):
            raise DroverError(
                "A key of the API is empty, has blanks around it, spans lines or begins with #, so that llama-server "
                "would read another one: correct llama_server_api_key."
            )
    if not keys:
        raise DroverError("There is no key for the API, which would then be open to everyone: give one.")
    names = Names(cluster, settings.namespace)
    return _secret(names, names.secret, API_KEY, "".join(f"{key}\n" for key in keys))


def token_secret(settings: Settings, cluster: str, token: str) -> dict[str, Any]:
    """The Secret with the ``token`` that the step which fetches the model sends; see ``Model.token_secret``."""
    names = Names(cluster, settings.namespace)
    return _secret(names, names.token, "token", token)


def agents_secret(settings: Settings, cluster: str, secret: str) -> dict[str, Any]:
    """The Secret with what the leader and the agents know each other by; see ``healing.seal``."""
    names = Names(cluster, settings.namespace)
    return _secret(names, names.agents, AGENTS_SECRET, f"{secret}\n")


def _secret(names: Names, name: str, key: str, content: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(names, name, names.labels()),
        "type": "Opaque",
        "data": {key: base64.b64encode(content.encode()).decode()},
    }


def read_keys(secret: Mapping[str, Any] | None) -> list[str]:
    """The keys in the API's object ``secret``; none where there is none, or no key in it. Raises DroverError for
    one that cannot be read."""
    content = ((secret or {}).get("data") or {}).get(API_KEY)
    if not content:
        return []
    try:
        lines = base64.b64decode(content, validate=True).decode().splitlines()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise DroverError(
            f"The Secret {(secret or {})['metadata']['name']} has an {API_KEY} that is no text: delete the Secret, and "
            "a new key is made."
        ) from None
    return [line for line in lines if line and not line.startswith("#")]
