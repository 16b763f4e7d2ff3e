# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tensors can be fetched from: a list of sources, the nearest first. Each is a dictionary of

- either ``files``: a URL for each shard of the model, in their order, on a server that gives ranges,
- or ``cache``: the URL, with a slash at its end, below which another worker offers the tensors of its cache by hash,
- and ``token``: a bearer token for that server, or null.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import dictionary, text
from ..errors import DroverError
from ..gguf.address import check_url
from ..gguf.web import WebFile
from .pieces import Tensor

_REMEDY = "give each source as files (URLs) or cache (a URL), with token"


@dataclass
class Source:
    """One source. ``failed`` says why it is of no use any more, and is empty while it is."""

    files: tuple[str, ...]
    cache: str
    token: str | None
    failed: str = ""

    def open(self, tensor: Tensor) -> tuple[WebFile, int]:
        """The file that has ``tensor``, and where in it the tensor begins."""
        if self.cache:
            return WebFile(f"{self.cache}{tensor['hash']}", self.token), 0
        return WebFile(self.files[tensor["shard"]], self.token), tensor["offset"]


def read_sources(value: object, shard_count: int) -> list[Source]:
    """The sources in ``value``, for a model of ``shard_count`` files. Raises DroverError, one sentence, for what is
    none, without telling tokens."""
    if not isinstance(value, list) or not value:
        raise DroverError(f"The sources are no list with a source in it: {_REMEDY}.")
    found = []
    for number, each in enumerate(value):
        what = f"sources[{number}]"
        source = dictionary(each if isinstance(each, dict) else type(each).__name__, what, _REMEDY)
        files, cache, token = (source.get(name) for name in ("files", "cache", "token"))
        if (files is None) == (cache is None):
            raise DroverError(f"{what} must have files or cache, and not both: {_REMEDY}.")
        if files is not None and not (isinstance(files, list) and len(files) == shard_count):
            raise DroverError(f"{what} must have a URL for each of {shard_count} files of the model: {_REMEDY}.")
        urls = [text(url, f"A URL of {what}", _REMEDY) for url in files or [cache]]
        for url in urls:
            check_url(url)
        if token is not None and not isinstance(token, str):
            raise DroverError(f"The token of {what} is no text: {_REMEDY}.")
        # What is asked for is put after it.
        found.append(Source(tuple(urls) if files else (), "" if files else urls[0].rstrip("/") + "/", token))
    return found
