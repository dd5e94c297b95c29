# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of servers on the loopback interface, right and wrong ones."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

# What is wrong with each, in words that every library of TLS has for it.
WRONG = {
    "expired": "expired",
    "of another name": "127.0.0.1",
    "of another authority": "verify failed",
}


class Authority:
    """Its own certificate is at `path`."""

    def __init__(self, folder: Path) -> None:
        self._ours, self._other = trustme.CA(), trustme.CA()
        self.path = folder / "authority.pem"
        self._ours.cert_pem.write_to_path(str(self.path))

    def issue(self, what: str) -> trustme.LeafCert:
        """One that is `right`, or wrong in one of the ways of `WRONG`."""
        past = datetime.now(UTC) - timedelta(days=1)
        if what == "expired":
            return self._ours.issue_cert("127.0.0.1", not_after=past)
        if what == "of another authority":
            return self._other.issue_cert("127.0.0.1")
        return self._ours.issue_cert("127.0.0.1" if what == "right" else "db.example.com")


@contextmanager
def listening(certificate: trustme.LeafCert) -> Iterator[int]:
    """A server that speaks TLS and answers HTTP with an error; gives its port."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            # Whoever does not like the certificate hangs up.
            pass

    server = Server(("127.0.0.1", 0), Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
