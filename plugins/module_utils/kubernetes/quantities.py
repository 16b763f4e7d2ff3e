# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' quantities (``1500m``, ``2Gi``, ``1e3``), read and written exactly.

Source: the grammar in the comment of k8s.io/apimachinery/pkg/api/resource/quantity.go. Fractions are rounded up there,
and so they are here.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from ..errors import DroverError

# Kubernetes' documentation "ConfigMaps": 1 MiB, of which the rest is for what is around it.
MOST_CONFIG_MAP_BYTES = 1_000_000
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?\Z", re.ASCII
)
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in zip((-3, -2, -1, 1, 2, 3, 4, 5, 6), "numkMGTPE")}


def bytes_of(value: object, name: str) -> int:
    """Bytes that the quantity ``value`` stands for. Raises DroverError, with ``name``, for what is none or negative."""
    return _rounded_up(value, name, Decimal(1))


def millicores_of(value: object, name: str) -> int:
    """Thousandths of a CPU core that the quantity ``value`` stands for. Raises DroverError as ``bytes_of``."""
    return _rounded_up(value, name, Decimal(1000))


def cores_text(millicores: int) -> str:
    """The quantity for so many thousandths of a core: as the API writes it, whole cores without a suffix."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def size_quantity(size: int) -> str:
    """The quantity for so many bytes: as the API writes it, with the largest suffix that leaves a whole number."""
    for suffix, factor in reversed(_BINARY.items()):
        if size and size % int(factor) == 0:
            return f"{size // int(factor)}{suffix}"
    return str(size)


def _rounded_up(value: object, name: str, times: Decimal) -> int:
    # YAML and JSON may hold a quantity without a suffix as a number.
    given = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    found = _QUANTITY.match(given)
    if found is None or (amount := _amount(found["number"], found["suffix"] or "")) < 0:
        raise DroverError(
            f"{name} is {value!r} but must be a quantity of Kubernetes such as 1500m, 2Gi or 512: correct it."
        )
    return int((amount * times).to_integral_value(ROUND_CEILING))


def _amount(number: str, suffix: str) -> Decimal:
    factor = {"": Decimal(1), **_BINARY, **_DECIMAL}.get(suffix)
    return Decimal(number) * (Decimal(10) ** int(suffix[1:]) if factor is None else factor)
