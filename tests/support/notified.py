# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that take notifications, in this process: SMTP with STARTTLS and a login, and HTTP."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "balancer", "s3cret-mail-password"


@dataclass
class Mailbox:
    """A mail server that runs, and what it has got."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.got.append(message_from_bytes(content, policy=policy.default))
        self.logins.append("tls" if session.ssl else "plain")
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _kind: Any, login: Any) -> AuthResult:
        right = isinstance(login, LoginPassword) and (login.login, login.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=right, handled=False)


@contextmanager
def smtp_server(certificate: trustme.LeafCert | None = None) -> Iterator[Mailbox]:
    """A mail server on a free port; with a certificate it demands STARTTLS and USER with PASSWORD."""
    mailbox = Mailbox()
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": mailbox.authenticate,
        }
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(mailbox, loop=loop, **options), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class HttpServer:
    """An HTTP server that runs; it answers with `status` and `answer`, or never while `hangs` is set."""

    url: str = ""
    port: int = 0
    got: list[Call] = field(default_factory=list)
    status: int = 200
    answer: bytes = b'{"ok": true}'
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def http_server() -> Iterator[HttpServer]:
    """An HTTP server on a free port of the loopback."""
    shared = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shared.got.append(Call(self.command, self.path, dict(self.headers), body))
            if shared.hangs:
                shared.released.wait()
                return
            self.send_response(shared.status)
            self.send_header("Content-Length", str(len(shared.answer)))
            self.end_headers()
            self.wfile.write(shared.answer)

        do_GET = do_POST = do_PUT = do_DELETE = _take  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shared.port = server.server_address[1]
    shared.url = f"http://127.0.0.1:{shared.port}"
    try:
        yield shared
    finally:
        shared.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
