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

    hosts: Annotated[Selector, "The hosts."]
    days: Annotated[tuple[Day, ...], "Days on which the window starts. Every day when it is left out."] = ()
    start: Annotated[
        str,
        Pattern("([01]?\\d|2[0-3]):[0-5]\\d", "a time of day such as 22:00"),
        'Time of day at which the window starts, in quotes, such as V("22:00").',
    ]
    hours: Annotated[float, Bounds(0, 168), "Duration in hours."]
    lead_minutes: Annotated[
        float, Bounds(0, 10080), "Minutes before the start at which guests begin to leave."
    ] = 0
    timezone: Annotated[str, "Time zone of the day and the time, such as V(Europe/Berlin)."] = "UTC"


def zone(name: str) -> tzinfo:
    """Raises InputError for a time zone that this machine does not know; it need know none but UTC."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError("", name, "a time zone known here, such as Europe/Berlin") from None
