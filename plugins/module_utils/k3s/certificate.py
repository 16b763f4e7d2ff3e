# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a certificate is good, read out of its file with the standard library alone.

Source: X.690 (DER) and RFC 5280, section 4.1 (Certificate, TBSCertificate, Validity).
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timezone

from ..errors import DroverError

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def ends_at(text: str, name: str) -> datetime:
    """When the first certificate in a PEM file ends; raises DroverError, with the file's ``name``, for what is none."""
    try:
        if not (found := _PEM.search(text)):
            raise ValueError("no certificate")
        _kind, certificate, _rest = _read(base64.b64decode(found[1]), _SEQUENCE)
        _kind, signed, _rest = _read(certificate, _SEQUENCE)
        kind, _value, rest = _read(signed)
        if kind == _VERSION:
            _kind, _value, rest = _read(rest)  # its serial number
        for _field in ("signature", "issuer"):
            _kind, _value, rest = _read(rest, _SEQUENCE)
        _kind, validity, _rest = _read(rest, _SEQUENCE)
        _kind, _begin, rest = _read(validity)
        kind, end, _rest = _read(rest)
        return _time(kind, end.decode("ascii"))
    except (ValueError, IndexError, binascii.Error):
        raise DroverError(f"{name} is no certificate in PEM format: see what wrote it.") from None


def _read(data: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """The first element of DER: its tag, its content, and what follows it."""
    kind, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data) or (wanted is not None and kind != wanted):
        raise ValueError("not what was expected")
    return kind, data[start : start + length], data[start + length :]


def _time(kind: int, text: str) -> datetime:
    if kind == _GENERALIZED_TIME:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    if kind != _UTC_TIME:
        raise ValueError("no time")
    # RFC 5280: years of two digits from 50 on are of the last century.
    century = "19" if int(text[:2]) >= 50 else "20"
    return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
