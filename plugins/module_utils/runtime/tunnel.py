# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover tunnel``: this host's end of the tunnel, see ``serving.tunnel``, which stunnel is.

Both ends know each other by a key made of the cluster's secret, which all members have: TLS 1.3 with a pre-shared key
(RFC 8446, 2.2) proves each to the other, and the session's own keys are agreed on anew for each connection. There are
no certificates that could run out, and a host that leads from now on is let in as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any

from ..errors import DroverError
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY
from ..serving.tunnel import Place, listened, within
from .part import check_address, load_deployment
from .secret import read_secret

# As Debian names it, and as others do.
PROGRAMS = ("/usr/bin/stunnel4", "/usr/bin/stunnel")
# Who makes it, and removes it when the service ends: systemd (RuntimeDirectory=).
FOLDER_VARIABLE = "RUNTIME_DIRECTORY"
# A pre-shared key goes with ciphers of this hash alone (OpenSSL, SSL_CTX_set_psk_client_callback(3)).
CHACHA, AES = "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"
CONFIGURATION = """\
foreground = yes
pid =
syslog = no
debug = warning
sslVersionMin = TLSv1.3
ciphersuites = {ciphers}
PSKsecrets = {key}
; An agent that is asked whether its host is there is waited for two seconds.
TIMEOUTconnect = 1
TIMEOUTclose = 1
; A leader that nobody asks says nothing to its workers for as long; the kernel finds out who is gone.
TIMEOUTidle = 31536000
socket = l:SO_KEEPALIVE=1
socket = r:SO_KEEPALIVE=1
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
"""
SERVICE = """
[{name}]
client = {client}
accept = {accept}
connect = {connect}
"""


def run_tunnel(name: str) -> int:
    """Become this host's end of the tunnel of the cluster called ``name``; comes back, with 0, where it has none."""
    cluster = Cluster(name)
    tunnel = load_deployment(cluster).get("tunnel")
    if tunnel:
        _become(cluster, tunnel)
    return 0


def _become(cluster: Cluster, tunnel: Mapping[str, Any]) -> None:
    program = next((path for path in PROGRAMS if os.access(path, os.X_OK)), None)
    if program is None:
        raise DroverError(f"There is no {PROGRAMS[0]}: install the package stunnel4, and {REMEDY}.")
    for place in listened(tunnel):
        check_address(place["address"], place["port"])
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        raise DroverError(f"{FOLDER_VARIABLE} is not set: start {cluster.tunnel_unit}, which has a folder for the key.")
    key, path = f"{folder}/key", f"{folder}/stunnel.conf"
    _write(key, f"{cluster.name}:{shared_key(read_secret(cluster))}\n")
    _write(path, configuration(cluster.name, tunnel, key, has_aes(Tree())))
    os.execv(program, [program, path])


def shared_key(secret: bytes) -> str:
    """The key of both ends, 32 bytes as hex. From it nobody learns the ``secret``, by which messages are sealed."""
    return hmac.new(secret, b"drover tunnel", hashlib.sha256).hexdigest()


def has_aes(tree: Tree) -> bool:
    """Whether the processor of the machine in ``tree`` has instructions for AES. A Raspberry Pi 4 has not, and is
    several times slower by AES than by ChaCha20."""
    return "aes" in (tree.text("/proc/cpuinfo") or "").split()


def configuration(name: str, tunnel: Mapping[str, Any], key: str, aes: bool) -> str:
    """What stunnel is told: the ``tunnel`` of the cluster called ``name``, whose key is in the file ``key``. Of two
    ends one of which has no ``aes`` neither uses it."""
    text = CONFIGURATION.format(ciphers=f"{AES}:{CHACHA}" if aes else CHACHA, key=key)
    for place in tunnel["accepts"]:
        text += _service(f"at {place['port']}", "no", _at(place), _at(_inside(place)))
    for place in tunnel["connects"]:
        text += _service(f"to {_at(place)}", "yes", _at(_inside(place)), _at(place)) + f"PSKidentity = {name}\n"
    return text


def _service(name: str, client: str, accept: str, connect: str) -> str:
    return SERVICE.format(name=name, client=client, accept=accept, connect=connect)


def _inside(place: Place) -> Place:
    return {**place, "address": within(place["address"])}


def _at(place: Place) -> str:
    return f"{place['address']}:{place['port']}"


def _write(path: str, content: str) -> None:
    """Write a file that this user alone may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
