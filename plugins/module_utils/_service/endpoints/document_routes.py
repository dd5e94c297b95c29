# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that describe the others: an OpenAPI document, and a page of it for people."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from ..config import Http
from ..docs_page import Page, docs_page
from ..library import web
from ..openapi import openapi_document
from .routes import Exchange, Route, without_token

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse


async def document(exchange: Exchange) -> StreamResponse:
    """Return the OpenAPI document of the routes that are served."""
    response: StreamResponse = web.Response(
        text=_document(exchange.routes, _http(exchange)), content_type="application/json", headers=_ANY_ORIGIN
    )
    return response


async def page(exchange: Exchange) -> StreamResponse:
    """Return the same as a page."""
    found = _page(exchange.routes, _http(exchange))
    headers = {
        "Content-Security-Policy": found.policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    response: StreamResponse = web.Response(text=found.html, content_type="text/html", headers=headers)
    return response


# Whoever may reach the service may read how it is used, a viewer of such documents on another site too.
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


@lru_cache(maxsize=8)
def _document(routes: tuple[Route, ...], http: Http) -> str:
    return json.dumps(openapi_document(routes, http))


@lru_cache(maxsize=8)
def _page(routes: tuple[Route, ...], http: Http) -> Page:
    return docs_page(openapi_document(routes, http))


def _http(exchange: Exchange) -> Http:
    return exchange.intake.config.http or Http()


_DOCUMENT = {
    "operationId": "openapi",
    "summary": "Return this description as an OpenAPI document",
    "responses": {
        200: {
            "description": "The document",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
}
_PAGE = {
    "operationId": "docs",
    "summary": "Return this description as a page",
    "responses": {
        200: {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}},
    },
}

ROUTES = (
    Route(method="GET", path="/openapi.json", handler=document, operation=_DOCUMENT, access=without_token),
    Route(method="GET", path="/docs", handler=page, operation=_PAGE, access=without_token),
)
