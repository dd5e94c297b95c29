# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All tables of routes."""

from __future__ import annotations

from . import compatibility_routes, document_routes, metrics_routes, request_routes
from .routes import Route

ROUTES: tuple[Route, ...] = (
    *request_routes.ROUTES,
    *document_routes.ROUTES,
    *metrics_routes.ROUTES,
    *compatibility_routes.ROUTES,
)
