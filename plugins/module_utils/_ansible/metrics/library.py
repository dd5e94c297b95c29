# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports prometheus_client, which only metrics need."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import LibraryMissing

prometheus: Any = None
core: Any = None
parser: Any = None
try:
    import prometheus_client as _prometheus
    from prometheus_client import core as _core
    from prometheus_client import parser as _parser
except ImportError:
    pass
else:
    prometheus, core, parser = _prometheus, _core, _parser


def require(where: str) -> None:
    """Raises LibraryMissing when prometheus_client is not installed."""
    if prometheus is None:
        raise LibraryMissing(
            "the Python library prometheus_client is not installed",
            where=where,
            hint=f"Run {sys.executable} -m pip install prometheus-client",
        )
