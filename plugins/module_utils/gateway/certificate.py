# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small certificate authority for gateways, by the program ``openssl``: one host keeps it, all others send it
requests, and no private key ever leaves the host that it is for.

An authority is two files in a folder, ``ca.pem`` and ``ca.key``; a host's certificate is ``own.pem`` with ``own.key``,
and ``certificate.pem``, which has both and the authority's, as HAProxy reads them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from ..errors import DroverError
from .configuration import is_name_or_address

# Clients trust the authority, so it must outlive all that it signs; of those, browsers take none older than 398 days.
AUTHORITY_DAYS, DAYS, RENEW_DAYS = 3650, 397, 60
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

# (command) -> (exit code, standard output, standard error)
Run = Callable[[Sequence[str]], "tuple[int, str, str]"]


class Certificates:
    """What is in ``folder``. ``run`` runs a program; ``pretend`` writes nothing."""

    def __init__(self, folder: str, run: Run, pretend: bool = False) -> None:
        self.folder, self._run, self.pretend = folder, run, pretend

    def authority(self, name: str) -> tuple[bool, str]:
        """Have an authority called ``name`` here: whether one was made, and its certificate (empty when pretending)."""
        pem, key = self._path("ca.pem"), self._path("ca.key")
        if os.path.exists(key) and self._lasts(pem, RENEW_DAYS):
            return False, _read(pem)
        if self.pretend:
            return True, ""
        subject = ["-subj", f"/CN={name}", "-days", str(AUTHORITY_DAYS)]
        uses = ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0", "-addext", "keyUsage=critical,keyCertSign"]
        with self._new("ca.key", "ca.pem") as (new_key, new_pem):
            made = ["req", "-x509", *CURVE, *subject, *uses, "-keyout", new_key, "-out", new_pem]
            self._openssl(*made)
        return True, _read(pem)

    def request(self, names: Sequence[str], authority: str) -> str:
        """What the authority is asked to sign for a host with these ``names``; empty while the host's certificate is by
        this ``authority`` (its certificate), for these names and valid for longer than ``RENEW_DAYS``."""
        _require_names(names)
        if authority and self._stands(names, authority):
            return ""
        if self.pretend:
            return "-"
        with self._new("own.key", "own.csr") as (key, asked):
            self._openssl("req", "-new", *CURVE, "-subj", f"/CN={names[0]}"[:64], "-keyout", key, "-out", asked)
        return _read(self._path("own.csr"))

    def sign(self, request: str, names: Sequence[str]) -> str:
        """The certificate for ``request``, for ``names`` alone, whatever the request says."""
        _require_names(names)
        uses = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        with tempfile.TemporaryDirectory() as scratch:
            asked, said = os.path.join(scratch, "csr"), os.path.join(scratch, "extensions")
            _write(asked, request)
            _write(said, f"{uses}subjectAltName={','.join(map(_alternative, names))}\n")
            serial = f"0x{os.urandom(16).hex()}"
            by = ["-CA", self._path("ca.pem"), "-CAkey", self._path("ca.key"), "-set_serial", serial]
            return self._openssl("x509", "-req", "-in", asked, *by, "-days", str(DAYS), "-sha256", "-extfile", said)

    def install(self, certificate: str, authority: str, group: int) -> None:
        """Have ``certificate`` be this host's from now on; the group with the number ``group`` may read what HAProxy
        reads."""
        _write(self._path("own.pem"), certificate, 0o644)
        whole = "".join([certificate.rstrip(), "\n", authority.rstrip(), "\n", _read(self._path("own.key"))])
        with self._new("certificate.pem") as (path,):
            _write(path, whole)
            os.chown(path, -1, group)
            os.chmod(path, 0o640)

    def _stands(self, names: Sequence[str], authority: str) -> bool:
        own, served = self._path("own.pem"), self._path("certificate.pem")
        if not (os.path.exists(served) and self._lasts(own, RENEW_DAYS)):
            return False
        if not _read(served).startswith(_read(own).rstrip()):
            return False  # one of the owner's was given until now
        with tempfile.TemporaryDirectory() as scratch:
            ca = os.path.join(scratch, "ca.pem")
            _write(ca, authority)
            verified = self._run(["openssl", "verify", "-no-CApath", "-CAfile", ca, own])[0] == 0
        said = self._openssl("x509", "-noout", "-ext", "subjectAltName", "-in", own)
        found = {_named(kind, value) for kind, value in re.findall(r"(DNS|IP Address):([^,\s]+)", said)}
        return verified and found == {_alternative(name) for name in names}

    def _lasts(self, pem: str, days: int) -> bool:
        seconds = str(days * 86400)
        return (
            os.path.exists(pem) and self._run(["openssl", "x509", "-noout", "-checkend", seconds, "-in", pem])[0] == 0
        )

    def _openssl(self, *arguments: str) -> str:
        code, output, problem = self._run(["openssl", *arguments])
        if code != 0:
            told = problem.strip().splitlines()
            raise DroverError(
                f'"openssl {arguments[0]}" failed in {self.folder} ({told[-1] if told else "without a word"}): mend '
                "it, or give certificates of your own with gateway_certificate_file."
            )
        return output

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    @contextlib.contextmanager
    def _new(self, *names: str):  # type: ignore[no-untyped-def]
        """Paths to write ``names`` to, private to root, which are put in their places together when all went well."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new") as scratch:
            paths = [os.path.join(scratch, name) for name in names]
            yield paths
            for name, path in zip(names, paths):
                os.replace(path, self._path(name))


def _require_names(names: Sequence[str]) -> None:
    for name in names:
        if not is_name_or_address(name):
            raise DroverError(f"A certificate cannot be for {name!r}: write a host name or an IP address.")
    if not names:
        raise DroverError("A certificate needs a name: set gateway_names.")


def _alternative(name: str) -> str:
    """``name`` as openssl's subjectAltName is given it."""
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name.lower()}"


def _named(kind: str, value: str) -> str:
    """The same of what openssl prints, which writes IPv6 in full."""
    return _alternative(value) if kind == "DNS" else f"IP:{ip_address(_short(value))}"


def _short(address: str) -> str:
    return ":".join(part or "0" for part in address.split(":")) if ":" in address else address


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def _write(path: str, text: str, mode: int = 0o600) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
