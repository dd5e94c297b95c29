# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a URL tells by itself, to those who may not need SQLAlchemy after all."""

from __future__ import annotations

from pathlib import Path

SQLITE = ("sqlite", "sqlite+pysqlite")


def sqlite_file(url: str) -> Path | None:
    """The file that a URL names; None for one in memory and for other databases."""
    scheme, _separator, path = url.partition(":///")
    if scheme not in SQLITE or path in ("", ":memory:"):
        return None
    return Path(path.partition("?")[0]).expanduser()
