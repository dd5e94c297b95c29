# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reckoning with moments as snapshots write them: UTC, whole seconds, in the order of their text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..errors import InputError

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def written(when: datetime) -> str:
    """A moment as a snapshot writes it."""
    return when.astimezone(UTC).strftime(_FORMAT)


def written_at(seconds: float) -> str:
    """The same of a moment in seconds since 1970."""
    return written(datetime.fromtimestamp(seconds, UTC))


def read_moment(moment: str) -> datetime:
    """Raises InputError for what is no moment."""
    try:
        return datetime.strptime(moment, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise _no_moment(moment) from None


def later(moment: str, seconds: float) -> str:
    """The moment these seconds later, or earlier when negative. Raises InputError for what is no moment."""
    try:
        return written(read_moment(moment) + timedelta(seconds=seconds))
    except OverflowError:
        raise _no_moment(moment) from None


def _no_moment(moment: str) -> InputError:
    return InputError("", moment, "a moment in UTC such as 2026-01-31T22:00:00Z")
