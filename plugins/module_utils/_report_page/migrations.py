# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section with each migration: why, when, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from .._model.outcome import MigrationOutcome
from .content import view_of
from .given import Given
from .pictures.slots import HostSlots, host_slots
from .pictures.ticks import Tick, time_ticks
from .section import Section
from .texts import count, duration, listed, size
from .timeline import Row, Span, Timeline, timeline_of
from .view import ClusterView

_BADLY: Final = ("failed", "refused", "cancelled", "skipped")
_MOODS: Final = {"migrated": "good", "already_there": "good", "planned": "plain", "failed": "bad"}
_KINDS: Final = {"parking": "temporary", "rule": "rule", "balance": "level"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span on the time line, in percent of its width."""

    start: float
    width: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One migration as it is shown."""

    step: int
    guest: str
    guest_id: str
    source: str
    target: str
    kind: str
    label: str
    why: str
    after: str
    memory: str
    estimated: Bar | None
    real: Bar | None
    result: str
    mood: str
    result_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Migrations that may run side by side. number 0: of no plan."""

    number: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The slots of one host: bars with the number of their lane."""

    host: str
    lanes: int
    bars: tuple[tuple[int, bool, Bar], ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    slots: tuple[Lane, ...]
    waves: tuple[Wave, ...]
    failures: tuple[Item, ...]
    ticks: tuple[Tick, ...]
    intro: str
    heads: tuple[object, ...]
    rows: tuple[tuple[str, ...], ...]
    has_real: bool
    many: bool


def migrations(given: Given) -> Section | None:
    timeline = timeline_of(given)
    if timeline is None:
        return None
    view = view_of(given)
    items = [_item(row, timeline, view) for row in timeline.rows]
    waves: dict[int, list[Item]] = {}
    for row, item in zip(timeline.rows, items, strict=True):
        waves.setdefault(row.wave, []).append(item)
    ran = given.outcome is not None and given.outcome.status != "planned"
    return Section(
        id="migrations",
        title="The migrations, and what became of them" if ran else "The migrations",
        template="migrations.j2",
        data=Migrations(
            slots=tuple(_lane(slots, timeline, view) for slots in host_slots(timeline.rows)),
            waves=tuple(Wave(number=number, items=tuple(found)) for number, found in waves.items()),
            failures=tuple(item for item in items if item.result in _BADLY),
            ticks=time_ticks(timeline.seconds),
            intro=_intro(given, timeline),
            heads=_heads(ran),
            rows=tuple(_rows(timeline, items, ran)),
            has_real=any(row.real for row in timeline.rows),
            many=len(items) > 30,
        ),
    )


def _intro(given: Given, timeline: Timeline) -> str:
    parts = []
    plan = given.plan or (given.placement.plan if given.placement else None)
    if plan is not None and timeline.estimated is not None:
        most = plan.policy.max_per_host if given.max_parallel is None else given.max_parallel
        at_once = count(most, "migration")
        if given.max_parallel is not None:
            at_once += f" in the cluster and {plan.policy.max_per_host}"
        parts.append(
            f"Estimated: {duration(timeline.estimated)} in all, with at most {at_once} at once per host "
            f"and {size(plan.policy.migration_bandwidth)}/s for each."
        )
        if abs(plan.proof.seconds - timeline.estimated) > 0.05 * timeline.estimated:
            own = duration(plan.proof.seconds)
            parts.append(f"A run starts what holds up most first; in the order of the plan it takes {own}.")
        if len({migration.wave for migration in plan.migrations}) > 1:
            parts.append("A wave needs the room that earlier ones make; within a wave the order is free.")
    if timeline.real is not None:
        parts.append(f"The run took {duration(timeline.real)}.")
    return " ".join(parts)


def _item(row: Row, timeline: Timeline, view: ClusterView | None) -> Item:
    def name(host: str) -> str:
        return view.host_name(host) if view else host

    planned, ended = row.planned, row.ended
    kind = planned.kind if planned else "rollback" if timeline.rows[0].planned else "manual"
    return Item(
        step=row.step,
        guest=row.guest,
        guest_id=row.guest_id,
        source=name(row.source),
        target=name(row.target),
        kind=kind,
        label=_KINDS.get(kind, kind),
        why=planned.why if planned else "",
        after=f"after {', '.join(map(str, planned.after))}" if planned and planned.after else "",
        memory=size(planned.cost.memory) if planned else "",
        estimated=_bar(row.estimated, timeline, "estimated"),
        real=_bar(row.real, timeline, "took"),
        result=ended.result if ended else "",
        mood=_MOODS.get(ended.result, "warn") if ended else "plain",
        result_why="; ".join(_after_the_run(ended, name)) if ended else "",
    )


def _after_the_run(ended: MigrationOutcome, name: Callable[[str], str]) -> Iterator[str]:
    """Why it went as it did, and what the platform did besides."""
    if ended.why:
        yield ended.why
    if ended.along:
        names = [f"{moved.guest.name} from {name(moved.source)}" for moved in ended.along]
        yield f"the platform moved along {listed(names, 5)}"


def _bar(span: Span | None, timeline: Timeline, word: str) -> Bar | None:
    if span is None:
        return None
    whole = timeline.seconds or 1.0
    return Bar(
        start=round(100.0 * span.start / whole, 2),
        width=max(0.4, round(100.0 * span.seconds / whole, 2)),
        says=f"{word} {duration(span.seconds)}, from {duration(span.start)} to {duration(span.end)}",
    )


def _lane(slots: HostSlots, timeline: Timeline, view: ClusterView | None) -> Lane:
    arriving = sum(use.arrives for use in slots.uses)
    leaving = len(slots.uses) - arriving
    bars = []
    for use in slots.uses:
        drawn = _bar(
            use.span, timeline, f"{use.guest} {'arrives' if use.arrives else 'leaves'}, step {use.step},"
        )
        if drawn is not None:
            bars.append((use.lane, use.arrives, drawn))
    return Lane(
        host=view.host_name(slots.host) if view else slots.host,
        lanes=slots.lanes,
        bars=tuple(bars),
        says=f"{leaving} out, {arriving} in",
    )


def _heads(ran: bool) -> tuple[object, ...]:
    heads: list[object] = [
        ("Step", "num"),
        ("Wave", "num"),
        "Guest",
        "From",
        "To",
        "Kind",
        ("Memory", "num"),
        "After",
        "Why",
        ("Estimated start", "num"),
        ("Estimated end", "num"),
    ]
    return (*heads, "Result", ("Start", "num"), ("End", "num"), "Reason") if ran else tuple(heads)


def _rows(timeline: Timeline, items: list[Item], ran: bool) -> Iterator[tuple[str, ...]]:
    for row, item in zip(timeline.rows, items, strict=True):
        cells = (
            str(row.step),
            str(row.wave or ""),
            f"{row.guest} ({row.guest_id})",
            item.source,
            item.target,
            item.kind,
            item.memory,
            item.after.removeprefix("after "),
            item.why,
            *_times(row.estimated),
        )
        yield (*cells, item.result.replace("_", " "), *_times(row.real), item.result_why) if ran else cells


def _times(span: Span | None) -> tuple[str, str]:
    return (duration(span.start), duration(span.end)) if span else ("", "")
