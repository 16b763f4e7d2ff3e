# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule for what is asked of a server, and what of an address may be told."""

from __future__ import annotations

import pytest
from module_utils.gguf.address import shard_urls, telling_text, telling_url

SECRET = "X-Amz-Signature=5ec2e7"
SPLIT = ["m y-00001-of-00002.gguf", "m y-00002-of-00002.gguf"]


@pytest.mark.parametrize(
    ("url", "shards", "expected"),
    [
        ("https://host/a/model.gguf", ["model.gguf"], ["https://host/a/model.gguf"]),
        (f"https://host/model.gguf?{SECRET}", ["model.gguf"], [f"https://host/model.gguf?{SECRET}"]),
        # A signature covers the address as it was signed, so not even an escape of it is written anew.
        (f"https://host/m%6Fdel+1.gguf?{SECRET}", ["model+1.gguf"], [f"https://host/m%6Fdel+1.gguf?{SECRET}"]),
        (
            f"https://host/a%20b/m%20y-00001-of-00002.gguf?{SECRET}",
            SPLIT,
            [f"https://host/a%20b/m%20y-0000{number}-of-00002.gguf?{SECRET}" for number in (1, 2)],
        ),
        ("https://host/model.gguf?", ["model.gguf"], ["https://host/model.gguf?"]),
    ],
)
def test_the_query_goes_to_every_shard(url, shards, expected):
    assert shard_urls(url, shards) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://host/model.gguf", "https://host/model.gguf"),
        (f"https://host:8443/a%20b/model.gguf?{SECRET}", "https://host:8443/a%20b/model.gguf"),
        ("https://me:5ec2e7@host/model.gguf#5ec2e7", "https://host/model.gguf"),
        ("https://me:5ec2e7@host:99/model.gguf", "https://host:99/model.gguf"),
        ("https://me:pass/5ec2e7@host/model.gguf", "the URL"),
        ("http://[::1/?5ec2e7", "the URL"),
    ],
)
def test_what_is_told_of_a_url(url, told):
    assert telling_url(url) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Request failed: HTTP Error 403: Forbidden", "Request failed: HTTP Error 403: Forbidden"),
        (f"no answer from https://host/x.gguf?{SECRET}, twice", "no answer from https://host/x.gguf twice"),
        (f"'HTTPS://me:5ec2e7@host/x?{SECRET}' and http://b/y?{SECRET}", "'https://host/x' and http://b/y"),
        ("", ""),
    ],
)
def test_what_is_told_of_a_text(text, told):
    assert telling_text(text) == told
