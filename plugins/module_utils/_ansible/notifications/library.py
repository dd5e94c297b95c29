# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports Apprise, which only notifications need."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import LibraryMissing

apprise: Any = None
try:
    import apprise as _apprise
except ImportError:
    pass
else:
    apprise = _apprise


def require(where: str) -> None:
    """Raises LibraryMissing when Apprise is not installed."""
    if apprise is None:
        raise LibraryMissing(
            "the Python library Apprise is not installed",
            where=where,
            hint=f"Run {sys.executable} -m pip install apprise",
        )
