# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that imports SQLAlchemy, which only those need who keep state."""

from __future__ import annotations

import sys
from typing import Any

from .errors import StateLibraryMissing

sa: Any = None
try:
    import sqlalchemy
except ImportError:
    pass
else:
    sa = sqlalchemy


def require() -> None:
    """Raises StateLibraryMissing when SQLAlchemy is not installed, or too old."""
    found = None if sa is None else sa.__version__
    if found is None or int(found.split(".")[0]) < 2:
        raise StateLibraryMissing(
            "the Python library SQLAlchemy is not installed"
            if found is None
            else f"SQLAlchemy {found} is too old, version 2 is needed",
            where="state_url",
            hint=f"Run {sys.executable} -m pip install 'sqlalchemy>=2'",
        )
