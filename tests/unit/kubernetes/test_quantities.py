# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities mean what Kubernetes means by them."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity
from module_utils.errors import DroverError
from module_utils.kubernetes.quantities import bytes_of, cores_text, millicores_of, size_quantity


@pytest.mark.parametrize(
    ("text", "bytes_", "millicores"),
    [
        ("0", 0, 0),
        ("1", 1, 1000),
        ("100m", 1, 100),
        ("1500m", 2, 1500),
        ("0.5", 1, 500),
        (".5", 1, 500),
        ("1.", 1, 1000),
        ("250u", 1, 1),
        ("1n", 1, 1),
        ("128Mi", 128 << 20, (128 << 20) * 1000),
        ("1.5Gi", 3 << 29, (3 << 29) * 1000),
        ("2k", 2000, 2_000_000),
        ("1E", 10**18, 10**21),
        ("1e3", 1000, 1_000_000),
        ("1E3", 1000, 1_000_000),
        ("12e-1", 2, 1200),
        ("+3", 3, 3000),
        (7, 7, 7000),
        (0.5, 1, 500),
        ("8128188Ki", 8128188 << 10, (8128188 << 10) * 1000),
    ],
)
def test_what_a_quantity_stands_for(text, bytes_, millicores):
    assert bytes_of(text, "it") == bytes_
    assert millicores_of(text, "it") == millicores


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 Gi",
        "1gi",
        "1KI",
        "Gi",
        "1e",
        "-1",
        "1.2.3",
        "0x10",
        "1Gi\n",
        "١",
        "inf",
        "nan",
        None,
        True,
        [],
        {},
        float("nan"),
    ],
)
def test_what_is_no_quantity(value):
    with pytest.raises(DroverError, match=r"^The memory of kube-1 is .* but must be a quantity of Kubernetes"):
        bytes_of(value, "The memory of kube-1")


# The exponents of the client's own reader are one digit long.
AMOUNTS = st.from_regex(r"(0|[1-9][0-9]{0,6})(\.[0-9]{1,4})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", fullmatch=True)


@given(AMOUNTS)
def test_the_client_reads_the_same(text):
    wanted = parse_quantity(text)
    assert bytes_of(text, "it") == wanted.to_integral_value(ROUND_CEILING)
    assert millicores_of(text, "it") == (wanted * 1000).to_integral_value(ROUND_CEILING)


@given(st.integers(0, 1 << 50))
def test_what_is_written_is_read_again(number):
    assert bytes_of(size_quantity(number), "it") == number
    assert parse_quantity(size_quantity(number)) == Decimal(number)
    assert millicores_of(cores_text(number), "it") == number
    assert parse_quantity(cores_text(number)) * 1000 == Decimal(number)


def test_written_as_the_api_writes_it():
    assert [size_quantity(number) for number in (0, 1000, 1024, 3 << 20, (1 << 30) + 1)] == [
        "0",
        "1000",
        "1Ki",
        "3Mi",
        "1073741825",
    ]
    assert [cores_text(number) for number in (0, 50, 1000, 1500)] == ["0", "50m", "1", "1500m"]
