# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regular expressions of users and callers, which always come to an end.

Python's engine goes back and tries again, for some expressions exponentially often. Those are matched by
Google's RE2, which takes linear time, where that library is installed, and are refused elsewhere.
"""

from __future__ import annotations

import importlib
import re
import warnings
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ..errors import InputError

re2: Any = None
with suppress(ImportError):
    re2 = importlib.import_module("re2")

_MAX_CHARACTERS = 1000
# Repeats without a close limit that may stand one after the other: the time grows with their power.
_MAX_REPEATS = 3
_MAX_TIMES = 16
# In which what has close limits, and what stands between |, may match.
_MAX_WAYS = 20_000
_RE2_BYTES = 8 * 1024**2


def check_regex(regex: str | None, path: str) -> None:
    """Raises InputError for what is no regular expression, or might not come to an end; None is none."""
    if regex is None:
        return
    try:
        compiled(regex)
    except InputError as error:
        raise error.under(path) from None


@lru_cache(maxsize=256)
def compiled(regex: str) -> Any:
    """With `match`, `search` and `fullmatch` as compiled expressions of `re` have them. Raises InputError."""
    if len(regex) > _MAX_CHARACTERS:
        raise InputError("", regex, f"a regular expression of at most {_MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            # Of what may mean something else one day.
            warnings.simplefilter("ignore")
            expression = re.compile(regex)
            steady = _is_steady(_parser().parse(regex))
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise InputError("", regex, f"a regular expression: {error}") from None
    except MemoryError:
        raise InputError("", regex, "a regular expression that fits into memory") from None
    return expression if steady else _linear(regex)


def _linear(regex: str) -> Any:
    hint = "Use no repeat within a repeat, and at most three of * and + in a row"
    if re2 is None:
        raise InputError(
            "", regex, "a regular expression that always comes to an end soon",
            hint=f"{hint}, or install the Python library google-re2",
        )  # fmt: skip
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_BYTES
    try:
        return re2.compile(regex, options)
    except re2.error:
        raise InputError(
            "", regex, "a regular expression that always comes to an end soon", hint=hint
        ) from None


def _parser() -> Any:
    return importlib.import_module("re._parser")


def _is_steady(parsed: Any) -> bool:
    """Whether going back can cost no more than a small power of the length of the text."""
    repeats, ways = 0, 1
    # Parts, each with how often it may be repeated by what it stands in.
    stack = [(parsed, 1)]
    while stack:
        items, times = stack.pop()
        for operation, argument in items:
            name, choices = str(operation), 1
            parts: tuple[Any, ...] = ()
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                least, most, body = argument
                repeats += most > _MAX_TIMES
                if times > 1 and most > _MAX_TIMES and least != most:
                    return False
                choices = min(most, _MAX_TIMES) - min(least, _MAX_TIMES) + 1
                stack.append((body, times * min(most, _MAX_WAYS)))
            elif name == "BRANCH":
                parts, choices = argument[1], len(argument[1])
            elif name == "SUBPATTERN":
                parts = (argument[3],)
            elif name in ("ASSERT", "ASSERT_NOT"):
                parts = (argument[1],)
            elif name == "ATOMIC_GROUP":
                parts = (argument,)
            elif name == "GROUPREF_EXISTS":
                parts, choices = argument[1:], 2
            stack.extend((part, times) for part in parts if part is not None)
            if choices > 1:
                ways *= choices ** min(times, _MAX_TIMES)
            if ways > _MAX_WAYS:
                return False
    return repeats <= _MAX_REPEATS
