# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

GIB = 1024**3
_TIB = 1024**4
_MIB = 1024**2


def duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h".replace(".0 h", " h")


def size(amount: float) -> str:
    """Bytes with a unit."""
    for unit, name in ((_TIB, "TiB"), (GIB, "GiB"), (_MIB, "MiB")):
        if amount >= unit:
            return f"{amount / unit:.1f} {name}"
    return f"{amount:.0f} bytes"


def percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} %"


def points(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} points"


def count(number: int, noun: str, plural: str = "") -> str:
    """Such as 1 guest, 2 guests."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Such as a, b and 3 more."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def moment(text: str) -> str:
    """A moment of a document, without the letters."""
    return f"{text[:10]} {text[11:16]} UTC"
