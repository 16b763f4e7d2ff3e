# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image stands on: Debian's image from a registry, a file of one's own, or what mmdebstrap puts together."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass

from ..builds import elf
from ..builds.archive import digest_of
from ..errors import DroverError

MMDEBSTRAP = "mmdebstrap"
REGISTRY = "docker.io/library/debian"
# Only from here on Debian has packages of llama.cpp.
PACKAGED_SUITE = "forky"
# Suites by the glibc that they have, the oldest first; what needs a newer one than the last gets the last.
_SUITES = {"trixie": "2.41", PACKAGED_SUITE: "2.42"}
# A soname -> Debian's package that has it. What no build has needed yet is added by llama_image_packages.
_PACKAGES = {
    "libgomp.so.1": "libgomp1",
    "libssl.so.3": "libssl3t64",
    "libcrypto.so.3": "libssl3t64",
    "libcurl.so.4": "libcurl4t64",
    "libvulkan.so.1": "libvulkan1",
    "libopenblas.so.0": "libopenblas0",
}
_LLAMA_CPP = ("llama.cpp-tools", "llama.cpp-tools-extra", "libggml0-backend-rpc")
# The runtime, what it hashes weights with at the speed of C, and certificates to fetch a model by.
_ALWAYS = ("ca-certificates", "python3", "python3-numpy")
# Of what these need, the libraries that several packages of Debian have, which are linked when one is configured, and
# mmdebstrap only unpacks. Link below /usr/lib/TRIPLET -> where it leads to, and the packages that have that.
ALTERNATIVES = {"libblas.so.3": "blas/libblas.so.3", "liblapack.so.3": "lapack/liblapack.so.3"}
_LINKED = ("libblas3", "liblapack3")
_FOR_ARCHIVES = ("libstdc++6",)
# Debian's own image has the links from /bin to /usr/bin, and mmdebstrap only with this package.
_MERGED = ("base-files",)


@dataclass(frozen=True)
class Base:
    """``kind`` is ``registry``, ``oci`` (an OCI archive), ``tar`` (a root file system) or ``mmdebstrap``.

    ``name`` is what stands for it in a recipe's id: the reference, the sha256 of the file, or the suite. ``path`` is
    the file's.
    """

    kind: str
    name: str
    path: str = ""


def suite_for(build: dict | None) -> str:
    """Debian's suite that has what the archive ``build`` needs (an offer, see builds/archive.py), or the packages."""
    if build is None:
        return PACKAGED_SUITE
    needed = elf.numbers_of(build["glibc"] or "0")
    return next((name for name, glibc in _SUITES.items() if elf.numbers_of(glibc) >= needed), PACKAGED_SUITE)


def packages_for(build: dict | None, base: Base, own: list[str]) -> list[str]:
    """Debian's packages that go into an image, sorted: for ``build``, for the runtime, and the user's ``own``."""
    packages = {*_ALWAYS, *own, *((*_MERGED, *_LINKED) if base.kind == MMDEBSTRAP else ())}
    if build is None:
        return sorted(packages.union(_LLAMA_CPP))
    unknown = [library for library in build["libraries"] if library not in _PACKAGES]
    if unknown and not own:
        raise DroverError(
            f"{build['file']} needs {unknown[0]}, and it is not known which package of Debian has that: name the "
            "package in llama_image_packages."
        )
    needed = {_PACKAGES[library] for library in build["libraries"] if library in _PACKAGES}
    return sorted(packages.union(_FOR_ARCHIVES, needed))


def read_base(text: str, architecture: str, suite: str) -> Base:
    """The base that ``llama_image_base`` means: empty for Debian's image of the ``suite``, ``mmdebstrap``, a path (with
    a slash at its start; ``{architecture}`` stands for amd64 or arm64), or a reference in a registry."""
    if text == MMDEBSTRAP:
        return Base(MMDEBSTRAP, suite)
    if not text.startswith("/"):
        return Base("registry", text or f"{REGISTRY}:{suite}-slim")
    path = text.replace("{architecture}", architecture)
    try:
        with tarfile.open(path) as archive:
            names = {os.path.normpath(name) for name in archive.getnames()}
        digest = digest_of(path)
    except FileNotFoundError:
        raise DroverError(
            f"llama_image_base is {text}, and {path} is not on the controller: give an OCI archive or a tar of a root "
            "file system for each architecture, or mmdebstrap."
        ) from None
    except (OSError, tarfile.TarError) as error:
        raise DroverError(
            f"llama_image_base is {text}, and {path} cannot be read as a tar archive ({error}): give an OCI archive or "
            "a tar of a root file system."
        ) from error
    if "oci-layout" in names:
        return Base("oci", digest, path)
    if "usr" not in names:
        raise DroverError(
            f"{path} is neither an OCI archive (it has no oci-layout) nor a root file system (it has no usr): make it "
            "with skopeo copy or with mmdebstrap."
        )
    return Base("tar", digest, path)
