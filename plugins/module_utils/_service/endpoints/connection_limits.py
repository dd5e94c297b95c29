# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of what connections to the service take: how many there are, and for how long each may say nothing.

A caller that never ends a header or a body would otherwise keep a connection, and with enough of them the
service, for itself.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from typing import Any, cast

log = logging.getLogger("evenkeel.service")
HANDSHAKE_SECONDS = 10.0
IDLE_SECONDS = 30.0
# Files that are not connections: the database, logs, the playbooks' pipes.
_OTHER_FILES = 100
_MIN_CONNECTIONS = 8
_LOG_SECONDS = 60.0
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


class ConnectionLimiter:
    """Lets connections in, and out when their time is over."""

    def __init__(
        self, connections: int, head_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = min(connections, _possible())
        self._head_seconds = head_seconds
        self._monotonic = monotonic
        self._visitors: dict[Any, _LimitedConnection] = {}
        self._logged: dict[str, float] = {}

    def admit(self, inner: asyncio.Protocol) -> asyncio.Protocol:
        """A protocol around that of the server."""
        return _LimitedConnection(self, inner)

    def limit(self, transport: object, seconds: float | None) -> None:
        """From now on, for so long may a connection stay as it is; None: as long as it takes us."""
        visitor = self._visitors.get(transport)
        if visitor is not None:
            visitor.limit(seconds)

    def enter(self, visitor: _LimitedConnection, transport: asyncio.Transport) -> bool:
        if len(self._visitors) >= self._most:
            self.log_seldom(f"more than {self._most} connections at the same time: new ones are refused")
            return False
        self._visitors[transport] = visitor
        visitor.limit(self._head_seconds)
        return True

    def leave(self, transport: object) -> None:
        self._visitors.pop(transport, None)

    def watch(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Log seldom what the loop says of connections that it can't accept. Returns the undoing of it."""
        before = loop.get_exception_handler()

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if "socket.accept()" in str(context.get("message")):
                self.log_seldom(f"connections can't be accepted: {context.get('exception')}")
            elif before is None:
                loop.default_exception_handler(context)
            else:
                before(loop, context)

        loop.set_exception_handler(handler)
        return lambda: loop.set_exception_handler(before)

    def log_seldom(self, text: str) -> None:
        """Once a minute at most."""
        moment = self._monotonic()
        if moment - self._logged.get(text, -_LOG_SECONDS) >= _LOG_SECONDS:
            self._logged[text] = moment
            log.error("%s", text)


class _LimitedConnection(asyncio.Protocol):
    """One connection."""

    def __init__(self, limiter: ConnectionLimiter, inner: asyncio.Protocol) -> None:
        self._limiter = limiter
        self._inner: asyncio.Protocol | None = inner
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None

    def limit(self, seconds: float | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = None
        if seconds is not None and self._transport is not None:
            self._end = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Other event loops have transports of no common class.
        stream = self._transport = cast(asyncio.Transport, transport)
        if self._inner is not None and self._limiter.enter(self, stream):
            self._inner.connection_made(stream)
        else:
            self._inner = None
            stream.write(_FULL)
            stream.close()

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.limit(None)
        self._limiter.leave(self._transport)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()


def _possible() -> int:
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 10**6 if files == resource.RLIM_INFINITY else files
    return max(_MIN_CONNECTIONS, most - _OTHER_FILES)
