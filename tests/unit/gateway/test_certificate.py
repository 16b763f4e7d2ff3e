# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates made by the real openssl, and held against what TLS makes of them."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess

import pytest
from module_utils.errors import DroverError
from module_utils.gateway import certificate
from module_utils.gateway.certificate import Certificates

NAMES = ["pi-1", "llm.home.example", "10.0.0.1", "fd00::12"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def folders(tmp_path):
    for name in ("ca", "host"):
        tmp_path.joinpath(name).mkdir()
    return Certificates(str(tmp_path / "ca"), run), Certificates(str(tmp_path / "host"), run)


def issue(authority, host, names=NAMES):
    ca = authority.authority("Drover main")[1]
    host.install(authority.sign(host.request(names, ca), names), ca, os.getgid())
    return ca


def handshake(folder, ca, name):
    """The version that a client which trusts ``ca`` alone speaks with a server that has the files in ``folder``."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(f"{folder}/certificate.pem")
    client = ssl.create_default_context(cadata=ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_trusts_every_name(tmp_path, name):
    authority, host = folders(tmp_path)
    ca = issue(authority, host)
    assert handshake(host.folder, ca, name)


def test_no_other_name_is_trusted(tmp_path):
    authority, host = folders(tmp_path)
    ca = issue(authority, host)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake(host.folder, ca, "pi-2")


def test_what_is_there_stays(tmp_path):
    authority, host = folders(tmp_path)
    ca = issue(authority, host)
    assert authority.authority("Drover main") == (False, ca)
    assert host.request(list(reversed(NAMES)), ca) == ""


def test_another_name_another_authority_and_a_near_end_take_a_new_one(tmp_path, monkeypatch):
    authority, host = folders(tmp_path)
    ca = issue(authority, host)
    assert host.request([*NAMES, "pi-9"], ca).startswith("-----BEGIN CERTIFICATE REQUEST")
    given = tmp_path / "host/certificate.pem"
    whole = given.read_text()
    given.write_text("of the owner's own until now")
    assert host.request(NAMES, ca)
    given.write_text(whole)
    os.unlink(authority.folder + "/ca.key")
    changed, other = authority.authority("Drover main")
    assert changed
    assert host.request(NAMES, other)
    monkeypatch.setattr(certificate, "RENEW_DAYS", certificate.DAYS + 1)
    assert host.request(NAMES, ca)


def test_only_those_who_must_can_read_a_private_key(tmp_path):
    authority, host = folders(tmp_path)
    issue(authority, host)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [*tmp_path.joinpath("ca").iterdir(), *tmp_path.joinpath("host").iterdir()]
        if "PRIVATE" in path.read_text()
    }
    assert modes == {"ca.key": 0o600, "own.key": 0o600, "certificate.pem": 0o640}


def test_pretending_writes_nothing(tmp_path):
    folders(tmp_path)
    host = Certificates(str(tmp_path / "host"), run, pretend=True)
    assert host.authority("Drover main") == (True, "")
    assert host.request(NAMES, "")
    assert list(tmp_path.joinpath("host").iterdir()) == []


@pytest.mark.parametrize("names", [["a,DNS:evil.example"], ["a b"], [""], [], ["*.example"]])
def test_what_is_no_name_is_refused(tmp_path, names):
    _authority, host = folders(tmp_path)
    with pytest.raises(DroverError, match="certificate"):
        host.request(names, "")


def test_an_openssl_that_fails_is_told(tmp_path):
    tmp_path.joinpath("host").mkdir()
    failing = Certificates(str(tmp_path / "host"), lambda _command: (1, "", "line\nno luck"))
    with pytest.raises(DroverError, match=r"openssl req.*no luck.*gateway_certificate_file"):
        failing.authority("Drover main")
    assert list(tmp_path.joinpath("host").iterdir()) == []
