# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of schedules, as far as AWX restricts them beyond the iCalendar standard."""

from __future__ import annotations

import re

from ..._model.errors import InputError

_START = re.compile(r"DTSTART(;TZID=[^:\s]+)?:\d{8}T\d{6}(Z?)(?=\s|$)")


def check_rrule(path: str, rule: str) -> None:
    """Raises InputError if AWX would not take the rule."""
    starts = list(_START.finditer(rule))
    if len(starts) != 1 or rule.count("DTSTART") != 1:
        expected = (
            "a rule with one DTSTART, such as DTSTART:20300101T020000Z or DTSTART;TZID=UTC:20300101T020000"
        )
        raise InputError(path, rule, expected)
    zone, utc = starts[0].groups()
    if bool(zone) == bool(utc):
        raise InputError(path, rule, "a rule whose DTSTART either ends in Z or has a TZID")
    if re.search(r"\b(EXDATE|RDATE)\b", rule):
        raise InputError(path, rule, "a rule without EXDATE and RDATE, which AWX does not support")
    rules = re.findall(r"\b(?:EX|R)RULE:(\S*)", rule)
    if not rules or "RRULE:" not in rule:
        raise InputError(path, rule, "a rule with RRULE:FREQ=…;INTERVAL=…")
    for one in rules:
        parts = dict(part.split("=", 1) for part in one.split(";") if "=" in part)
        if "INTERVAL" not in parts:
            raise InputError(path, rule, "a rule with INTERVAL, which AWX requires")
        if parts.get("FREQ") not in ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
            raise InputError(path, rule, "a rule with FREQ from MINUTELY to YEARLY")
        if re.match(r"[+-]?\d", parts.get("BYDAY", "")):
            raise InputError(path, rule, "a rule with BYDAY without numbers, which AWX does not support")
        count = parts.get("COUNT", "1")
        if not re.fullmatch(r"\d{1,3}", count) or ("COUNT" in parts and "UNTIL" in parts):
            raise InputError(path, rule, "a rule with a COUNT of at most 999 and without UNTIL")
