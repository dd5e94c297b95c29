# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in VMmanager's answers: objects, lists, and values in more than one shape.

A related object comes nested ({"id": 3, "name": "n"}) or as its bare number, memory in MiB, moments as text
or as seconds since 1970.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ...._model.text.moments import written

MIB = 1024 * 1024


def number(value: object) -> float | None:
    """A number that is not below 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        return None
    return value


def whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else round(found)


def mib(value: object) -> int | None:
    """Bytes of a size in MiB."""
    found = number(value)
    return None if found is None else round(found * MIB)


def part(value: object, *keys: str) -> object:
    """The first of these keys that an object has; what is no object has none."""
    if isinstance(value, Mapping):
        return next((value[key] for key in keys if value.get(key) is not None), None)
    return None


def reference(value: object) -> str | None:
    """The id of a related object, nested or bare."""
    found = part(value, "id") if isinstance(value, Mapping) else value
    return str(found) if isinstance(found, (int, str)) and not isinstance(found, bool) else None


def flag(value: object) -> bool:
    """A switch, also one that is an object with a state of its own or a word."""
    if isinstance(value, Mapping):
        return flag(part(value, "enabled", "is_enabled", "active", "state", "status", "mode"))
    if isinstance(value, str):
        return value.lower() not in ("", "0", "off", "no", "none", "false", "disabled", "inactive")
    return bool(value)


def release(value: object) -> str | None:
    """The number in what a program says of its version, such as "QEMU emulator version 6.2.0 (Debian …)"."""
    found = re.search(r"\d+(\.\d+)+", str(value or ""))
    return found[0] if found else None


def moment(value: object) -> str | None:
    """A moment as a snapshot writes it; one that says nothing of its time zone is taken for UTC."""
    seconds = number(value)
    try:
        if seconds is not None:
            return written(datetime.fromtimestamp(seconds, UTC))
        when = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return written(when if when.tzinfo else when.replace(tzinfo=UTC))
