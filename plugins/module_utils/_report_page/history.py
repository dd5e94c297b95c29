# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past of the cluster: spread and runs over time, migrations by day, who moved most, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from .given import Given
from .past import MovedGuest, Past, PastDay, PastDiskMove, PastFailure, PastMigration, PastRun, past
from .pictures.ticks import Tick
from .section import Section
from .texts import count, listed, moment, size

HEIGHT: Final = 180
LANE: Final = 26
BARS: Final = 120
MAX_CLUSTERS: Final = 12
MAX_GUESTS: Final = 10
MAX_TICKS: Final = 8
# Rows of a table, the newest; runs of which each dot has words of its own. The page is to stay small.
MAX_ROWS: Final = 250
MAX_TITLES: Final = 300
MAX_LEFT: Final = 50
# A day is never so wide that few of them look like many.
WIDEST: Final = 4.0
# Two readings have a gap between them when they are this many times further apart than usual.
GAP: Final = 3.0
DAY: Final = 86_400.0
MARKS: Final = {
    "done": "done",
    "partial": "partial",
    "stopped": "partial",
    "rolled_back": "partial",
    "running": "running",
}
MARK_WORDS: Final = (
    ("done", "done"),
    ("partial", "partial, stopped or rolled back"),
    ("failed", "failed or interrupted"),
    ("running", "still running"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One reading: x in percent, y in pixels."""

    x: float
    y: float
    at: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The spread of one metric. lines: between readings that follow each other, as (x, y, x, y); what lies
    further apart is not joined, because nothing is known of the time between.
    """

    metric: str
    dots: tuple[Dot, ...]
    lines: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMark:
    """One run on the lane below. shape: done, partial, failed or running."""

    x: float
    shape: str
    at: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPast:
    """The readings and runs of one cluster. rows: the same as a table."""

    name: str
    summary: str
    curves: tuple[Curve, ...]
    marks: tuple[RunMark, ...]
    levels: tuple[tuple[float, str], ...]
    metrics: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int
    numbers: int
    titles: bool
    gaps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBar:
    """One day: x and width in percent, the rest in pixels from the top."""

    x: float
    width: float
    migrated_y: float
    migrated: float
    failed_y: float
    failed: float
    day: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A bar with words. percent: of the longest one."""

    words: str
    number: int
    percent: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryData:
    """What the section shows; lists that were not asked for are None."""

    since: str
    until: str
    headline: str
    quiet: bool
    ticks: tuple[Tick, ...]
    height: int
    lane: int
    bars_height: int
    marks: tuple[tuple[str, str], ...]
    clusters: tuple[ClusterPast, ...]
    more_clusters: int
    days: tuple[DayBar, ...] | None
    day_levels: tuple[tuple[float, str], ...]
    day_rows: tuple[tuple[str, ...], ...]
    day_heads: tuple[object, ...]
    guests: tuple[Share, ...] | None
    failures: tuple[Share, ...] | None
    migrations: tuple[tuple[str, ...], ...] | None
    more_migrations: int
    disk_moves: tuple[tuple[str, ...], ...]
    more_disk_moves: int
    disk_heads: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    more_left: int
    cut: str


def history(given: Given) -> Section | None:
    if given.history is None:
        return None
    found = past(given.history)
    days = max(1, round((found.end - found.start) / DAY))
    return Section(
        id="history", title=f"The last {count(days, 'day')}", template="history.j2", data=_data(found)
    )


def _data(found: Past) -> HistoryData:
    numbers = found.summary
    # One cluster is named by the page itself.
    several = len(found.names) > 1
    by_key: dict[str, list[PastRun]] = {key: [] for key in found.names}
    for run in found.runs or ():
        by_key.setdefault(run.key, []).append(run)
    with_runs = {key: runs for key, runs in by_key.items() if runs}
    shown = list(with_runs.items())[:MAX_CLUSTERS]
    bars, levels = _days(found)
    disk_moves = found.disk_moves or ()
    with_disks = any(day.disk_moves or day.disk_failures for day in found.days or ())
    left = [
        (name, f"of {one.guest}, {moment(one.moment)}") for one in reversed(disk_moves) for name in one.left
    ]
    return HistoryData(
        since=found.since,
        until=found.until,
        headline=_headline(found),
        quiet=not any(numbers.values()),
        ticks=_ticks(found),
        height=HEIGHT,
        lane=LANE,
        bars_height=BARS,
        marks=MARK_WORDS,
        clusters=tuple(
            _cluster(found, found.names.get(key, key) if several else "", runs) for key, runs in shown
        ),
        more_clusters=len(with_runs) - len(shown),
        days=bars,
        day_levels=levels,
        day_rows=tuple(
            (
                day.day,
                str(day.migrations),
                str(day.failures),
                *((str(day.disk_moves), str(day.disk_failures)) if with_disks else ()),
                str(day.runs),
            )
            for day in found.days or ()
        ),
        day_heads=(
            "day",
            ("migrated", "num"),
            ("failed, cancelled or refused", "num"),
            *((("disk moves", "num"), ("disk moves that failed", "num")) if with_disks else ()),
            ("runs", "num"),
        ),
        guests=None if found.guests is None else tuple(_moved(found.guests)),
        failures=None if found.failures is None else tuple(_failed(found.failures)),
        migrations=None
        if found.migrations is None
        else tuple(
            _row(one, found.names if several else {}) for one in reversed(found.migrations[-MAX_ROWS:])
        ),
        more_migrations=max(0, len(found.migrations or ()) - MAX_ROWS),
        disk_moves=tuple(
            _disk_row(one, found.names if several else None) for one in reversed(disk_moves[-MAX_ROWS:])
        ),
        more_disk_moves=max(0, len(disk_moves) - MAX_ROWS),
        disk_heads=(
            "ended",
            *(("cluster",) if several else ()),
            "guest",
            "disks",
            "way",
            "copied",
            "result",
            "why",
            "left behind",
        ),
        left=tuple(left[:MAX_LEFT]),
        more_left=max(0, len(left) - MAX_LEFT),
        cut=listed([f"the {name}" for name in found.cut], 9),
    )


def _headline(found: Past) -> str:
    numbers = found.summary
    parts = [count(numbers["runs"], "run"), count(numbers["migrations"], "migration")]
    if numbers["disk_moves"] or numbers["disk_failures"]:
        parts.append(f"{count(numbers['disk_moves'], 'disk move')} ({size(numbers['bytes_copied'])})")
    failures = count(numbers["failures"] + numbers["disk_failures"], "failure")
    return f"{', '.join(parts)} and {failures} from {moment(found.since)} to {moment(found.until)}."


def _percent(found: Past, at: float) -> float:
    share = (at - found.start) / (found.end - found.start)
    return round(100 * min(1.0, max(0.0, share)), 3)


def _ticks(found: Past) -> tuple[Tick, ...]:
    """Round days in UTC, at most MAX_TICKS of them."""
    first = datetime.fromtimestamp(found.start, UTC).replace(hour=0, minute=0, second=0)
    days = (found.end - found.start) / DAY
    step = next((step for step in (1, 2, 5, 7, 14, 30, 61, 91, 182) if days / step <= MAX_TICKS), 366)
    ticks = []
    day = first + timedelta(days=1)
    while day.timestamp() <= found.end:
        ticks.append(Tick(_percent(found, day.timestamp()), f"{day:%d %b}".lstrip("0")))
        day += timedelta(days=step)
    return tuple(ticks)


def _cluster(found: Past, name: str, runs: Sequence[PastRun]) -> ClusterPast:
    metrics = tuple(dict.fromkeys(metric for run in runs for metric in run.spread))
    top, levels = _scale(max((points for run in runs for points in run.spread.values()), default=0.0), HEIGHT)
    usual = _usual_distance(runs)
    curves = tuple(_curve(found, runs, metric, top, usual) for metric in metrics)
    with_disks = any(run.disk_moves or run.disk_failures for run in runs)
    ends = Counter(MARKS.get(run.status, "failed") for run in runs)
    parts = [f"{ends[shape]} {words}" for shape, words in MARK_WORDS if ends[shape]]
    return ClusterPast(
        name=name,
        summary=f"{count(len(runs), 'run')}: {', '.join(parts)}",
        curves=curves,
        marks=tuple(_mark(found, run) for run in runs),
        levels=levels,
        metrics=metrics,
        heads=(
            "started",
            "result",
            "goal",
            *(f"spread of {metric}" for metric in metrics),
            "migrated",
            "failed",
            *(("disk moves", "disk moves that failed") if with_disks else ()),
            "by",
            "error",
        ),
        numbers=len(metrics) + (4 if with_disks else 2),
        rows=tuple(_run_row(run, metrics, with_disks=with_disks) for run in reversed(runs[-MAX_ROWS:])),
        more_rows=max(0, len(runs) - MAX_ROWS),
        titles=len(runs) <= MAX_TITLES,
        gaps=_gaps(runs, usual),
    )


def _usual_distance(runs: Sequence[PastRun]) -> float:
    times = [run.at for run in runs if run.spread]
    return median(later - at for at, later in pairwise(times)) if len(times) > 1 else 0.0


def _gaps(runs: Sequence[PastRun], usual: float) -> int:
    times = [run.at for run in runs if run.spread]
    return sum(later - at > GAP * usual for at, later in pairwise(times))


def _curve(found: Past, runs: Sequence[PastRun], metric: str, top: float, usual: float) -> Curve:
    """A run that read no load of this metric interrupts the curve, as a long time without a run does."""
    dots: list[Dot] = []
    lines = []
    before: PastRun | None = None
    for run in runs:
        if metric not in run.spread:
            before = None
            continue
        points = run.spread[metric]
        dot = Dot(
            x=_percent(found, run.at),
            y=round(HEIGHT * (1 - points / top), 1),
            at=run.started_at,
            says=f"{metric}: {points:.1f} points",
        )
        if before is not None and run.at - before.at <= GAP * usual:
            lines.append((dots[-1].x, dots[-1].y, dot.x, dot.y))
        dots.append(dot)
        before = run
    return Curve(metric=metric, dots=tuple(dots), lines=tuple(lines))


def _scale(most: float, height: float) -> tuple[float, tuple[tuple[float, str], ...]]:
    """The top of an axis and its levels, as (y, text), from a round step of which there are at most five."""
    step = next((step for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500) if most / step <= 5), 1000)
    number = max(1, -int(-most // step))
    top = float(number * step)
    return top, tuple(
        (round(height * (1 - level * step / top), 1), f"{level * step}") for level in range(number + 1)
    )


def _mark(found: Past, run: PastRun) -> RunMark:
    parts = [run.status, f"{run.migrated} migrated"]
    parts += [f"{run.failed} failed"] if run.failed else []
    parts += [count(run.disk_moves, "disk move")] if run.disk_moves else []
    parts += [f"{count(run.disk_failures, 'disk move')} failed"] if run.disk_failures else []
    parts += [f"goal {run.goal}"] if run.goal else []
    parts += [run.who] if run.who else []
    return RunMark(
        x=_percent(found, run.at),
        shape=MARKS.get(run.status, "failed"),
        at=run.started_at,
        says=", ".join(parts),
    )


def _run_row(run: PastRun, metrics: Iterable[str], *, with_disks: bool) -> tuple[str, ...]:
    spread = (f"{run.spread[metric]:.1f}" if metric in run.spread else "not read" for metric in metrics)
    return (
        run.started_at,
        run.status,
        run.goal or "one guest",
        *spread,
        str(run.migrated),
        str(run.failed),
        *((str(run.disk_moves), str(run.disk_failures)) if with_disks else ()),
        run.who,
        run.error,
    )


def _days(found: Past) -> tuple[tuple[DayBar, ...] | None, tuple[tuple[float, str], ...]]:
    if found.days is None:
        return None, ()
    top, levels = _scale(max((day.migrations + day.failures for day in found.days), default=0), BARS)
    width = min(WIDEST, 100 * DAY / (found.end - found.start) * 0.7)
    bars = []
    for day in sorted(found.days, key=lambda day: day.at):
        migrated, failed = BARS * day.migrations / top, BARS * day.failures / top
        middle = _percent(found, day.at + DAY / 2)
        bars.append(
            DayBar(
                x=round(max(0.0, min(100 - width, middle - width / 2)), 3),
                width=round(width, 3),
                migrated_y=round(BARS - migrated, 1),
                migrated=round(migrated, 1),
                failed_y=round(BARS - migrated - failed, 1),
                failed=round(failed, 1),
                day=day.day,
                says=_day_in_words(day),
            )
        )
    return tuple(bars), levels


def _day_in_words(day: PastDay) -> str:
    disks = f", {count(day.disk_moves, 'disk move')}" if day.disk_moves else ""
    disks += f", {count(day.disk_failures, 'disk move')} failed" if day.disk_failures else ""
    return f"{day.day}: {day.migrations} migrated, {day.failures} not{disks}, in {count(day.runs, 'run')}"


def _moved(guests: Sequence[MovedGuest]) -> Iterable[Share]:
    moved = [guest for guest in guests if guest.migrations][:MAX_GUESTS]
    most = max((guest.migrations for guest in moved), default=1)
    for guest in moved:
        failed = f", {guest.failures} that did not work" if guest.failures else ""
        yield Share(
            words=guest.name if guest.name == guest.id else f"{guest.name} ({guest.id})",
            number=guest.migrations,
            percent=round(100 * guest.migrations / most, 1),
            note=f"last on {moment(guest.last)}{failed}",
        )


def _failed(failures: Sequence[PastFailure]) -> Iterable[Share]:
    most = max((failure.count for failure in failures), default=1)
    for failure in failures:
        what = "disk move " if failure.of_disks else ""
        yield Share(
            words=f"{what}{failure.result}: {failure.why or 'no reason is recorded'}",
            number=failure.count,
            percent=round(100 * failure.count / most, 1),
            note=f"{listed(failure.guests)}; last on {moment(failure.last)}",
        )


def _row(one: PastMigration, names: object) -> tuple[str, ...]:
    guest = one.guest if one.guest == one.guest_id else f"{one.guest} ({one.guest_id})"
    cluster = (names.get(one.key, one.key),) if isinstance(names, dict) and names else ()
    why = "; ".join(part for part in (one.reason, one.why) if part) or "no reason is recorded"
    return (one.moment, *cluster, guest, f"{one.source} → {one.target}", one.result, why, one.who)


def _disk_row(one: PastDiskMove, names: Mapping[str, str] | None) -> tuple[str, ...]:
    guest = one.guest if one.guest == one.guest_id else f"{one.guest} ({one.guest_id})"
    cluster = () if names is None else (names.get(one.key, one.key),)
    why = "; ".join(part for part in (one.reason, one.why) if part) or "no reason is recorded"
    return (
        one.moment,
        *cluster,
        guest,
        ", ".join(one.disks),
        f"{one.source} → {one.target}",
        size(one.size),
        one.result,
        why,
        "; ".join(one.left),
    )
