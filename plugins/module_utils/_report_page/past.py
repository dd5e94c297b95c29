# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past of clusters as history_info returns it, field by field: what somebody passes may be anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from .._model.errors import InputError
from .._model.text.moments import read_moment

_T = TypeVar("_T")
_DAY: Final = "T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run. spread: points by metric when its plan was made, only of what was read."""

    key: str
    at: float
    started_at: str
    status: str
    goal: str
    spread: Mapping[str, float]
    migrated: int
    failed: int
    error: str
    who: str
    id: str
    disk_moves: int = 0
    disk_failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMigration:
    """A migration that ended, well or not. moment: its end, or when it was recorded."""

    key: str
    moment: str
    guest: str
    guest_id: str
    source: str
    target: str
    result: str
    why: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDiskMove:
    """A move of disks that ended, well or not. moment: its end, or when it was recorded; size: bytes of the
    disks; left: copies that no guest used any more.
    """

    key: str
    moment: str
    guest: str
    guest_id: str
    disks: tuple[str, ...]
    source: str
    target: str
    result: str
    why: str
    reason: str
    size: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDay:
    """What was recorded on one day."""

    at: float
    day: str
    runs: int
    migrations: int
    failures: int
    disk_moves: int = 0
    disk_failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedGuest:
    """How often a guest was migrated."""

    name: str
    id: str
    key: str
    migrations: int
    failures: int
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFailure:
    """What went wrong for one reason."""

    result: str
    why: str
    count: int
    guests: tuple[str, ...]
    last: str
    of_disks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Runs, migrations and disk moves are from the oldest to the newest. A list that was not asked for is
    None. names: of clusters by key; cut: the lists of which only the newest entries are here.
    """

    since: str
    until: str
    start: float
    end: float
    summary: Mapping[str, int]
    names: Mapping[str, str]
    runs: tuple[PastRun, ...] | None
    migrations: tuple[PastMigration, ...] | None
    days: tuple[PastDay, ...] | None
    guests: tuple[MovedGuest, ...] | None
    failures: tuple[PastFailure, ...] | None
    disk_moves: tuple[PastDiskMove, ...] | None = None
    cut: tuple[str, ...] = field(default=())


def past(history: Mapping[str, Any]) -> Past:
    """Raises InputError with the path of the first field that is missing or wrong."""
    found = _Reader(history, "history")
    since, until = found.moment("since"), found.moment("until")
    start, end = _seconds(since), _seconds(until)
    if end <= start:
        raise InputError("history.until", until, f"a moment after history.since ({since})")
    runs = found.entries("runs", _run)
    migrations = found.entries("migrations", _migration)
    disk_moves = found.entries("disk_moves", _disk_move)
    summary = found.part("summary")
    return Past(
        since=since,
        until=until,
        start=start,
        end=end,
        summary={
            **{name: summary.count(name) for name in ("runs", "failed_runs", "migrations", "failures")},
            # Before version 1.3 there are none.
            **{name: summary.count_or_none(name) for name in ("disk_moves", "disk_failures", "bytes_copied")},
        },
        names={one.text("key"): one.text("name") for one in found.readers("clusters")},
        runs=None if runs is None else tuple(sorted(runs, key=lambda run: run.at)),
        migrations=None if migrations is None else tuple(reversed(migrations)),
        days=found.entries("days", _day),
        guests=found.entries("guests", _guest),
        failures=found.entries("failures", _failure),
        disk_moves=None if disk_moves is None else tuple(reversed(disk_moves)),
        cut=tuple(str(name) for name in found.items("cut")),
    )


def _seconds(moment: str) -> float:
    return read_moment(moment).timestamp()


class _Reader:
    """One mapping, and where it is in the history."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise InputError(path, value, "a dictionary as history_info returns it")
        self._value, self._path = value, path

    def text(self, name: str) -> str:
        """Empty for null."""
        value = self._needed(name)
        return "" if value is None else str(value)

    def maybe(self, name: str) -> str:
        value = self._value.get(name)
        return "" if value is None else str(value)

    def count(self, name: str) -> int:
        value = self._needed(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{self._path}.{name}", value, "a number of at least 0")
        return value

    def count_or_none(self, name: str) -> int:
        """0 where there is none: a run that failed has no result but its error."""
        return 0 if self._value.get(name) is None else self.count(name)

    def within(self, name: str, entry: str) -> int:
        """A number of a part that need not be there."""
        return 0 if self._value.get(name) is None else self.part(name).count_or_none(entry)

    def moment(self, name: str) -> str:
        text = self.text(name)
        try:
            read_moment(text)
        except InputError as error:
            raise error.under(f"{self._path}.{name}") from None
        return text

    def part(self, name: str) -> _Reader:
        return _Reader(self._needed(name), f"{self._path}.{name}")

    def numbers(self, name: str) -> dict[str, float]:
        """By key, those that are known."""
        found = {}
        for key, value in _Reader(self._needed(name), f"{self._path}.{name}")._value.items():
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"{self._path}.{name}.{key}", value, "a number")
            found[str(key)] = float(value)
        return found

    def items(self, name: str) -> Sequence[Any]:
        value = self._value.get(name, ())
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            raise InputError(f"{self._path}.{name}", value, "a list")
        return value

    def readers(self, name: str) -> list[_Reader]:
        return [_Reader(one, f"{self._path}.{name}[{number}]") for number, one in enumerate(self.items(name))]

    def entries(self, name: str, read: Callable[[_Reader], _T]) -> tuple[_T, ...] | None:
        """None where the history has no such list."""
        return tuple(map(read, self.readers(name))) if name in self._value else None

    def _needed(self, name: str) -> Any:
        if name not in self._value:
            raise InputError.required(f"{self._path}.{name}", expected="as history_info returns it")
        return self._value[name]


def _run(entry: _Reader) -> PastRun:
    started_at, result = entry.moment("started_at"), entry.part("result")
    return PastRun(
        key=entry.text("key"),
        at=_seconds(started_at),
        started_at=started_at,
        status=entry.text("status"),
        goal=entry.text("goal"),
        spread=entry.numbers("spread"),
        migrated=result.count_or_none("migrated"),
        failed=result.count_or_none("failed"),
        error=result.maybe("error"),
        who=_who(entry),
        id=entry.text("id"),
        disk_moves=result.within("disk_moves", "migrated"),
        disk_failures=result.within("disk_moves", "failed"),
    )


def _who(entry: _Reader) -> str:
    """The person or schedule behind a run, as far as it is recorded."""
    who = entry.part("who")
    if who.maybe("job"):
        by = who.maybe("awx_user") or who.maybe("schedule")
        return f"AWX job {who.maybe('job')}" + (f" by {by}" if by else "")
    user, controller = who.maybe("user"), who.maybe("controller")
    return f"{user} on {controller}" if user and controller else user


def _migration(entry: _Reader) -> PastMigration:
    guest = entry.part("guest")
    kind, reason = entry.text("kind"), entry.text("reason")
    return PastMigration(
        key=entry.text("key"),
        moment=entry.maybe("ended_at") or entry.text("recorded_at"),
        guest=guest.text("name"),
        guest_id=guest.text("id"),
        source=entry.part("from").text("name"),
        target=entry.part("to").text("name"),
        result=entry.text("result"),
        why=entry.text("why"),
        reason=f"{kind}: {reason}" if kind and reason else kind or reason,
        who=_who(entry),
    )


def _disk_move(entry: _Reader) -> PastDiskMove:
    guest = entry.part("guest")
    kind, reason = entry.text("kind"), entry.text("reason")
    return PastDiskMove(
        key=entry.text("key"),
        moment=entry.maybe("ended_at") or entry.text("recorded_at"),
        guest=guest.text("name"),
        guest_id=guest.text("id"),
        disks=tuple(map(str, entry.items("disks"))),
        source=entry.text("from"),
        target=entry.text("to"),
        result=entry.text("result"),
        why=entry.text("why"),
        reason=f"{kind}: {reason}" if kind and reason else kind or reason,
        size=entry.count_or_none("bytes"),
        left=tuple(map(str, entry.items("left_behind"))),
    )


def _day(entry: _Reader) -> PastDay:
    day = entry.text("day")
    try:
        at = _seconds(day + _DAY)
    except InputError:
        raise InputError("history.days.day", day, "a day such as 2026-01-31") from None
    return PastDay(
        at=at,
        day=day,
        runs=entry.count("runs"),
        migrations=entry.count("migrations"),
        failures=entry.count("failures"),
        disk_moves=entry.count_or_none("disk_moves"),
        disk_failures=entry.count_or_none("disk_failures"),
    )


def _guest(entry: _Reader) -> MovedGuest:
    guest = entry.part("guest")
    return MovedGuest(
        name=guest.text("name"),
        id=guest.text("id"),
        key=entry.text("key"),
        migrations=entry.count("migrations"),
        failures=entry.count("failures"),
        last=entry.moment("last"),
    )


def _failure(entry: _Reader) -> PastFailure:
    return PastFailure(
        result=entry.text("result"),
        why=entry.text("why"),
        count=entry.count("count"),
        guests=tuple(str(name) for name in entry.items("guests")),
        of_disks=entry.maybe("of") == "disk_moves",
        last=entry.moment("last"),
    )
