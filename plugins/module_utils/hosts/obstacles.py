# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why Drover cannot run on this machine at all: looked at before anything is changed, so that a plan leaves it out."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Optional

from .tree import Tree

OLDEST_PYTHON = (3, 9)
CLONE_NEWNS = 0x00020000  # Linux include/uapi/linux/sched.h

FindProgram = Callable[[str], Optional[str]]

# By Debian's package, which is installed where there is apt: the package elsewhere, the program, and what it is for.
_PROGRAMS = {
    "nftables": ("nftables", "nft", "keeps strangers from the RPC port"),
    "stunnel4": ("stunnel", "stunnel", "rpc_server_tls takes"),
    "haproxy": ("haproxy", "haproxy", "a gateway is"),
    "openssl": ("openssl", "openssl", "makes a gateway's certificate"),
}
NEEDS = tuple(_PROGRAMS)


def find_obstacles(
    tree: Tree,
    needs: Iterable[str] = ("nftables",),
    system: str | None = None,
    python: tuple[int, ...] | None = None,
    user: int | None = None,
    find_program: FindProgram | None = None,
    new_namespace: Callable[[], int] | None = None,
) -> list[str]:
    """One sentence, with the remedy, for each thing that keeps Drover from running on the machine in ``tree``; none is
    good. They read well behind the host's name and a colon. Changes nothing.

    ``needs``, of ``NEEDS``, are the packages that the host's part takes. Drover installs them with apt alone.
    ``system`` (as uname names it), ``python`` (version), ``user`` (effective id), ``find_program`` (path of a program,
    or None) and ``new_namespace`` (errno of an attempt to get one, 0 if it worked) are asked of this machine without.
    """
    system = system or platform.system()
    find_program = find_program or _find_program
    if system != "Linux":
        name = "macOS" if system == "Darwin" else system
        return [f"{name} has no systemd, which Drover's services need, and is not supported yet; use a Linux machine."]
    found = []
    version = python or tuple(sys.version_info[:2])
    if version < OLDEST_PYTHON:
        found.append(
            f"Python is {'.'.join(map(str, version[:2]))} here and must be 3.9 or later; install a newer one and set "
            "ansible_python_interpreter to it."
        )
    if not tree.has("/run/systemd/system"):  # as sd_booted(3) tells
        found.append(
            "systemd is not the first process here, and Drover's services need it; use a distribution, or a container, "
            "that is started by systemd."
        )
    if (os.geteuid() if user is None else user) != 0:
        # What follows can be told by root alone.
        return [
            *found,
            "Drover came here as an ordinary user and needs root to install services; set become to true, and let the "
            "user use sudo.",
        ]
    if (new_namespace or _new_namespace)() == errno.EPERM:
        found.append(
            "This is a container that may not make namespaces, so that services with PrivateTmp and the like would end "
            "with status 226/NAMESPACE; allow nesting (LXC: nesting=1) or make it a privileged container."
        )
    if not os.access(tree.path("/etc"), os.W_OK):
        found.append("/etc cannot be written here, where services and their settings belong; make it writable.")
    for package in needs if not find_program("apt-get") else ():
        elsewhere, program, use = _PROGRAMS[package]
        if not find_program(program):
            found.append(f"There is no {program} here, which {use}, nor apt to install it with; install {elsewhere}.")
    return found


def _find_program(name: str) -> str | None:
    # Not every way of becoming root brings the folders of root's programs along.
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))


def _new_namespace() -> int:
    """The errno of an attempt to get a mount namespace, made by a child that ends with it; 0 if it worked."""
    library = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        failed = library.unshare(CLONE_NEWNS) != 0
        os._exit(ctypes.get_errno() & 0xFF if failed else 0)
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
