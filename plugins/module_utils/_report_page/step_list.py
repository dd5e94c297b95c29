# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of steps with their time line: what sections of migrations and of disk moves have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .pictures.slots import Slots
from .pictures.ticks import Tick, time_ticks
from .texts import duration
from .timeline import Span

BADLY: Final = ("failed", "refused", "cancelled", "skipped")
MOODS: Final = {"migrated": "good", "already_there": "good", "planned": "plain", "failed": "bad"}
# The page is to stay small: what is not drawn is in the table, and what is not in the table is counted.
MAX_ITEMS: Final = 400
MAX_ROWS: Final = 3000
MAX_FAILURES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span on the time line, in percent of its width."""

    start: float
    width: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One step as it is shown. what: which part of the guest is meant, such as its disks; left: copies that
    no guest uses.
    """

    step: int
    guest: str
    guest_id: str
    source: str
    target: str
    kind: str
    label: str
    why: str
    after: str
    size: str
    estimated: Bar | None
    real: Bar | None
    result: str
    mood: str
    result_why: str
    what: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Steps that may run side by side. number 0: of no plan."""

    number: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The slots of one host or datastore: bars with the number of their lane."""

    place: str
    lanes: int
    bars: tuple[tuple[int, bool, Bar], ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the steps are called: the section and its table, what is at each end, and who moves."""

    id: str
    one: str
    many: str
    place: str
    mover: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepList:
    """more_items: steps that are in the table only; more_rows: those that are not in the table either;
    more_failures: those of which the reason is further down only; slots_left_out: whether slots are not drawn
    because they are too many.
    """

    words: Words
    slots: tuple[Lane, ...]
    slots_left_out: bool
    waves: tuple[Wave, ...]
    failures: tuple[Item, ...]
    more_failures: int
    ticks: tuple[Tick, ...]
    intro: str
    heads: tuple[object, ...]
    rows: tuple[tuple[str, ...], ...]
    has_real: bool
    many: bool
    steps: int
    more_items: int
    more_rows: int


def step_list(
    words: Words,
    items: Sequence[Item],
    waves: Iterable[int],
    *,
    seconds: float,
    slots: Callable[[], Sequence[Slots]],
    name: Callable[[str], str],
    intro: str,
    heads: tuple[object, ...],
    rows: Sequence[tuple[str, ...]],
) -> StepList:
    """`waves` and `rows` belong to the items, one by one; `name` names a host or datastore by its id."""
    shown = _shown(items)
    by_wave: dict[int, list[Item]] = {}
    for number, (wave, item) in enumerate(zip(waves, items, strict=True)):
        if number in shown:
            by_wave.setdefault(wave, []).append(item)
    failures = [item for item in items if item.result in BADLY]
    drawn = len(items) <= MAX_ITEMS
    return StepList(
        words=words,
        slots=tuple(_lane(one, seconds, name) for one in slots()) if drawn else (),
        slots_left_out=not drawn,
        waves=tuple(Wave(number=number, items=tuple(found)) for number, found in by_wave.items()),
        failures=tuple(failures[:MAX_FAILURES]),
        more_failures=max(0, len(failures) - MAX_FAILURES),
        ticks=time_ticks(seconds),
        intro=intro,
        heads=heads,
        rows=tuple(rows[:MAX_ROWS]),
        has_real=any(item.real for item in items),
        many=len(items) > 30,
        steps=len(items),
        more_items=len(items) - len(shown),
        more_rows=max(0, len(rows) - MAX_ROWS),
    )


def _shown(items: Sequence[Item]) -> frozenset[int]:
    """Those that are drawn: what was not done or left something behind, and then the first ones."""
    numbers = sorted(
        range(len(items)), key=lambda number: not (items[number].result in BADLY or items[number].left)
    )
    return frozenset(numbers[:MAX_ITEMS])


def bar_of(span: Span | None, seconds: float, word: str) -> Bar | None:
    if span is None:
        return None
    whole = seconds or 1.0
    return Bar(
        start=round(100.0 * span.start / whole, 2),
        width=max(0.4, round(100.0 * span.seconds / whole, 2)),
        says=f"{word} {duration(span.seconds)}, from {duration(span.start)} to {duration(span.end)}",
    )


def times(span: Span | None) -> tuple[str, str]:
    return (duration(span.start), duration(span.end)) if span else ("", "")


def _lane(slots: Slots, seconds: float, name: Callable[[str], str]) -> Lane:
    arriving = sum(use.arrives for use in slots.uses)
    leaving = len(slots.uses) - arriving
    bars = []
    for use in slots.uses:
        word = f"{use.guest} {'arrives' if use.arrives else 'leaves'}, step {use.step},"
        drawn = bar_of(use.span, seconds, word)
        if drawn is not None:
            bars.append((use.lane, use.arrives, drawn))
    return Lane(
        place=name(slots.place),
        lanes=slots.lanes,
        bars=tuple(bars),
        says=f"{leaving} out, {arriving} in",
    )
