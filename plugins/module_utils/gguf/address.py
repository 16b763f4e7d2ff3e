# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of models on the web: the ones to ask, and how they may be told."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import DroverError


def check_url(url: str) -> None:
    """Raise DroverError unless `url` is a plain http or https URL that can be requested as it stands."""
    if not re.fullmatch(r"[!-~]+", url):
        raise DroverError(f"{telling_url(url)!r} is not a valid URL: percent-encode blanks and non-ASCII letters")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise DroverError(f"{telling_url(url)!r} is not a valid URL: expected http://HOST/... or https://HOST/...")
    if parts.username is not None:
        raise DroverError(f"{telling_url(url)} comes with a user name: leave it out, and give a token instead")


def file_name(url: str) -> str:
    """The name of the file behind a URL, without its escapes."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def shard_url(url: str, shard: str) -> str:
    """Where the file `shard` beside the file of `url` is: in the same folder, by the same query.

    The file of `url` itself is asked for exactly as it was given, since a signature may cover every letter.
    """
    if shard == file_name(url):
        return url
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{folder}/{quote(shard)}"))


def shard_urls(url: str, shards: list[str]) -> list[str]:
    """The URLs of all shards of the model whose first shard is at `url`, in their order."""
    return [shard_url(url, shard) for shard in shards]


def telling_url(url: str) -> str:
    """`url` for messages and logs: without user, password and query, where signatures and tokens travel."""
    try:
        parts = urlsplit(url)
        # What only looks like a port may be the beginning of a password with a slash in it.
        _port = parts.port
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def telling_text(text: str) -> str:
    """`text`, say an error of somebody else's, with every URL in it as `telling_url` has it."""
    return re.sub(r"(?i)\bhttps?://[^\s'\"<>]+", lambda match: telling_url(match[0]), text)
