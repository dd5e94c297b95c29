# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a schedule runs: calendars of systemd, expressions of cron, and intervals."""

from __future__ import annotations

import re

from ..._model.errors import InputError

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 86_400, 604_800
# Name, least, most and the words of each field.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    (
        "month",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# The first of a week of systemd is Monday, that of cron Sunday.
_CALENDARS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
_DAYS = _FIELDS[4][3]
_TIME_OF_DAY = re.compile(
    r"(?:(?P<days>[a-z.,]+) +)?(?:\*-\*-\* +)?(?P<hour>\d{1,2}|\*)"
    r":(?P<minute>\d{1,2}|\*|(?:\*|0?0)/\d{1,2})(?::00?)?",
    re.IGNORECASE,
)


def cron_of_interval(seconds: float, option: str) -> str:
    """The expression of cron for an interval. Raises InputError for one that cron does not have."""
    for unit, limit, expression in (
        (_MINUTE, _HOUR, "*/{} * * * *"),
        (_HOUR, _DAY, "0 */{} * * *"),
    ):
        if seconds % unit == 0 and unit <= seconds < limit and limit % seconds == 0:
            number = int(seconds // unit)
            return expression.format(number).replace("*/1 ", "* ")
    if seconds == _HOUR:
        return "0 * * * *"
    if seconds == _DAY:
        return "0 0 * * *"
    if seconds == _WEEK:
        return "0 0 * * 0"
    raise InputError(
        option,
        f"{seconds:g}s",
        "an interval of cron",
        hint="Use minutes that divide an hour, hours that divide a day, 1d, 1w, or the option cron",
    )


def cron_of_calendar(calendar: str, option: str) -> str:
    """The expression of cron for a calendar of systemd. Raises InputError for one that is not translated."""
    text = " ".join(calendar.split())
    word = _CALENDARS.get(text.lower())
    if word is not None:
        return word
    found = _TIME_OF_DAY.fullmatch(text)
    if found is not None:
        days = _cron_days(found["days"])
        minute = re.sub(r"^0?0/", "*/", found["minute"])
        expression = f"{_number(minute)} {_number(found['hour'])} * * {days}"
        if days and not _fault(expression):
            return expression
    raise InputError(
        option, calendar, "a calendar that can be translated for cron", hint="Set cron, such as 0 2 * * *"
    )


def _number(text: str) -> str:
    return str(int(text)) if text.isdecimal() else text


def _cron_days(text: str | None) -> str:
    """Days of the week as cron has them; an empty text where they can't be translated."""
    if text is None:
        return "*"
    days = []
    for part in text.lower().split(","):
        ends = [end[:3] for end in part.split("..")]
        numbers = [_DAYS.index(end) for end in ends if end in _DAYS]
        if len(numbers) != len(ends) or len(numbers) not in (1, 2):
            return ""
        # Cron counts Sunday as 7 too, for ranges that end with it.
        first, last = numbers[0], numbers[-1] or 7
        if len(numbers) == 1:
            days.append(str(first))
        elif first <= last:
            days.append(f"{first}-{last}")
        else:
            return ""
    return ",".join(days)


def cron_expression(text: str, option: str) -> str:
    """An expression of five fields. Raises InputError for one that cron would not take."""
    expression = _SHORT.get(text.strip().lower(), " ".join(text.split()))
    fault = _fault(expression)
    if fault:
        raise InputError(option, text, f"an expression of cron, such as 0 2 * * *: {fault}")
    return expression


def _fault(expression: str) -> str:
    fields = expression.split(" ")
    if len(fields) != len(_FIELDS):
        return f"it has {len(fields)} fields instead of 5"
    for field, (name, least, most, words) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if not _is_part(part.lower(), least, most, words):
                return f"{part} is not a {name}"
    return ""


def _is_part(part: str, least: int, most: int, words: tuple[str, ...]) -> bool:
    whole, _slash, step = part.partition("/")
    if _slash and (not step.isdecimal() or not 0 < int(step) <= most or ("-" not in whole and whole != "*")):
        return False
    if whole == "*":
        return True
    ends = [least + words.index(end) if end in words else _decimal(end) for end in whole.split("-")]
    if len(ends) > 2 or any(end is None or not least <= end <= most for end in ends):
        return False
    first, last = ends[0], ends[-1]
    return first is not None and last is not None and first <= last


def _decimal(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 2 else None
