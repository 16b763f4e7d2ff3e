# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover fetch``: bring a model from the web to where it is served, when it is not there yet; all of its shards."""

from __future__ import annotations

import argparse
import os

from ..errors import DroverError
from ..gguf.address import shard_urls
from ..gguf.download import download
from ..gguf.reader import read_header, read_remote_header
from ..gguf.store import arrived_bytes, checked_sum, disk_problem, holds
from ..telling.progress import Progress
from .command import TOKEN_VARIABLE
from .say import complain

TOLD_SECONDS = 5.0


def fetch(given: argparse.Namespace) -> None:
    """Bring the model at ``given.url`` to ``given.to``; raises DroverError, one sentence, when that cannot be.

    A model that is there already, whole and with the checksums, is left alone, and then no server is asked.
    """
    sums = [checked_sum(value) for value in given.sha256]
    token = _token(given.token_file)
    folder, name = os.path.split(os.path.abspath(given.to))
    if _is_there(given.to, sums):
        complain(f"{given.to} is there already")
        return
    header = read_remote_header(given.url, token)
    names = header.shards if len(header.shards) > 1 else [name]
    if names[0] != name:
        raise DroverError(
            f"{given.to} is to be the first of {len(names)} shards, which llama.cpp finds by their names: call it "
            f"{names[0]}."
        )
    sums = sums or [""] * len(names)
    if len(sums) != len(names):
        raise DroverError(f"{len(sums)} sha256 were given for {len(names)} shards: give one for each, in their order.")
    paths = [os.path.join(folder, each) for each in names]
    missing = [index for index, path in enumerate(paths) if not holds(path, sums[index])]
    needed = sum(max(0, header.shard_bytes[index] - arrived_bytes(paths[index])) for index in missing)
    problem = disk_problem(folder, name, needed)
    if problem:
        raise DroverError(f"{problem}.")
    urls = shard_urls(given.url, header.shards)
    for index in missing:
        download(urls[index], paths[index], token, sums[index], Progress(names[index], complain, TOLD_SECONDS))
        complain(f"{paths[index]} is there")
    read_header(given.to)


def _is_there(path: str, sums: list[str]) -> bool:
    """Whether the whole model is at ``path``, with ``sums`` (none: whatever Drover has placed there)."""
    try:
        shards = read_header(path).shards
    except DroverError:
        return False  # not there, cut off, or no model
    sums = sums or [""] * len(shards)
    folder = os.path.dirname(path)
    return len(sums) == len(shards) and all(
        holds(os.path.join(folder, name), total) for name, total in zip(shards, sums)
    )


def _token(path: str | None) -> str | None:
    """The token in the file at ``path``, or in the environment; None when there is none."""
    if not path:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not text"
        raise DroverError(f"{path} cannot be read ({told}): give the path of a file that holds the token.") from None
