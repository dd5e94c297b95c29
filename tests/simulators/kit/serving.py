# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator as a process: its command line, its TLS, its beginning and its end.

Started by launch.py: it says on one line where it listens, and ends when it is told to or when whoever keeps
it is gone.
"""

from __future__ import annotations

import argparse
import json
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .errors import SnapshotError


class TlsServer(ThreadingHTTPServer):
    """A thread for each connection; the TLS handshake is the connection's own work (`shake_hands`)."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext
    ) -> None:
        super().__init__(address, handler)
        self.tls = tls

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class TlsHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 120

    def setup(self) -> None:
        self.request.settimeout(20)
        self.request.do_handshake()
        super().setup()

    def answer(self) -> None:
        """Any request; a platform's own."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Quiet: a test reads /_sim/state for the calls."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send_at_once(self, content: bytes) -> None:
        """One write for the headers so far and the body."""
        head = self._headers_buffer  # type: ignore[attr-defined]
        head.append(b"\r\n")
        head.append(content)
        self.flush_headers()


def parser_of(description: str, user: str) -> argparse.ArgumentParser:
    """The options that every simulator takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--snapshot", action="append", required=True, metavar="FILE")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--tls-cert", required=True, metavar="FILE")
    parser.add_argument("--tls-key", required=True, metavar="FILE")
    parser.add_argument("--user", default=user)
    parser.add_argument("--password", default="secret")
    parser.add_argument("--migration-seconds", type=float, default=0.2, metavar="X")
    parser.add_argument("--switches", metavar="FILE", help="JSON with faults and delays to start with")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input is closed")
    return parser


def tls_of(options: argparse.Namespace) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.tls_cert, options.tls_key)
    return tls


def address_of(options: argparse.Namespace) -> tuple[str, int]:
    host, _, port = options.listen.rpartition(":")
    return host, int(port)


def read_json(path: str) -> Mapping[str, Any]:
    try:
        result: Mapping[str, Any] = json.loads(Path(path).read_text())
    except ValueError as error:
        raise SnapshotError(f"{path} is not JSON: {error}") from error
    return result


def run(options: argparse.Namespace, make: Callable[[argparse.Namespace], Sequence[TlsServer]]) -> int:
    """Serve until told to stop."""
    try:
        servers = make(options)
    except (SnapshotError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    if options.exit_with_stdin:
        threading.Thread(target=_wait_for_closed_stdin, args=(over,), daemon=True).start()
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    host = servers[0].server_address[0]
    ports = [server.server_address[1] for server in servers]
    print(json.dumps({"ready": True, "host": host, "port": ports[0], "ports": ports}), flush=True)
    over.wait()
    for server in servers:
        server.shutdown()
        server.server_close()
    return 0


def _wait_for_closed_stdin(over: threading.Event) -> None:
    sys.stdin.buffer.read()
    over.set()
