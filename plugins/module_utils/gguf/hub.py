# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on the Hugging Face Hub, or a mirror of it: which files of a repository are meant, and where they are.

One request to the Hub's API tells the commit that a revision stands for and the name, size and sha256 of every file.
The addresses that come of it name the commit, so that what is fetched tomorrow is what was planned with today.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..checks import dictionary, from_json, text, whole
from ..errors import DroverError
from ..text import counted, size_text
from .attempts import Attempts, answer_of
from .shards import SHARD_NAME
from .store import checked_sum
from .web import WebFile

ENDPOINT = "https://huggingface.co"
DELAYS = (0.5, 1.0, 2.0, 4.0)
# A repository of a thousand files takes less than one.
MOST_BYTES = 16 << 20
MOST_TOLD = 20
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
# Beside models lie parts for images and matrices of importance, which cannot be served by themselves.
_ASIDE = re.compile(r"(^|[-_.])(mmproj|imatrix)([-_.]|$)", re.IGNORECASE)
_REMEDY = "give the address of the Hub, or of a mirror of it, as HF_ENDPOINT has it"


def resolve(
    repository: str,
    quantization: str = "",
    file: str = "",
    revision: str = "main",
    endpoint: str = ENDPOINT,
    token: str | None = None,
) -> dict[str, Any]:
    """Which files of ``repository`` (``OWNER/NAME``) are meant by ``quantization`` (such as Q4_K_M), by ``file`` (its
    path in there, of a split model the first shard's), or, without either, as the only model that there is.

    Returns ``commit`` (that ``revision`` stands for), ``url`` (of the first file), ``names``, ``sha256`` and
    ``file_bytes`` of all shards, in their order. ``token`` is sent to the server of ``endpoint`` only. Raises
    DroverError, one sentence; where several models fit, it lists them.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise DroverError(f"The repository {repository!r} is none: give OWNER/NAME, as its page is called.")
    if quantization and file:
        raise DroverError(
            f"Both the quantization {quantization!r} and the file {file!r} are asked for: give one of them."
        )
    base = endpoint.rstrip("/")
    found = _ask(f"{base}/api/models/{repository}/revision/{quote(revision, safe='')}?blobs=true", token)
    commit = text(found.get("sha"), f"The commit of {repository}", _REMEDY)
    files = {each["rfilename"]: each for each in _files(found, repository)}
    paths = _chosen(repository, sorted(files), quantization, file)
    facts = [_facts(repository, files[path]) for path in paths]
    return {
        "commit": commit,
        "url": f"{base}/{repository}/resolve/{quote(commit, safe='')}/{quote(paths[0])}",
        "names": [path.rpartition("/")[2] for path in paths],
        "sha256": [fact[0] for fact in facts],
        "file_bytes": [fact[1] for fact in facts],
    }


def _ask(url: str, token: str | None) -> dict[str, Any]:
    """What the API answers at ``url``."""
    page = WebFile(url, token)
    attempts = Attempts(page.name, "read", DELAYS)
    while True:
        answer = answer_of(page, attempts)
        if answer is None:
            raise DroverError(f"{page.name} is empty: {_REMEDY}.")
        try:
            with answer.response as response:
                return dictionary(from_json(response.read(MOST_BYTES)), f"What {page.name} tells", _REMEDY)
        except (OSError, http.client.HTTPException) as error:
            attempts.failed(f"the connection broke ({error})")
        except ValueError:
            # Half of an answer is no JSON either.
            attempts.failed("the answer is not JSON, or was cut off")


def _files(found: Mapping[str, Any], repository: str) -> list[dict[str, Any]]:
    siblings = found.get("siblings")
    if not isinstance(siblings, list):
        raise DroverError(f"{repository} tells of no files: {_REMEDY}.")
    files = [dictionary(each, f"A file of {repository}", _REMEDY) for each in siblings]
    for each in files:
        text(each.get("rfilename"), f"The name of a file of {repository}", _REMEDY)
    return files


def _chosen(repository: str, paths: list[str], quantization: str, file: str) -> list[str]:
    """The paths of the model that is meant, all shards of it in their order."""
    models: dict[str, list[str]] = {}  # path of the first shard -> all
    for path in paths:
        if path.lower().endswith(".gguf") and not _ASIDE.search(path.rpartition("/")[2]):
            models.setdefault(_first(path), []).append(path)
    if file:
        fitting = [first for first in models if first == file]
        wanted = f"no model {file!r}"
    else:
        fitting = [first for first in models if not quantization or _is_of(first, quantization)]
        wanted = f"no model of the quantization {quantization!r}" if quantization else "no GGUF model"
    if not fitting:
        raise DroverError(f"{repository} has {wanted}, but {_listed(models)}: name one of those.")
    if len(fitting) > 1:
        told = f"that fit {quantization!r}" if quantization else "and none was named"
        raise DroverError(
            f"{repository} has {counted(len(fitting), 'model')} {told}, {_listed(fitting)}: name one of them by its "
            "file."
        )
    shards = models[fitting[0]]
    match = SHARD_NAME.fullmatch(fitting[0])
    if match and len(shards) != int(match["count"]):
        raise DroverError(
            f"{fitting[0]} in {repository} is one of {int(match['count'])} shards, and there are {len(shards)}: take "
            "another revision, or another model."
        )
    return shards


def _first(path: str) -> str:
    match = SHARD_NAME.fullmatch(path)
    return f"{match['stem']}-00001-of-{match['count']}.gguf" if match else path


def _is_of(path: str, quantization: str) -> bool:
    """Whether the file's name has this quantization, as a word of its own."""
    match = SHARD_NAME.fullmatch(path)
    name = (match["stem"] if match else path[: -len(".gguf")]).rpartition("/")[2]
    return re.search(rf"(^|[-_.]){re.escape(quantization)}($|[-.])", name, re.IGNORECASE) is not None


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    told = sorted(names)
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return (", ".join(told[:MOST_TOLD]) or "none at all") + more


def _facts(repository: str, file: Mapping[str, Any]) -> tuple[str, int]:
    """The sha256 and the size of a file, which the Hub knows of large files."""
    name = file["rfilename"]
    large = file.get("lfs")
    if not isinstance(large, dict):
        raise DroverError(f"{name} in {repository} has no sha256, so it could not be checked: take another model.")
    size = whole(large.get("size"), f"The size of {name}", 1, remedy=_REMEDY)
    if file.get("size", size) != size:
        raise DroverError(f"{name} in {repository} has {size_text(size)} and another size at once: {_REMEDY}.")
    return checked_sum(large.get("sha256")), size
