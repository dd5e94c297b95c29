# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in browsers: textual-serve behind a token.

Each browser has a process of its own. The token is in the address at the first visit and in a cookie after
it; a reverse proxy may send it as a header instead.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import ipaddress
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from string import Template
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError

from .arguments import HANDED_ON, NAME, Start, command, handed_on

TOKEN_VARIABLE = "EVENKEEL_CONSOLE_TOKEN"
COOKIE = "evenkeel_console_{port}"
"""Each port has its own: browsers send cookies to all ports of a name."""
HEADER = "X-Evenkeel-Token"
_PARAMETER = "token"
_SHORTEST_TOKEN = 16
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:;"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Nothing of it is loaded from elsewhere: clusters are run where there is no internet.
_PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Even Keel</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/css/xterm.css">
<script src="static/js/textual.js"></script>
<script src="console.js"></script>
<style>
body { margin: 0; background: #121212; color: #e0e0e0; font-family: monospace; }
.message { display: none; padding: 2em; }
.message a { color: #7fb4ff; }
body:not(.-first-byte):not(.-closed) .starting, body.-closed .closed { display: block; }
body.-closed .textual-terminal { display: none; }
.textual-terminal { width: 100vw; height: 100vh; }
</style>
</head>
<body>
<p class="message starting">The console starts …</p>
<p class="message closed">The console has ended. <a href="">Start it again</a></p>
<div id="terminal" class="textual-terminal" data-session-websocket-url="$socket" data-font-size="$size"></div>
</body>
</html>
"""
)
# Keys reach the console without a click into it first.
_SCRIPT = """
addEventListener("DOMContentLoaded", () => {
  const focus = () => document.querySelector("#terminal textarea")?.focus();
  new MutationObserver(focus).observe(document.body, {attributeFilter: ["class"]});
  addEventListener("focus", focus);
});
"""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(start: Start) -> int:
    """Serve browsers until the process is told to end. Returns the exit code."""
    given = os.environ.pop(TOKEN_VARIABLE, "")
    token = _token(given)
    os.environ[HANDED_ON] = handed_on(start)
    options = start.options
    try:
        asyncio.run(_serve(options.bind, options.port, options.public_url, token, shown=not given))
    except OSError as error:
        raise EvenKeelError(
            f"{options.bind}:{options.port} can't be used: {error.strerror or error}",
            where="--serve",
            hint="Choose another --bind or --port",
        ) from None
    return 0


def _token(given: str) -> str:
    """The token that the user has set, or a new one."""
    if given and len(given) < _SHORTEST_TOKEN:
        raise InputError(
            TOKEN_VARIABLE,
            "",
            "a token",
            statement=f" has {len(given)} characters, at least {_SHORTEST_TOKEN} are required",
        )
    return given or secrets.token_urlsafe(32)


async def _serve(bind: str, port: int, public_url: str | None, token: str, *, shown: bool) -> None:
    server = ConsoleServer(bind, port, public_url, token)
    runner = web.AppRunner(await server._make_app(), access_log=None, handle_signals=False)
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.TCPSite(runner, bind, port, shutdown_timeout=5).start()
        real_port = runner.addresses[0][1]
        server.take_port(real_port)
        _announce(bind, server.public_address, token if shown else "")
        await stop.wait()
    finally:
        await runner.cleanup()


def _announce(bind: str, address: str, token: str) -> None:
    """A token that the user has set is a secret of theirs, and does not belong into a log."""
    if not _is_loopback(bind):
        sys.stderr.write(
            f"{NAME}: warning: --bind {bind} lets other machines reach the console, without encryption. Put a"
            " reverse proxy with TLS in front of it, and bind it to 127.0.0.1.\n"
        )
    query = f"?{_PARAMETER}={token}" if token else f" with the token of {TOKEN_VARIABLE}"
    sys.stdout.write(f"Open {address}/{query}\nEnd with Ctrl+C.\n")
    sys.stdout.flush()


def _is_loopback(bind: str) -> bool:
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


class ConsoleServer(Server):
    """Starts a console for each browser that knows the token."""

    def __init__(self, bind: str, port: int, public_url: str | None, token: str) -> None:
        super().__init__(command(), host=bind, port=port, title="Even Keel", public_url=public_url)
        self._behind_proxy = public_url is not None
        self._own_token = token

    def take_port(self, port: int) -> None:
        """The port that the system has chosen, where it was to choose one."""
        self.port = port

    @property
    def _cookie(self) -> str:
        return COOKIE.format(port=self.port)

    @property
    def public_address(self) -> str:
        """The address that is shown to the user."""
        if self._behind_proxy:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.router.add_get("/console.js", self._script)
        app.middlewares.append(self._guard())
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Says nothing: the address has a token."""

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        size = request.query.get("fontsize", "")
        page = _PAGE.substitute(
            socket=html.escape(self._socket_address(request)),
            size=size if size.isdecimal() and 4 <= int(size) <= 60 else "16",
        )
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def _script(self, _request: web.Request) -> web.Response:
        return web.Response(text=_SCRIPT, content_type="text/javascript", headers=_HEADERS)

    def _socket_address(self, request: web.Request) -> str:
        if self._behind_proxy:
            public = urlsplit(self.public_address)
            scheme = "wss" if public.scheme == "https" else "ws"
            return f"{scheme}://{public.netloc}{public.path}/ws"
        return f"ws://{request.host}/ws"

    def _guard(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            asked = request.query.get(_PARAMETER)
            given = (request.cookies.get(self._cookie), request.headers.get(HEADER), asked)
            if not any(one is not None and self._is_token(one) for one in given):
                return _refused("The token is missing or wrong. Open the address that the console shows.")
            if not self._is_own_host(request):
                return _refused("The console is not served under this name.")
            if request.path == "/ws" and not self._is_own_origin(request):
                return _refused("Another site may not use the console.")
            if asked is not None and self._is_token(asked):
                # So that the token leaves the address bar and the history of the browser.
                return self._with_cookie()
            return await handler(request)

        return guard

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._own_token.encode())

    def _is_own_host(self, request: web.Request) -> bool:
        """A name that resolves to this machine, but that somebody else owns, is not ours."""
        if not _is_loopback(self.host):
            return True
        name = (urlsplit(f"//{request.host}").hostname or "").lower()
        public = urlsplit(self.public_address).hostname
        return name in ("localhost", public) or (name != "" and _is_loopback(name))

    def _is_own_origin(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin", "")
        if self._behind_proxy:
            public = urlsplit(self.public_address)
            return origin == f"{public.scheme}://{public.netloc}"
        return origin == f"http://{request.host}"

    def _with_cookie(self) -> web.Response:
        response = web.Response(status=302, headers={**_HEADERS, "Location": "./"})
        response.set_cookie(
            self._cookie,
            self._own_token,
            httponly=True,
            samesite="Lax",
            secure=self.public_address.startswith("https://"),
            path=f"{urlsplit(self.public_address).path}/" if self._behind_proxy else "/",
        )
        return response


def _refused(why: str) -> web.Response:
    return web.Response(status=403, text=f"{why}\n", headers=_HEADERS)
