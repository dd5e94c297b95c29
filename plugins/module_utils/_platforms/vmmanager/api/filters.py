# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's filter language, as far as it is documented: EQ, AND, OR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from ...values import Row

# Fields that all have these values (whole numbers or texts); of several such, any.
Condition = Mapping[str, object]
Where = Sequence[Condition]


def ids(values: Sequence[str]) -> Where:
    """Any of the objects with these ids."""
    return [{"id": int(value)} for value in values]


def query(where: Where) -> str:
    """The part of a URL behind the question mark. Other clients leave brackets and quotes as they are too."""
    return f"where={quote(_any([_all(condition) for condition in where]), safe=_SAFE)}"


def matching(rows: Iterable[Row], where: Where) -> list[Row]:
    """Those that match any of the conditions."""
    wanted: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for condition in where:
        wanted.setdefault(tuple(condition), set()).add(tuple(map(str, condition.values())))
    return [
        row
        for row in rows
        if any(tuple(str(row.get(field)) for field in fields) in values for fields, values in wanted.items())
    ]


_SAFE = "()'"


def _any(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})"


def _all(condition: Condition) -> str:
    texts = [f"({field} EQ {_value(value)})" for field, value in condition.items()]
    return texts[0] if len(texts) == 1 else f"({' AND '.join(texts)})"


def _value(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "") + "'"
