# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kept connection to the server."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import CertificateRefused, PlatformError, Unreachable


class AnswerLost(Unreachable):
    """The request was sent, but no answer came: it may or may not have been run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the server is and how to get there. `timeout`: seconds that it may stay silent."""

    hostname: str
    port: int
    context: ssl.SSLContext
    timeout: float
    proxy: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    body: bytes
    cookie: str | None


class Https:
    """Requests to one endpoint, one at a time. `sent` counts them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.sent = 0
        self._kept: http.client.HTTPSConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool,
    ) -> Answer:
        """Send one request. A repeatable one is sent again when the kept connection turns out to be dead.

        Raises CertificateRefused, or Unreachable when nothing was sent, or AnswerLost.
        """
        if self._kept is not None and repeatable:
            try:
                return self._exchange(self._kept, method, path, body, headers)
            except AnswerLost as error:
                if isinstance(error.__cause__, TimeoutError):
                    raise
        self.close()
        self._kept = self._connect()
        return self._exchange(self._kept, method, path, body, headers)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connect(self) -> http.client.HTTPSConnection:
        endpoint = self.endpoint
        host, port = endpoint.proxy or (endpoint.hostname, endpoint.port)
        connection = http.client.HTTPSConnection(
            host, port, timeout=endpoint.timeout, context=endpoint.context
        )
        if endpoint.proxy:
            connection.set_tunnel(endpoint.hostname, endpoint.port)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _unconnected(endpoint, error) from None
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        self.sent += 1
        try:
            connection.request(method, path, body, {"Accept-Encoding": "gzip", **(headers or {})})
            response = connection.getresponse()
            content = response.read()
            if response.getheader("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            self.close()
            raise AnswerLost(
                f"the answer did not come: {_reason(error, self.endpoint)}", where=str(self.endpoint)
            ) from error
        return Answer(response.status, response.reason, content, response.getheader("Set-Cookie"))


def _unconnected(endpoint: Endpoint, error: Exception) -> PlatformError:
    where = str(endpoint)
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(
            f"the certificate does not verify: {error.verify_message}",
            where=where,
            hint="Set ca_path to the file of its CA, or validate_certs: false to trust anyone",
        )
    way = f" through the proxy {endpoint.proxy[0]}:{endpoint.proxy[1]}" if endpoint.proxy else ""
    return Unreachable(
        f"no connection{way}: {_reason(error, endpoint)}",
        where=where,
        hint="Check hostname and port, and that this machine may reach them",
    )


def _reason(error: Exception, endpoint: Endpoint) -> str:
    if isinstance(error, TimeoutError):
        return f"silence for {endpoint.timeout:g} seconds"
    if isinstance(error, socket.gaierror):
        return "the name can't be resolved"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed ({error.reason or error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
