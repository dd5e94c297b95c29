# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The route of metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..._state.errors import StateError
from ..config import Http
from ..errors import ServiceLibraryMissing
from ..library import web
from ..metrics import exposition, figures
from ..openapi import error_answer
from .routes import Access, Exchange, Route, refusal

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse

log = logging.getLogger("evenkeel.service")
_MISSING = "The Python library prometheus-client is not installed where the service runs"


async def metrics(exchange: Exchange) -> StreamResponse:
    """Return the metrics. Without a database these say so."""
    try:
        found = await exchange.intake.ask(figures)
    except StateError as error:
        log.error("metrics: %s", error)
        found = None
    try:
        body, kind = exposition(found)
    except ServiceLibraryMissing:
        return refusal(501, "ServiceLibraryMissing", _MISSING)
    response: StreamResponse = web.Response(body=body, headers={"Content-Type": kind})
    return response


def _access(http: Http) -> Access:
    return http.metrics


_METRICS = {
    "operationId": "metrics",
    "summary": "Return metrics for Prometheus",
    "description": "http.metrics decides whether a token is required, and whether there is this path at all.",
    "responses": {
        200: {
            "description": "Metrics in the text format of Prometheus",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        501: error_answer("The library for metrics is missing", "ServiceLibraryMissing", _MISSING),
    },
}

ROUTES = (Route(method="GET", path="/metrics", handler=metrics, operation=_METRICS, access=_access),)
