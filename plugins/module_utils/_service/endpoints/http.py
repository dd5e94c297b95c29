# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP endpoint: its server, tokens, and the answer to every error."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..._model.errors import InputError, shortened
from ..._state.errors import StateError
from ..callbacks.signing import secret_of
from ..config import Http
from ..errors import RequestDiffers, SecretMissing
from ..intake import Intake
from ..library import aiohttp, require, web
from .connection_limits import HANDSHAKE_SECONDS, IDLE_SECONDS, ConnectionLimiter
from .routes import Exchange, Route, refusal
from .tables import ROUTES

if TYPE_CHECKING:
    from aiohttp.web import Request, StreamResponse

log = logging.getLogger("evenkeel.service")
_MIN_CHARACTERS = 16


@asynccontextmanager
async def serve_http(
    intake: Intake, http: Http, environment: Mapping[str, str]
) -> AsyncIterator[tuple[str, int]]:
    """Serve requests while the context is open. Returns the host and the port.

    Raises SecretMissing, ServiceLibraryMissing, and InputError for files that can't be used.
    """
    require(aiohttp, "aiohttp", "http")
    limiter = ConnectionLimiter(http.connections, http.head_seconds)
    endpoint = _HttpEndpoint(intake, http, _tokens(http, environment), limiter)

    @web.middleware  # type: ignore[untyped-decorator]
    async def guard(request: Request, handler: Any) -> StreamResponse:
        return await endpoint.guard(request, handler)

    application = web.Application(client_max_size=http.most_bytes, middlewares=[guard])
    for method, path, handler in endpoint.bound():
        # A GET is answered without its body, too.
        add = web.get if method == "GET" else web.post
        application.add_routes([add(path, handler)])
    # Access is not logged: what is asked for is in the database.
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=IDLE_SECONDS)
    await runner.setup()
    loop = asyncio.get_running_loop()
    unwatch = limiter.watch(loop)
    server = None
    try:
        tls = _tls(http)
        try:
            server = await loop.create_server(
                lambda: limiter.admit(runner.server()),
                http.host,
                http.port,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else HANDSHAKE_SECONDS,
            )
        except OSError as error:
            expected = f"an address to listen at: {error.strerror or error}"
            raise InputError("http.port", f"{http.host}:{http.port}", expected) from None
        address = server.sockets[0].getsockname()
        yield str(address[0]), int(address[1])
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()
        unwatch()


def check_http(http: Http, environment: Mapping[str, str]) -> None:
    """Raises what `serve_http` would raise, but for the port."""
    require(aiohttp, "aiohttp", "http")
    _tokens(http, environment)
    _tls(http)


class _HttpEndpoint:
    def __init__(
        self, intake: Intake, http: Http, tokens: tuple[bytes, ...], limiter: ConnectionLimiter
    ) -> None:
        self._intake = intake
        self._http = http
        self._tokens = tokens
        self._limiter = limiter
        self._routes = tuple(route for route in ROUTES if route.access(http) != "off")
        self._by_handler: dict[Any, Route] = {self._handler(route): route for route in self._routes}

    def bound(self) -> list[tuple[str, str, Any]]:
        """Method, path and handler of each route."""
        return [(route.method, route.path, handler) for handler, route in self._by_handler.items()]

    async def guard(self, request: Request, handler: Any) -> StreamResponse:
        """Reject requests without a token, and answer every error."""
        route = self._by_handler.get(request.match_info.handler)
        refuse = refusal if route is None else route.refusal
        is_open = route is not None and route.access(self._http) == "open"
        if not is_open and not self._may(request.headers.get("Authorization", "")):
            answer = refuse(401, "Unauthorized", "a bearer token of the service is required")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        transport = request.transport
        self._limiter.limit(transport, self._http.body_seconds if request.method == "POST" else None)
        try:
            return await self._answered(request, handler, refuse)
        except ConnectionError:
            # Whoever asked is gone.
            raise
        except Exception:
            # The last resort: no request may leave its caller without an answer, whatever is wrong here.
            log.exception("a request ended with an error of the service")
            message = "Internal error of the service; the reason is in its log"
            return refuse(500, "InternalError", message)
        finally:
            self._limiter.limit(transport, IDLE_SECONDS)

    def _handler(self, route: Route) -> Callable[[Request], Awaitable[StreamResponse]]:
        async def handler(request: Request) -> StreamResponse:
            return await route.handler(Exchange(request, self._intake, self._routes, self._limiter))

        return handler

    async def _answered(
        self, request: Request, handler: Any, refuse: Callable[..., StreamResponse]
    ) -> StreamResponse:
        try:
            response: StreamResponse = await handler(request)
        except web.HTTPRequestEntityTooLarge as error:
            return refuse(413, "TooLarge", error.text or "the request is too large")
        except web.HTTPException as error:
            answer = refuse(error.status, error.reason.replace(" ", ""), f"{request.method} {request.path}")
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer
        except InputError as error:
            fields = {"field": error.path, "value": shortened(error.value), "expected": error.expected}
            return refuse(400, "InputError", str(error), **fields)
        except RequestDiffers as error:
            return refuse(409, "RequestDiffers", str(error))
        except StateError as error:
            log.error("a request could not be answered: %s", error)
            answer = refuse(
                503,
                type(error).__name__,
                "The database does not answer. The request was not accepted; send it again",
            )
            answer.headers["Retry-After"] = "5"
            return answer
        return response

    def _may(self, given: str) -> bool:
        scheme, _blank, token = given.partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        # Each is compared, however the others went: time tells nothing.
        fitting = sum(hmac.compare_digest(digest, known) for known in self._tokens)
        return scheme.lower() == "bearer" and fitting > 0


def _tokens(http: Http, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    lines = secret_of(http.token_env, http.token_file, environment, "http").split()
    if any(len(line) < _MIN_CHARACTERS for line in lines):
        raise SecretMissing(
            f"a token has fewer than {_MIN_CHARACTERS} characters",
            where="http",
            hint="Make one: openssl rand -hex 32",
        )
    return tuple(hashlib.sha256(line.encode()).digest() for line in lines)


def _tls(http: Http) -> ssl.SSLContext | None:
    if http.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    field, file = "http.certificate", http.certificate
    try:
        context.load_cert_chain(http.certificate, http.key, password="")
        if http.client_ca is not None:
            field, file = "http.client_ca", http.client_ca
            context.load_verify_locations(http.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise InputError(field, file, f"a file of use: {error.strerror or error}") from None
    return context


def listening(where: tuple[str, int], http: Http) -> str:
    """For the log."""
    host = f"[{where[0]}]" if ":" in where[0] else where[0]
    return f"{'http' if http.certificate is None else 'https'}://{host}:{where[1]}"
