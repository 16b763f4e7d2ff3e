# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file on a web server, asked for by HTTP ranges: redirects, the token, and what an answer or a failure means."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from ..errors import DroverError
from .address import check_url, telling_text, telling_url

TIMEOUT_SECONDS = 30
MAX_RETRY_AFTER_SECONDS = 30
RETRIED_STATUS = frozenset((408, 429, 500, 502, 503, 504))


class Again(Exception):
    """A failure that another attempt may mend: ``reason``, and the ``delay`` in seconds that the server asks for."""

    def __init__(self, reason: str, delay: float | None = None):
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


@dataclass(frozen=True)
class Answer:
    """An open ``response`` with the bytes from ``start`` up to ``end``, and what it tells of the whole file.

    ``end`` (exclusive) and ``size`` are None when the server does not tell them. ``version`` changes when the file
    does: its strong ETag or the time of its last change, empty when the server tells neither.
    """

    response: http.client.HTTPResponse
    start: int
    end: int | None
    size: int | None
    version: str


class WebFile:
    """The file behind an http(s) URL. ``name`` is for messages: the URL without what is secret.

    ``token`` is a bearer token, sent to the server of ``url`` only. Raises DroverError for a URL or a token that cannot
    be used.
    """

    def __init__(self, url: str, token: str | None = None):
        check_url(url)
        self.name = telling_url(url)
        self._url = url
        self._token = token
        self._location = url  # where the server redirected us to; later requests go straight there
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise DroverError("the token is not valid: expected printable ASCII characters without spaces")
        self._opener = urllib.request.build_opener(_Redirects(self))

    def ask(self, first: int, last: int | None = None, version: str = "") -> Answer | None:
        """Ask once for the bytes from ``first`` to ``last`` (inclusive, None: all that follow).

        A server may answer with fewer, or with the whole file; with ``version`` it gives the whole of another one. None
        when the file has no byte ``first``. Raises Again when it is worth another attempt, else DroverError.
        """
        # Compressed answers have other positions, hence identity.
        headers = {"Range": f"bytes={first}-{'' if last is None else last}", "Accept-Encoding": "identity"}
        headers["User-Agent"] = "drover"
        if version:
            headers["If-Range"] = version
        token = self.allowed_token(self._location)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self._location, headers=headers)
        try:
            response = self._opener.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                return None
            if self._location != self._url and error.code in (401, 403, 404, 410):
                self._location = self._url  # a redirect may lead to an address that is good for an hour
                raise Again(f"HTTP {error.code} {error.reason}") from None
            raise self._judged_status(error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._judged_error(error) from None
        self._location = response.geturl()
        try:
            return self._accepted(response, first)
        except DroverError:
            response.close()
            raise

    def allowed_token(self, url: str) -> str | None:
        """The token, if ``url`` is on the server it was given for: no other may see it."""
        return self._token if _origin(url) == _origin(self._url) else None

    def _accepted(self, response: http.client.HTTPResponse, first: int) -> Answer:
        """The answer, which begins at ``first`` or is the whole file."""
        headers = response.headers
        encoding = headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise DroverError(f"{self.name} comes encoded as {encoding}: expected the file as it is")
        tag = headers.get("ETag", "")
        version = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        if response.status == 206:
            content_range = headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", content_range.strip())
            if not match or int(match[1]) != first or int(match[2]) < first:
                raise DroverError(
                    f"{self.name} answered with the range {content_range!r}, expected one that begins at {first}"
                )
            size = None if match[3] == "*" else int(match[3])
            return Answer(response, first, int(match[2]) + 1, size, version)
        if response.status != 200:
            raise DroverError(f"{self.name} answered with HTTP {response.status}: expected 206 or 200")
        length = headers.get("Content-Length", "")
        size = int(length) if re.fullmatch(r"\d{1,18}", length) else None
        return Answer(response, 0, size, size, version)

    def _judged_status(self, error: urllib.error.HTTPError) -> Exception:
        """What the status means: Again when the request is worth repeating, else a DroverError."""
        if error.code in RETRIED_STATUS:
            after = error.headers.get("Retry-After", "")
            if re.fullmatch(r"\d{1,9}", after) and int(after) > MAX_RETRY_AFTER_SECONDS:
                return DroverError(f"{self.name} asks to wait {after} s (HTTP {error.code}): try again then")
            return Again(f"HTTP {error.code} {error.reason}", float(after) if re.fullmatch(r"\d{1,2}", after) else None)
        if error.code in (401, 403):
            if self._token is not None:
                remedy = "check the token, and that its owner was granted access to the model"
            elif re.search("sig|token|expires", urlsplit(self._url).query, re.IGNORECASE):
                remedy = "make a new URL if its signature has expired, or check the address"
            else:
                remedy = "give a token if the model is gated or private, or check the address"
            return DroverError(f"{self.name} refused access (HTTP {error.code}): {remedy}")
        if error.code in (404, 410):
            return DroverError(f"{self.name} does not exist (HTTP {error.code}): check the address")
        if error.code < 400:
            return DroverError(
                f"{self.name} redirects without end or to nowhere (HTTP {error.code}): check the address"
            )
        return DroverError(f"{self.name} cannot be read: HTTP {error.code} {error.reason}")

    def _judged_error(self, error: Exception) -> Exception:
        """What is wrong with the connection: Again when it is worth another attempt, else a DroverError."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        broken = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError, socket.timeout)
        if isinstance(cause, (*broken, http.client.IncompleteRead)):
            return Again(f"the connection broke ({telling_text(str(cause))})")
        if isinstance(cause, ConnectionRefusedError):
            return DroverError(f"{self.name} cannot be reached: connection refused; check the address and the port")
        if isinstance(cause, socket.gaierror):
            return DroverError(f"{self.name} cannot be reached: its host name is unknown; check the address")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DroverError(
                f"{self.name} cannot be trusted: {cause.verify_message}; check the address, or install the certificate "
                "of the authority that signed it (SSL_CERT_FILE names one)"
            )
        return DroverError(f"{self.name} cannot be read: {telling_text(str(cause))}")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only, and keeps the token from other servers (urllib would pass it on)."""

    def __init__(self, file: WebFile):
        self._file = file

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_url(newurl)
        except DroverError as error:
            fp.close()
            raise DroverError(f"{self._file.name} redirects to where we do not follow: {error}") from None
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and self._file.allowed_token(newurl) is None:
            redirected.remove_header("Authorization")
        return redirected


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
