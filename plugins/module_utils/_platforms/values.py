# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of JSON that adapters expect of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.errors import shortened
from .errors import UnexpectedAnswer

Row = Mapping[str, Any]


def row(value: object, where: str) -> Row:
    """The answer of the call `where`, which must be an object. Raises UnexpectedAnswer."""
    if isinstance(value, dict):
        return value
    raise UnexpectedAnswer(f"{shortened(value)} is not an object", where=where)


def rows(value: object, where: str) -> list[Row]:
    """The answer of the call `where`, which must be a list of objects. Raises UnexpectedAnswer."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise UnexpectedAnswer(f"{shortened(value)} is not a list of objects", where=where)
