# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the builds that Drover put on a host go, and which must stay because something there runs them."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable

from ..errors import DroverError
from ..serving.cluster import CLUSTERS_FOLDER
from .find import CURRENT

# Builds of Drover's end with a digest of what they were made from; what else is in their folder is not touched.
BUILD_NAME = re.compile(r".+-([0-9a-f]{8}|unproven)\Z")


def kept_builds(
    builds_path: str,
    keep: int,
    chosen: str | None = None,
    used: Iterable[str] = (),
    clusters_folder: str = CLUSTERS_FOLDER,
    processes: str = "/proc",
) -> dict:
    """What Drover keeps on this host in ``builds_path``, and what of it goes.

    ``chosen`` is the name of the build in force, and ``used`` are paths of programs besides those that run and those
    that a cluster is deployed with. Returns ``clusters`` (that this host is deployed for), ``surplus`` (paths of the
    builds that go so that ``keep`` stay, see ``surplus``), ``ours`` (all paths that are Drover's, see ``ours``) and
    ``problem``: why no build goes since what a cluster uses is not known, in one sentence, or None.
    """
    clusters = deployed_clusters(clusters_folder)
    found = {"clusters": clusters, "ours": ours(builds_path), "surplus": [], "problem": None}
    try:
        paths = [*used, *_running(processes), *_deployed(clusters_folder, clusters)]
    except DroverError as error:
        return {**found, "problem": str(error)}
    return {**found, "surplus": surplus(builds_path, keep, chosen, paths)}


def surplus(builds_path: str, keep: int, chosen: str | None, used: Iterable[str]) -> list[str]:
    """The paths of the builds in ``builds_path`` that go, the oldest first, so that ``keep`` stay.

    ``chosen`` is the name of the one in force, which counts among them. Builds that hold one of the ``used`` paths
    (programs) stay and do not count; nor do unfinished ones, which a run may be at work on.
    """
    inside = [os.path.realpath(path) for path in used]
    old = []
    for entry in _entries(builds_path):
        ours = entry.is_dir(follow_symlinks=False) and BUILD_NAME.match(entry.name) and entry.name[0] != "."
        folder = os.path.realpath(entry.path) + os.sep
        if ours and entry.name != chosen and not any(path.startswith(folder) for path in inside):
            old.append((entry.stat(follow_symlinks=False).st_ctime, entry.path))
    return [path for _time, path in sorted(old)[: max(0, len(old) + 1 - max(keep, 1))]]


def ours(builds_path: str) -> list[str]:
    """The sorted paths in ``builds_path`` that are Drover's: builds, also unfinished ones, and the link ``current``;
    and that folder itself, last, when there is nothing else in it."""
    entries = list(_entries(builds_path))
    found = sorted(entry.path for entry in entries if _is_ours(entry))
    return [*found, builds_path] if len(found) == len(entries) and os.path.isdir(builds_path) else found


def deployed_clusters(clusters_folder: str = CLUSTERS_FOLDER) -> list[str]:
    """The sorted names of the clusters that this host is deployed for."""
    paths = glob.glob(os.path.join(clusters_folder, "*", "deployment.json"))
    return sorted(os.path.basename(os.path.dirname(path)) for path in paths)


def _running(processes: str) -> list[str]:
    """The paths of the programs that run on this host."""
    paths = []
    for link in glob.glob(os.path.join(processes, "[0-9]*", "exe")):
        try:
            paths.append(os.readlink(link))
        except OSError:  # it has ended, or is a thread of the kernel
            continue
    return paths


def _deployed(clusters_folder: str, names: Iterable[str]) -> list[str]:
    """The paths of the programs that these clusters are deployed with."""
    paths = []
    for name in names:
        path = os.path.join(clusters_folder, name, "deployment.json")
        try:
            with open(path, encoding="utf-8") as file:
                paths.append(str(json.load(file)["program"]))
        except (OSError, ValueError, LookupError, TypeError):
            raise DroverError(
                f"{path} does not say which program the cluster runs, so no old build was removed; run site.yml for "
                "that cluster again."
            ) from None
    return paths


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # with packages alone there is no such folder
        return []


def _is_ours(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return entry.name == CURRENT
    return entry.is_dir() and BUILD_NAME.match(entry.name) is not None
