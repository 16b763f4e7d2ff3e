# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of the API are kept in a Secret."""

from __future__ import annotations

import base64

import kubernetes_validate
import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.secret import api_secret, read_keys

from .objects import settings


@pytest.mark.parametrize("keys", [["a-key"], ["one", "two"], ["schlüssel with a blank"]])
def test_what_is_kept_is_read_again(keys):
    made = api_secret(settings(), "main", keys)
    kubernetes_validate.validate(made, "1.37.0", strict=True)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("drover-main-api", "drover")
    # As llama-server reads the file: one a line.
    assert base64.b64decode(made["data"]["api_key"]).decode().splitlines() == keys
    assert read_keys(made) == keys


@pytest.mark.parametrize("keys", [[], [""], ["a\nb"], [" a"], ["#a"], ["a", ""]])
def test_what_is_no_key(keys):
    with pytest.raises(DroverError) as raised:
        api_secret(settings(), "main", keys)
    assert "a\nb" not in str(raised.value)


@pytest.mark.parametrize("secret", [None, {}, {"data": None}, {"data": {"other": "YQ=="}}, {"data": {"api_key": ""}}])
def test_no_keys(secret):
    assert read_keys(secret) == []


@pytest.mark.parametrize("content", ["not base64", base64.b64encode(b"\xff\xfe").decode()])
def test_keys_that_cannot_be_read(content):
    with pytest.raises(DroverError, match=r"^The Secret s has an api_key that is no text") as raised:
        read_keys({"metadata": {"name": "s"}, "data": {"api_key": content}})
    assert content not in str(raised.value)


def test_comments_are_no_keys():
    content = base64.b64encode(b"# of the team\na-key\n\n").decode()
    assert read_keys({"data": {"api_key": content}}) == ["a-key"]
