# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route of the HTTP endpoint consists of, and how it answers.

A table of routes is a tuple of `Route`; `tables.py` lists the tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..config import Http
from ..intake import Intake
from ..library import web
from .connection_limits import ConnectionLimiter

if TYPE_CHECKING:
    from aiohttp.web import Request, StreamResponse

Access = Literal["open", "token", "off"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of a caller. `routes` are all that are served."""

    request: Request
    intake: Intake
    routes: tuple[Route, ...]
    limiter: ConnectionLimiter

    async def body(self) -> bytes:
        """The whole body. The time that it may take to arrive is over then."""
        body: bytes = await self.request.read()
        self.limiter.limit(self.request.transport, None)
        return body


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> StreamResponse:
    """JSON."""
    response: StreamResponse = web.json_response(body, status=status, headers=headers)
    return response


def refusal(status: int, kind: str, message: str, **more: str) -> StreamResponse:
    """An error, with the name of its type and words for people."""
    return answer(status, {"error": {"type": kind, "message": message, **more}})


def with_token(_http: Http) -> Access:
    """Callers need a token."""
    return "token"


def without_token(_http: Http) -> Access:
    """Everybody may call."""
    return "open"


# Compared by identity, so that what is made of routes can be kept.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One method of one path.

    `handler` raises InputError, RequestDiffers and StateError for what it can't answer; `refusal` words these
    and all other errors. `operation` is its part of the OpenAPI document, without the answers that all routes
    have in common; an empty one keeps the route out of it. `access` is decided by the configuration when the
    service starts.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[[Exchange], Awaitable[StreamResponse]]
    operation: Mapping[str, Any]
    access: Callable[[Http], Access] = with_token
    refusal: Callable[..., StreamResponse] = field(default=refusal)
