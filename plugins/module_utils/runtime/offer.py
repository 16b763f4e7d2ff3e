# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover offer``: give ranges of a model, or of a tensor cache, for a while, or until nobody asks any more.

As root, and told a user, it opens the firewalls of the host's owner for the members first, gives as that user, and
closes them again however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import signal
import sys
from typing import IO

from ..errors import DroverError
from ..gguf.reader import read_header
from ..serving.cluster import Cluster
from ..serving.deployment import source_network
from ..weights.fnv import is_cache_name
from ..weights.offering import Find, Offer, serve
from .firewall import close_offer, open_offer
from .say import say
from .tools import Run, run_tool
from .weights import cache_of


def offer(given: argparse.Namespace, stream: IO[str] | None = None, run: Run = run_tool) -> None:
    """Offer what ``given`` says to members; the secret is the first line of standard input. Prints the port as soon as
    it listens, and in the end what was sent."""
    secret = (stream or sys.stdin).readline().strip()
    find = _shards(given.model) if given.model else _tensors(cache_of(Cluster(given.cluster))["directory"])
    members = [source_network(value, "A member") for value in given.allow]
    user = _known(given.user) if given.user else None
    server = Offer(given.address, given.port, find, members, secret)
    if user is None:
        _give(server, given)
        return
    try:
        open_offer(given.address, server.port, given.allow, run)
        _give_as(user, server, given)
    finally:
        # The port comes free last: the next offer, which waits for it, opens the firewalls for itself.
        close_offer(server.port, run)
        server.server_close()


def _known(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise DroverError(f"There is no user {name} on this host: run site.yml, which makes it.") from None


def _give(server: Offer, given: argparse.Namespace) -> None:
    say(json.dumps({"port": server.port}))
    try:
        serve(server, given.seconds, given.idle)
    finally:
        say(json.dumps({"sent_bytes": server.sent_bytes, "refused": server.refused}))


def _give_as(user: pwd.struct_passwd, server: Offer, given: argparse.Namespace) -> None:
    """Give in a process of ``user``, and return when it has ended; whoever ends this one ends it, too."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            _give(server, given)
            status = 0
        finally:
            os._exit(status)
    try:
        os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise


def _shards(path: str) -> Find:
    """The files of the model at ``path``, by their names."""
    folder = os.path.dirname(os.path.abspath(path))
    paths = {name: os.path.join(folder, name) for name in read_header(path).shards}
    return paths.get


def _tensors(directory: str) -> Find:
    """The tensors in a cache, by their hashes."""
    return lambda name: os.path.join(directory, name) if is_cache_name(name) else None
