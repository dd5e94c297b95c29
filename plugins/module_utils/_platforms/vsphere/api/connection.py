# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a vCenter is and how to reach it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from ...._model.errors import InputError
from ...connection import trusting
from .https import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class VSphereConnection:
    """Where a vCenter is, who asks, which of its clusters is meant, and over how long loads are averaged.

    `timeout`: seconds that the server may stay silent. `window_seconds`: 0 for the present loads.
    `history_seconds`: how far back migrations are looked for, 0 for not at all. `storage`: whether what only
    plans for datastores need is read.
    """

    hostname: str
    username: str
    password: str = field(repr=False)
    port: int = 443
    validate_certs: bool = True
    ca_path: str | None = None
    proxy_host: str | None = None
    proxy_port: int | None = None
    datacenter: str | None = None
    cluster: str | None = None
    window_seconds: int = 0
    history_seconds: int = 0
    timeout: float = 30.0
    storage: bool = True


def endpoint_of(connection: VSphereConnection) -> Endpoint:
    """Raises InputError where the proxy is incomplete or the certificates cannot be read."""
    proxy = None
    if connection.proxy_host and connection.proxy_port:
        proxy = (connection.proxy_host, connection.proxy_port)
    elif connection.proxy_host:
        raise InputError.required("proxy_port", when="proxy_host is set")
    elif connection.proxy_port:
        raise InputError.required("proxy_host", when="proxy_port is set")
    return Endpoint(
        hostname=connection.hostname.strip("[]"),
        port=connection.port,
        context=_context(connection),
        timeout=connection.timeout,
        proxy=proxy,
    )


def _context(connection: VSphereConnection) -> ssl.SSLContext:
    """Always our own: libraries trust anyone when they are asked to connect to the local machine."""
    context = trusting(connection.ca_path)
    if not connection.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
