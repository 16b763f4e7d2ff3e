# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives of llama.cpp there are to choose from: in a bundle, in the controller's cache, or to be fetched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from .. import checks
from ..errors import DroverError
from . import archive

_BUNDLE_FILE = "bundle.json"
_BUNDLE_SCHEMA = 1
_REMAKE = "make the bundle anew with drover.llama.bundle"
_TEXT, _TEXT_OR_NONE = (str,), (str, type(None))
# Of an offer, what is gone by before its archive is unpacked.
_OFFER: checks.Fields = {
    "id": _TEXT,
    "label": _TEXT,
    "file": _TEXT,
    "sha256": _TEXT,
    "architecture": _TEXT,
    "glibc": _TEXT_OR_NONE,
    "libstdcxx": _TEXT_OR_NONE,
    "libraries": (list,),
    "backends": (list,),
    "root": _TEXT,
}


def gather(
    hosts: Iterable[dict],
    method: str = "auto",
    tag: str = "",
    archive_names: Mapping[str, str] | None = None,
    archive_sha256: Mapping[str, str] | None = None,
    require_sha256: bool = True,
    cache: str = "",
    bundle: str | None = None,
    source: str = "",
    source_sha256: str = "",
) -> dict:
    """Gather what is offered to ``hosts`` (as llama_cpp_info returns them) by the role's settings of these names.

    ``hosts`` may be empty: then one of every architecture with a sha256 is thought of, that has nothing yet.

    Returns ``bundle`` and ``archives`` (offers, see archive.py; of an archive that every host has already only its
    names, since it is not read again), and ``missing``: archives to be fetched into the cache before this is asked
    again, as ``{file, path, sha256}``. Raises DroverError when a setting that the method goes by is not what it needs,
    or an archive is not sound.
    """
    names, digests = archive_names or {}, archive_sha256 or {}
    if method == "archive" and require_sha256 and not digests:
        raise DroverError(
            f"llama_cpp_archive_sha256 is empty, so a damaged or replaced archive of {tag or 'llama.cpp'} would go "
            "unseen; set it to the sha256 of each architecture's archive, which the release's page shows."
        )
    if source and method in ("auto", "source") and not (tag and (source_sha256 or not require_sha256)):
        raise DroverError(
            f"llama_cpp_source is {source}, which also needs llama_cpp_tag (the release that it is) and "
            "llama_cpp_source_sha256; set them."
        )
    offers: dict[str, list[dict]] = {"bundle": [], "archives": [], "missing": []}
    if bundle and method in ("auto", "bundle"):
        offers["bundle"] = read_bundle(bundle)
    if tag and method in ("auto", "archive"):
        for architecture, builds in _builds_by_architecture(hosts, digests).items():
            digest = str(digests.get(architecture) or "").lower()
            if architecture in names and (digest or not require_sha256):
                kind, offer = _offer(tag, architecture, names[architecture], digest, cache, builds)
                offers[kind].append(offer)
    return offers


def read_bundle(folder: str) -> list[dict]:
    """The offers of the bundle in ``folder``, whose bundle.json has ``{schema: 1, archives: [offer]}``."""
    path = os.path.join(folder, _BUNDLE_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        raise DroverError(
            f"llama_cpp_bundle is {folder}, and there is no {_BUNDLE_FILE} in that folder of the controller; give the "
            "folder that drover.llama.bundle made."
        ) from None
    except (OSError, ValueError) as error:
        raise DroverError(f"{path} cannot be read ({error}): {_REMAKE}.") from None
    found = checks.document(content, path, _BUNDLE_SCHEMA, {"archives": (list,)}, _REMAKE)
    for number, offer in enumerate(found["archives"], 1):
        what = f"Archive {number} of {path}"
        # An offer is no document of its own: its fields are looked at as those of one.
        checks.document({"schema": 1, **checks.dictionary(offer, what, _REMAKE)}, what, 1, _OFFER, _REMAKE)
    return list(found["archives"])


def _builds_by_architecture(hosts: Iterable[dict], digests: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """Architecture to the builds that each of its hosts has."""
    found: dict[str, list[list[str]]] = {}
    for host in hosts:
        found.setdefault(host["platform"]["architecture"], []).append(host["llama_cpp"]["builds"])
    return found or {architecture: [[]] for architecture in digests}


def _offer(
    tag: str, architecture: str, name: str, digest: str, cache: str, builds: Iterable[list[str]]
) -> tuple[str, dict]:
    """Where it belongs (``archives`` or ``missing``) and what is known of the archive ``name``."""
    build = f"{tag}-{digest[:8]}" if digest else f"{tag}-unproven"
    path = os.path.join(cache, f"{build}-{name}")
    if all(build in there for there in builds):
        known = {"id": build, "label": tag, "file": name, "path": path, "sha256": digest, "architecture": architecture}
        return "archives", {**known, "glibc": None, "libstdcxx": None, "libraries": []}
    if os.path.isfile(path) and digest in ("", archive.digest_of(path)):
        return "archives", archive.inspect_archive(path, digest or None, label=tag, id=build)
    return "missing", {"file": name, "path": path, "sha256": digest}
