# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of K3s, which are those of Kubernetes with a number of K3s's own, like v1.34.4+k3s1, and its channels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DroverError

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([a-z]+)\.?(\d+))?(?:\+k3s(\d+))?")
_FINAL = ("~", 0)  # sorts behind every word


@dataclass(frozen=True, order=True)
class Version:
    """One version; they are ordered as they were released."""

    major: int
    minor: int
    patch: int
    stage: tuple[str, int]  # of a release candidate, like ("rc", 1)
    revision: int  # K3s's own; 0 where only the version of Kubernetes is told

    @property
    def kubernetes(self) -> str:
        """The version of Kubernetes in it, like ``1.34.4``: all that a node of some builds tells of itself."""
        stage = "" if self.stage == _FINAL else f"-{self.stage[0]}{self.stage[1]}"
        return f"{self.major}.{self.minor}.{self.patch}{stage}"

    @property
    def tag(self) -> str:
        """As K3s's releases are called."""
        return f"v{self.kubernetes}+k3s{self.revision}"

    def at_least(self, major: int, minor: int) -> bool:
        """Tell whether it is that minor version or a later one."""
        return (self.major, self.minor) >= (major, minor)


def parse_version(text: str, name: str = "k3s_version") -> Version:
    """The version that is written, with or without a leading v and K3s's own number (then it is 0).

    Raises DroverError, with ``name`` as the reader knows the value, for anything else.
    """
    if not isinstance(text, str) or not (found := _VERSION.fullmatch(text.strip())):
        raise DroverError(f"{name} is {text!r} but must be a version such as v1.34.4+k3s1: correct it.")
    major, minor, patch, word, number, revision = found.groups()
    stage = (word, int(number)) if word else _FINAL
    return Version(int(major), int(minor), int(patch), stage, int(revision or 0))


def parse_release(text: str, name: str = "k3s_version") -> Version:
    """The version of a release, which has K3s's own number; raises DroverError as ``parse_version`` does."""
    version = parse_version(text, name)
    if not version.revision:
        raise DroverError(
            f"{name} is {text!r}, which leaves open which release of K3s is meant: add its end, such as +k3s1."
        )
    return version


def version_told(said: str) -> str | None:
    """The version in what ``k3s --version`` printed (its first line is ``k3s version v1.34.4+k3s1 (0a1b2c3d)``), or
    None."""
    found = re.match(r"k3s version (\S+)", said)
    return found[1] if found and _VERSION.fullmatch(found[1]) else None


def is_the_same(told: str, wanted: Version) -> bool:
    """Tell whether a node runs that version: by all that it tells, which may be the version of Kubernetes alone."""
    found = parse_version(told, "The version of a node")
    return found.kubernetes == wanted.kubernetes and found.revision in (0, wanted.revision)


def latest_of_channel(channels: Iterable[dict], wanted: str) -> Version:
    """The release that a channel means. ``channels`` is the list ``data`` of K3s's channel server, whose entries have
    an ``id`` and, if they ever had a release, ``latest``.

    Source: K3s's documentation, "Manual upgrades", "Release channels". Raises DroverError for a channel that is not
    among them or that has no release.
    """
    known = {str(channel.get("id")): channel.get("latest") for channel in channels}
    latest = known.get(wanted)
    if not latest:
        named = ", ".join(sorted(name for name, release in known.items() if release)) or "none at all"
        raise DroverError(f"k3s_channel is {wanted!r} but must be a channel with a release, which are {named}: set it.")
    return parse_release(latest, f"The release of channel {wanted}")
