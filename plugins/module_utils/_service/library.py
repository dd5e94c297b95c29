# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports what the service's endpoints require."""

from __future__ import annotations

import sys
from typing import Any

from .errors import ServiceLibraryMissing

aiohttp: Any = None
web: Any = None
try:
    import aiohttp as _aiohttp
    from aiohttp import web as _web
except ImportError:
    pass
else:
    aiohttp, web = _aiohttp, _web

aio_pika: Any = None
try:
    import aio_pika as _aio_pika
except ImportError:
    pass
else:
    aio_pika = _aio_pika

nats: Any = None
try:
    import nats as _nats
except ImportError:
    pass
else:
    nats = _nats

aiokafka: Any = None
try:
    import aiokafka as _aiokafka
except ImportError:
    pass
else:
    aiokafka = _aiokafka

jinja2: Any = None
try:
    import jinja2 as _jinja2
except ImportError:
    pass
else:
    jinja2 = _jinja2

prometheus: Any = None
try:
    import prometheus_client as _prometheus
except ImportError:
    pass
else:
    prometheus = _prometheus


def require(library: Any, name: str, why: str) -> None:
    """Raises ServiceLibraryMissing when a library is not installed."""
    if library is None:
        raise ServiceLibraryMissing(
            f"the Python library {name} is not installed",
            where=why,
            hint=f"Run {sys.executable} -m pip install {name}",
        )
