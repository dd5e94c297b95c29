# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that people write with a unit: sizes, times and percentages.

A hint such as `Annotated[int, SIZE]` says what a field counts. `in_plain_numbers` reads what a user writes
there. `decode` does not: files that the collection writes itself hold plain bytes and seconds.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .codec import hints_of, json_name
from .errors import InputError
from .text.sizes import kibibytes_of, number_of, seconds_of, size_of

_MIB = 1024**2


@dataclass(frozen=True)
class Quantity:
    """What a number counts. One without a unit that is smaller than `least` and not 0 is refused."""

    counts: Literal["bytes", "KiB", "seconds", "percent", "ratio", "cores"]
    least: float = 0
    most: float = 0

    @property
    def has_units(self) -> bool:
        """Whether the number may be a text with a unit."""
        return self.counts in ("bytes", "KiB", "seconds")

    def read(self, value: Any, option: str) -> Any:
        """The plain number. Raises InputError."""
        if self.counts == "bytes":
            return size_of(value, option, int(self.least))
        if self.counts == "KiB":
            return kibibytes_of(value, option, int(self.least))
        if self.counts == "seconds":
            return seconds_of(value, option, self.least)
        number = number_of(value)
        if number is not None and self.counts == "percent" and 0 < number < self.least:
            raise InputError(
                option,
                value,
                "a percentage",
                statement=f": {number:g} is less than one percent",
                hint=f"Percentages are numbers from 0 to 100. Did you mean {number * 100:g}?",
            )
        if number is not None and self.counts == "ratio" and number > self.most:
            raise InputError(
                option,
                value,
                "a ratio",
                statement=f": {number:g} is a ratio, not a percentage",
                hint=f"Did you mean {number / 100:g}?",
            )
        if number is not None and self.counts == "cores" and number > self.most:
            raise InputError(
                option,
                value,
                "a number of cores",
                statement=f": {number:g} cores are more than any guest has",
                hint="It counts cores, not MHz, shares or percent",
            )
        return value

    def written(self, value: Any, _option: str) -> Any:
        """The plain number with its unit."""
        unit = {"bytes": "B", "KiB": "K", "seconds": "s"}.get(self.counts)
        return value if unit is None or value is None else f"{value}{unit}"


@dataclass(frozen=True)
class ByKey:
    """The quantities of a mapping's values."""

    quantities: Mapping[str, Quantity]

    def __hash__(self) -> int:
        return hash(tuple(self.quantities))


_Convert = Callable[[Quantity, Any, str], Any]

# No guest has less memory than 16 MiB on any platform, and 16 TiB are as many MiB as this is bytes.
SIZE = Quantity("bytes", 16 * _MIB)
# The smallest disks, of firmware variables, have a few MiB.
DISK_SIZE = Quantity("bytes", _MIB)
# Bytes per second: no network or disk is slower.
RATE = Quantity("bytes", _MIB)
# The same in KiB per second, as Proxmox VE counts it.
KIB_RATE = Quantity("KiB", 1024)
# A time that may be as short as one likes, and one that nobody wants shorter than a minute.
TIME = Quantity("seconds")
LONG_TIME = Quantity("seconds", 60)
PERCENT = Quantity("percent", 1)
RATIO = Quantity("ratio", most=50)
CORES = Quantity("cores", most=1024)
AMOUNTS = ByKey({"memory": SIZE})
CAPACITIES = ByKey({"memory": SIZE, "disk_io": RATE, "network_io": RATE})


def in_plain_numbers(cls: Any, value: Any, path: str = "") -> Any:
    """Parsed JSON for `cls` as a user wrote it, with plain numbers in place of sizes and times with units.

    Raises InputError for a quantity that is none. What does not fit `cls` otherwise is left for `decode`.
    """
    return _read(cls, value, path, Quantity.read)


def with_units(cls: Any, value: Any) -> Any:
    """Parsed JSON with plain numbers as a user would write it, so that `in_plain_numbers` takes it, however
    small the numbers are.
    """
    return _read(cls, value, "", Quantity.written)


def quantity_of(hint: Any) -> Quantity | None:
    """The quantity that a hint names, also within a union with None."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        found = next((note for note in notes if isinstance(note, Quantity)), None)
        return found or quantity_of(inner)
    if get_origin(hint) in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return quantity_of(options[0]) if len(options) == 1 else None
    return None


def _read(hint: Any, value: Any, path: str, convert: _Convert) -> Any:
    if value is None or not _concerns(hint):
        return value
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, Quantity):
                read = convert(note, value, path)
                return round(read) if isinstance(read, float) and _is_whole(inner) else read
            if isinstance(note, ByKey):
                return _by_key(note, value, path, convert)
        return _read(inner, value, path, convert)
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), value, path, convert)
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, Mapping):
        hints = hints_of(hint)
        names = {json_name(field): hints[field.name] for field in fields(hint)}
        return {
            key: _read(names[key], item, _under(path, key), convert) if key in names else item
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)) and origin is not None and not issubclass(origin, Mapping):
        return [
            _read(get_args(hint)[0], item, f"{path}[{index}]", convert) for index, item in enumerate(value)
        ]
    if isinstance(value, Mapping) and origin is not None and issubclass(origin, Mapping):
        return {
            key: _read(get_args(hint)[1], item, _under(path, key), convert) for key, item in value.items()
        }
    return value


def _union(options: tuple[Any, ...], value: Any, path: str, convert: _Convert) -> Any:
    """Of a number or a mapping of numbers, the one that the value is."""
    for option in options:
        mapping = is_dataclass(option) or _is_mapping(option)
        if option is not type(None) and mapping == isinstance(value, Mapping):
            return _read(option, value, path, convert)
    return value


def _is_whole(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType, Annotated):
        return any(map(_is_whole, get_args(hint)))
    return hint is int


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_mapping(get_args(hint)[0])
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _by_key(note: ByKey, value: Any, path: str, convert: _Convert) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: convert(note.quantities[key], item, _under(path, key)) if key in note.quantities else item
        for key, item in value.items()
    }


def _under(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


@cache
def _concerns(hint: Any) -> bool:
    """Whether some quantity is inside, so that the rest is not looked through."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *notes = get_args(hint)
        return any(isinstance(note, (Quantity, ByKey)) for note in notes) or _concerns(inner)
    if origin is not None:
        return origin is not Literal and any(map(_concerns, get_args(hint)))
    if isinstance(hint, type) and is_dataclass(hint):
        return any(map(_concerns, hints_of(hint).values()))
    return False
