# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weekly times in which hosts count as in maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..codec import Bounds, Pattern
from ..errors import InputError
from ..selector import Selector

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[str, ...] = get_args(Day)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """From `lead_minutes` before `start` until `hours` after it, on each of the days."""

    hosts: Selector
    days: Annotated[tuple[Day, ...], "every day when empty"] = ()
    start: Annotated[str, Pattern(r"([01]?\d|2[0-3]):[0-5]\d", "a time of day such as 22:00")]
    hours: Annotated[float, Bounds(0, 168)]
    lead_minutes: Annotated[float, Bounds(0, 10_080), "how long before its start guests leave already"] = 0
    timezone: Annotated[str, "of start and days, such as Europe/Berlin"] = "UTC"


def zone(name: str) -> tzinfo:
    """Raises InputError for a time zone that this machine does not know; it need know none but UTC."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError("", name, "a time zone known here, such as Europe/Berlin") from None
