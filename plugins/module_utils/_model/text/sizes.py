# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and times as people write them."""

from __future__ import annotations

import re

from ..errors import InputError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:i?B)?|(B))?", re.IGNORECASE)
# More than any size needs, and so few that the number is finite.
_MAX_DIGITS = 40
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_TIME = re.compile(
    r"(\d+(?:\.\d+)?)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d|weeks?|w)(?![a-z])\s*",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# 30 years.
_LONGEST = 1_000_000_000


def size_of(value: object, option: str, least: int = 0) -> int | None:
    """Bytes: `103079215104`, `96G`, `96GiB` and `96 GB` are the same, a G being 1024³ here as in Ansible.

    Raises InputError for what is none, and for a number without a unit that is smaller than `least` and not
    0: it counts MiB or GiB, as a rule.
    """
    if value is None:
        return None
    text = _text(value)
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InputError(option, value, "a size of at least 0, such as 96G")
    number, unit, in_bytes = found.groups()
    if len(number) > _MAX_DIGITS:
        raise InputError(option, value, f"a size of at most {_MAX_DIGITS} digits")
    factor = 1024 ** _POWERS[unit.upper()] if unit else 1
    # A whole number of bytes, however large, is not to pass through a float.
    size = int(number) * factor if "." not in number else round(float(number) * factor)
    if not unit and not in_bytes and 0 < size < least:
        meant = f"{number}M" if size >= 1024 else f"{number}G or {number}M"
        raise InputError(
            option,
            value,
            "a size with a unit",
            statement=f": {text} has no unit and counts bytes",
            hint=f"Did you mean {meant}? For bytes, write {number}B",
        )
    return size


def kibibytes_of(value: object, option: str, least: int = 0) -> int | None:
    """KiB: `102400` and `100M` are the same. Raises InputError as `size_of` does."""
    text = _text(value)
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        size = size_of(value, option)
        return None if size is None else size // 1024
    if 0 < int(text) < least:
        raise InputError(
            option,
            value,
            "a size with a unit",
            statement=f": {text} has no unit and counts KiB",
            hint=f"Did you mean {text}M? For KiB, write {text}K",
        )
    return int(text)


def seconds_of(value: object, option: str, least: float = 0) -> float | None:
    """Seconds: `5400`, `5400s`, `90m`, `1.5h` and `1h 30m` are the same.

    Raises InputError for what is none, and for a number without a unit that is smaller than `least` and not
    0: it counts minutes, as a rule.
    """
    if value is None:
        return None
    text = _text(value)
    seconds = number_of(value)
    bare = seconds is not None
    if seconds is None:
        parts = _TIME.findall(text)
        if not parts or _TIME.sub("", text):
            raise InputError(option, value, "a time in seconds, or with a unit such as 90s, 30m, 2h or 1d")
        seconds = sum((float(number) * _SECONDS[unit[0].lower()] for number, unit in parts), 0.0)
    if not -_LONGEST <= seconds <= _LONGEST:
        raise InputError(option, seconds, f"a number between -{_LONGEST} and {_LONGEST}")
    if bare and 0 < seconds < least:
        raise InputError(
            option,
            value,
            "a time with a unit",
            statement=f": {text} has no unit and counts seconds",
            hint=f"Did you mean {seconds:g}m? For seconds, write {seconds:g}s",
        )
    return int(seconds) if seconds.is_integer() else seconds


def _text(value: object) -> str:
    return "" if isinstance(value, bool) or not isinstance(value, (str, int, float)) else str(value).strip()


def number_of(value: object) -> float | None:
    """A number, or the number in a text without a unit; None for anything else."""
    try:
        return float(_text(value))
    except (ValueError, OverflowError):
        return None
