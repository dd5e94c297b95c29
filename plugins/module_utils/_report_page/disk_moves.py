# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section with each disk move: why, when, what became of it, and what it left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .._model.outcome import DiskMoveOutcome
from .._model.policy.storage import StoragePolicy
from .disk_timeline import DiskRow, DiskTimeline, disk_timeline_of
from .given import Given
from .pictures.slots import slots_of
from .section import Section
from .step_list import MOODS, Item, Words, bar_of, step_list, times
from .storage import storage_of
from .texts import count, duration, listed, size
from .timeline import timeline_of

_KINDS: Final = {"parking": "temporary"}
_WORDS: Final = Words(id="disk-moves", one="disk move", many="disk moves", place="datastore", mover="a disk")
MAX_DISKS: Final = 8


def disk_moves(given: Given) -> Section | None:
    timeline = disk_timeline_of(given)
    if timeline is None:
        return None
    storage = storage_of(given)
    name: Callable[[str], str] = storage.name if storage else str
    items = [_item(row, timeline, name) for row in timeline.rows]
    ran = given.outcome is not None and given.outcome.status != "planned"
    return Section(
        id="disk-moves",
        title="The disk moves, and what became of them" if ran else "The disk moves",
        template="migrations.j2",
        data=step_list(
            _WORDS,
            items,
            (row.wave for row in timeline.rows),
            seconds=timeline.seconds,
            slots=lambda: slots_of(timeline.rows),
            name=name,
            intro=_intro(given, timeline),
            heads=_heads(ran),
            rows=tuple(_rows(timeline, items, ran)),
        ),
    )


def _intro(given: Given, timeline: DiskTimeline) -> str:
    parts = []
    policy = (given.plan.policy.storage if given.plan else None) or StoragePolicy()
    first = (
        "" if timeline_of(given) is None else "All migrations come first; times count from the first copy. "
    )
    if timeline.estimated is not None:
        copied = sum(row.planned.bytes for row in timeline.rows if row.planned)
        at_once = count(policy.max_per_datastore, "move")
        if given.max_parallel is not None:
            at_once = f"{given.max_parallel} in the cluster and {at_once}"
        parts.append(
            f"{first}Estimated: {duration(timeline.estimated)} in all for {size(copied)}, with at most "
            f"{at_once} at once per datastore and {size(policy.bandwidth)}/s for each."
        )
        parts.append(
            "A copy takes its space on the target from its start, and frees the source only when the old one "
            "has been deleted."
        )
        if len({row.wave for row in timeline.rows if row.wave}) > 1:
            parts.append("A wave needs the space that earlier ones free; within a wave the order is free.")
    if timeline.real is not None:
        moved = sum(row.planned.bytes for row in timeline.rows if row.planned and _is_copied(row))
        copied_in_words = f", and {size(moved)} were copied" if moved else ""
        parts.append(f"The disk moves took {duration(timeline.real)}{copied_in_words}.")
    return " ".join(parts)


def _is_copied(row: DiskRow) -> bool:
    return row.ended is not None and row.ended.result == "migrated"


def _item(row: DiskRow, timeline: DiskTimeline, name: Callable[[str], str]) -> Item:
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
        size=size(planned.bytes) if planned else "",
        estimated=bar_of(row.estimated, timeline.seconds, "estimated"),
        real=bar_of(row.real, timeline.seconds, "took"),
        result=ended.result if ended else "",
        mood=_mood(ended) if ended else "plain",
        result_why="; ".join(_after_the_run(ended)) if ended else "",
        what=listed(row.disks, MAX_DISKS),
        left=ended.left_behind if ended else (),
    )


def _mood(ended: DiskMoveOutcome) -> str:
    return MOODS.get(ended.result, "warn")


def _after_the_run(ended: DiskMoveOutcome) -> Iterator[str]:
    if ended.why:
        yield ended.why
    if ended.moved and ended.result not in ("migrated", "already_there"):
        verb = "is" if len(ended.moved) == 1 else "are"
        yield f"{listed(ended.moved, MAX_DISKS)} {verb} on the target all the same"


def _heads(ran: bool) -> tuple[object, ...]:
    heads: list[object] = [
        ("Step", "num"),
        ("Wave", "num"),
        "Guest",
        "Disks",
        "From",
        "To",
        "Kind",
        ("Copied", "num"),
        ("Space on the target", "num"),
        "After",
        "Why",
        ("Estimated start", "num"),
        ("Estimated end", "num"),
    ]
    ended: list[object] = ["Result", ("Start", "num"), ("End", "num"), "Reason", "Left behind"]
    return (*heads, *ended) if ran else tuple(heads)


def _rows(timeline: DiskTimeline, items: list[Item], ran: bool) -> Iterator[tuple[str, ...]]:
    for row, item in zip(timeline.rows, items, strict=True):
        cells = (
            str(row.step),
            str(row.wave or ""),
            f"{row.guest} ({row.guest_id})",
            ", ".join(row.disks),
            item.source,
            item.target,
            item.kind,
            item.size,
            size(row.planned.room) if row.planned else "",
            item.after.removeprefix("after "),
            item.why,
            *times(row.estimated),
        )
        ended = (item.result.replace("_", " "), *times(row.real), item.result_why, "; ".join(item.left))
        yield (*cells, *ended) if ran else cells
