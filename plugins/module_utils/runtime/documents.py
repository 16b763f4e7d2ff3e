# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as JSON, in files and on standard output."""

from __future__ import annotations

import json
from typing import Any

from ..checks import from_json
from ..errors import DroverError
from .say import say


def print_document(document: dict[str, Any]) -> None:
    """Print ``document`` in the one form that the same document always has."""
    say(json.dumps(document, sort_keys=True, indent=2))


def load_document(path: str, remedy: str) -> Any:
    """What the JSON file at ``path`` holds. Raises DroverError, one sentence that ends with the ``remedy``."""
    try:
        with open(path, encoding="utf-8") as file:
            return from_json(file.read())
    except OSError as error:
        raise DroverError(f"{path} cannot be read ({error.strerror}): {remedy}.") from error
    except ValueError as error:
        raise DroverError(f"{path} is not JSON ({error}): {remedy}.") from error
