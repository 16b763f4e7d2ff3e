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
import time
import urllib.error
import urllib.request
from pathlib import Path

import paths
import supervisor
import unpack
from children import Children
from settings import Refused

_DATABASE = paths.SERVER / "db"
_CLUSTERED = _DATABASE / "etcd"
_ALONE = _DATABASE / "alone"
_SQLITE = _DATABASE / "state.db"
# For etcd the end of a range that has all that comes after its beginning.
_ALL = base64.b64encode(b"\0").decode()
_AT_ONCE = 50


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
    """Write a snapshot: what is not to vanish by itself, a line of JSON each, in the order of the keys."""
    key, more = base64.b64encode(b"\0").decode(), True
    with file.open("w") as out:
        while more:
            answer = ask("kv/range", {"key": key, "range_end": _ALL, "limit": _AT_ONCE})
            found, more = answer.get("kvs", []), answer.get("more", False)
            for one in found:
                key = base64.b64encode(base64.b64decode(one["key"]) + b"\0").decode()
                if "lease" not in one:
                    out.write(json.dumps({"key": one["key"], "value": one["value"]}) + "\n")


def reset(children: Children, wished: dict, node: str, address: str) -> None:
    """Be the only member of a new cluster with the state of a snapshot; what there was is moved aside."""
    if "server" in wished:
        raise Refused(
            "cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"
        )
    with Path(wished["cluster-reset-restore-path"]).open() as snapshot:
        pairs = [json.loads(line) for line in snapshot]
    _CLUSTERED.rename(_DATABASE / f"etcd-old-{int(time.time())}")
    start(children, {**wished, "cluster-init": True}, node, address, joined=False)
    children.wait(_answers, "etcd")
    for first in range(0, len(pairs), _AT_ONCE):
        puts = [{"request_put": pair} for pair in pairs[first : first + _AT_ONCE]]
        ask("kv/txn", {"success": puts})


def _answers() -> bool:
    try:
        return bool(members())
    except (urllib.error.URLError, OSError):
        return False


def _open(path: str, asked: dict | None):
    tls = paths.TLS
    context = ssl.create_default_context(cafile=str(tls / "etcd/ca.crt"))
    context.load_cert_chain(tls / "apiserver-etcd-client.crt", tls / "apiserver-etcd-client.key")
    request = urllib.request.Request(f"https://127.0.0.1:2379/v3/{path}", data=json.dumps(asked or {}).encode())
    return urllib.request.urlopen(request, context=context, timeout=60)
