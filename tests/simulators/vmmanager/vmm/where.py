# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter language of the lists: EQ, CP, AND, OR and brackets."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence

from .errors import ApiError, Silent

Row = Mapping[str, object]
Test = Callable[[Row], bool]
_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|'(?P<text>[^']*)'|(?P<word>[^\s()']+))")


def parse(text: str, known: Sequence[str]) -> Test:
    """A test of rows. Raises ApiError for what can't be read, or names a field that the rows lack."""
    tokens = _tokens(text)
    test, rest = _expression(tokens, known)
    if rest:
        raise _wrong(text)
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _wrong(text)
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _expression(tokens: list[tuple[str, str]], known: Sequence[str]) -> tuple[Test, list[tuple[str, str]]]:
    if not tokens:
        raise _wrong("")
    if tokens[0] != ("bracket", "("):
        return _condition(tokens, known)
    test, rest = _expression(tokens[1:], known)
    while rest and rest[0][0] == "word" and rest[0][1] in ("AND", "OR"):
        other, after = _expression(rest[1:], known)
        test, rest = _joined(rest[0][1], test, other), after
    if not rest or rest[0] != ("bracket", ")"):
        raise _wrong("brackets")
    return test, rest[1:]


def _joined(word: str, one: Test, other: Test) -> Test:
    if word == "AND":
        return lambda row: one(row) and other(row)
    return lambda row: one(row) or other(row)


def _condition(tokens: list[tuple[str, str]], known: Sequence[str]) -> tuple[Test, list[tuple[str, str]]]:
    if len(tokens) < 3 or tokens[0][0] != "word" or tokens[2][0] == "bracket":
        raise _wrong("a condition")
    field, operator, value = tokens[0][1], tokens[1][1], tokens[2][1]
    if field not in known:
        raise ApiError(2001, "unknown field", value={"field": field})

    def holds(row: Row) -> bool:
        found = row.get(field)
        if isinstance(found, (dict, list)):
            # Filters on related objects are reported to end like this.
            raise Silent(500)
        if operator == "EQ":
            return str(found) == value
        return fnmatch.fnmatchcase(str(found), value.replace("%", "*"))

    if operator not in ("EQ", "CP"):
        raise _wrong(operator)
    return holds, tokens[3:]


def _wrong(what: str) -> ApiError:
    return ApiError(2000, f"the filter can't be read: {what}")
