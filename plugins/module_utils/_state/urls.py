# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of a state URL that can be read without SQLAlchemy."""

from __future__ import annotations

from pathlib import Path

SQLITE = ("sqlite", "sqlite+pysqlite")
_MEMORY = ("", ":memory:")


def sqlite_file(url: str) -> Path | None:
    """The file that a URL names; None for one in memory and for other databases."""
    scheme, _separator, path = url.partition(":///")
    if scheme not in SQLITE or path in _MEMORY:
        return None
    return Path(path.partition("?")[0]).expanduser()


def is_forgotten(url: str) -> bool:
    """Whether the database is one in memory, which ends with the process."""
    scheme, _separator, rest = url.partition("://")
    return scheme in SQLITE and rest.lstrip("/") in _MEMORY
