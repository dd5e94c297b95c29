# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of answers: Proxmox VE sends numbers as texts, flags as 0 and 1, and leaves out what it lacks."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass

from ...._model.errors import shortened
from ... import values
from ...errors import UnexpectedAnswer
from ...values import Row


def rows(value: object, path: str) -> list[Row]:
    """The answer of GET `path`, which must be a list of objects. Raises UnexpectedAnswer."""
    return values.rows(value, f"GET {path}")


def row(value: object, path: str) -> Row:
    """The answer of GET `path`, which must be an object. Raises UnexpectedAnswer."""
    return values.row(value, f"GET {path}")


def number(value: object) -> float | None:
    """A number, also one that was sent as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except ValueError:
        return None
    return result if math.isfinite(result) else None


def amount(value: object) -> float | None:
    """A number that can't be below 0."""
    if isinstance(value, float) and 0 <= value < math.inf:
        return value
    result = number(value)
    return None if result is None else max(result, 0.0)


def whole(value: object) -> int | None:
    """Bytes, or another whole number that can't be below 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value, 0)
    result = amount(value)
    return None if result is None else round(result)


def flag(value: object) -> bool:
    return str(value) in ("1", "True")


def names(value: object) -> tuple[str, ...]:
    """The parts of "a,b", "a;b" or "a b"."""
    return tuple(dict.fromkeys(part for part in re.split(r"[,;\s]+", str(value or "")) if part))


def options(value: object, first: str = "") -> dict[str, str]:
    """A property string such as "local:vm-1-disk-0,size=8G"; what has no key is the value of `first`."""
    result: dict[str, str] = {}
    for part in str(value).split(","):
        key, equals, text = part.partition("=")
        result.setdefault(*((key.strip(), text) if equals else (first, part)))
    return result


_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def size(text: str | None) -> int | None:
    """Bytes of a disk size such as 32G."""
    if not text:
        return None
    digits = text.rstrip("KMGT")
    value = number(digits)
    unit = _UNITS.get(text[len(digits) :])
    return None if value is None or unit is None else round(value * unit)


def moment(seconds: float) -> str:
    """Seconds since 1970 as the snapshot writes a moment."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def succeeded(exitstatus: object) -> bool:
    """Whether a task's end is a good one."""
    text = str(exitstatus)
    return text == "OK" or text.startswith("WARNINGS")


@dataclass(frozen=True, slots=True)
class Upid:
    """A task's name: UPID:node:pid:pstart:starttime:type:id:user:, the numbers in hexadecimal."""

    node: str
    started: int
    type: str
    id: str
    ticks: int = 0

    @property
    def age(self) -> tuple[int, int]:
        """The key that orders tasks of one node: the second of the start, then the ticks since the node was
        booted, which are finer.
        """
        return self.started, self.ticks

    @classmethod
    def parse(cls, text: str) -> Upid:
        parts = text.split(":")
        if len(parts) < 9 or parts[0] != "UPID":
            raise UnexpectedAnswer(f"{shortened(text)} is not the name of a task (UPID)")
        try:
            return cls(
                node=parts[1],
                started=int(parts[4], 16),
                type=parts[5],
                id=parts[6],
                ticks=int(parts[3], 16),
            )
        except ValueError:
            raise UnexpectedAnswer(f"{shortened(text)} has no start time (UPID)") from None
