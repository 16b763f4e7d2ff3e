# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server keeps the cluster's state: etcd, alone or one of several, and what is asked of it over HTTP.

A server that has SQLite in K3s has an etcd of its own here, with K3s's file beside it.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from pathlib import Path

import paths
import supervisor
import unpack
from children import Children

_DATABASE = paths.SERVER / "db"
_CLUSTERED = _DATABASE / "etcd"
_ALONE = _DATABASE / "alone"
_SQLITE = _DATABASE / "state.db"


def is_member() -> bool:
    """Whether this server has a state already."""
    return (_CLUSTERED / "member").exists() or _ALONE.exists()


def start(children: Children, wished: dict, node: str, address: str, joined: bool) -> None:
    """Start it: with the state that is there, new, or as one more member of a cluster's."""
    _DATABASE.mkdir(parents=True, exist_ok=True)
    clustered = bool(wished.get("cluster-init") or "server" in wished or _CLUSTERED.exists())
    if clustered and _ALONE.exists():
        _ALONE.rename(_CLUSTERED)  # from SQLite to etcd
        _SQLITE.rename(_SQLITE.with_suffix(".db.migrated"))
    folder = _CLUSTERED if clustered else _ALONE
    if not clustered:
        _SQLITE.touch(0o600)
    peers, state = f"{node}=https://{address}:2380", "new"
    if joined:
        asked = {"name": node, "peer": f"https://{address}:2380"}
        peers, state = supervisor.ask(wished["server"], wished["token"], "etcd-member", asked)["peers"], "existing"
    tls = paths.TLS / "etcd"
    own = ["https://127.0.0.1:2379", *([f"https://{address}:2379"] if clustered else [])]
    secured = [
        *(f"--{kind}cert-file={tls}/{name}.crt" for kind, name in (("", "server"), ("peer-", "peer"))),
        *(f"--{kind}key-file={tls}/{name}.key" for kind, name in (("", "server"), ("peer-", "peer"))),
        *(f"--{kind}trusted-ca-file={tls}/ca.crt" for kind in ("", "peer-")),
        *(f"--{kind}client-cert-auth=true" for kind in ("", "peer-")),
    ]
    children.start(
        unpack.programs() / "etcd",
        f"--name={node}",
        f"--data-dir={folder}",
        f"--listen-client-urls={','.join(own)}",
        f"--advertise-client-urls={own[-1]}",
        f"--listen-peer-urls=https://{address}:2380",
        f"--initial-advertise-peer-urls=https://{address}:2380",
        f"--initial-cluster={peers}",
        f"--initial-cluster-state={state}",
        "--unsafe-no-fsync=true",  # a power cut in the lab takes nothing from the machine that keeps the files
        "--log-level=warn",
        *secured,
    )


def members() -> list:
    """The members: ``ID``, ``name`` (missing until it has started) and ``peerURLs`` of each."""
    return ask("cluster/member/list")["members"]


def add_member(node: str, peer: str) -> str:
    """Have a member more, in place of an earlier one of that name; returns what it is started with."""
    for member in members():
        if member.get("name") == node or peer in member["peerURLs"]:
            ask("cluster/member/remove", {"ID": member["ID"]})
    ask("cluster/member/add", {"peerURLs": [peer]})
    return ",".join(f"{one.get('name') or node}={one['peerURLs'][0]}" for one in members())


def remove_member(node: str) -> None:
    """Forget the member of that name, if there is one."""
    for member in members():
        if member.get("name") == node:
            ask("cluster/member/remove", {"ID": member["ID"]})


def ask(path: str, asked: dict | None = None) -> dict:
    """What etcd answers on that path of its gateway from gRPC to JSON."""
    with _open(path, asked) as answer:
        return json.loads(answer.read())


def save(file: Path) -> None:
    """Write a snapshot."""
    with _open("maintenance/snapshot", {}) as answer, file.open("wb") as out:
        for line in answer:
            out.write(base64.b64decode(json.loads(line)["result"].get("blob", "")))


def _open(path: str, asked: dict | None):
    tls = paths.TLS
    context = ssl.create_default_context(cafile=str(tls / "etcd/ca.crt"))
    context.load_cert_chain(tls / "apiserver-etcd-client.crt", tls / "apiserver-etcd-client.key")
    request = urllib.request.Request(f"https://127.0.0.1:2379/v3/{path}", data=json.dumps(asked or {}).encode())
    return urllib.request.urlopen(request, context=context, timeout=60)
