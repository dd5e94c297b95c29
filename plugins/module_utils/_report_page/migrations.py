# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section with each migration: why, when, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .._model.outcome import MigrationOutcome
from .._model.plan import Migration
from .content import view_of
from .given import Given
from .pictures.slots import slots_of
from .section import Section
from .step_list import MOODS, Item, Words, bar_of, step_list, times
from .texts import count, duration, listed, size
from .timeline import Row, Timeline, timeline_of
from .view import ClusterView

_KINDS: Final = {"parking": "temporary", "rule": "rule", "balance": "level", "storage": "for its disks"}
_WORDS: Final = Words(id="migrations", one="migration", many="migrations", place="host", mover="a guest")


def migrations(given: Given) -> Section | None:
    timeline = timeline_of(given)
    if timeline is None:
        return None
    view = view_of(given)
    items = [_item(row, timeline, view) for row in timeline.rows]
    ran = given.outcome is not None and given.outcome.status != "planned"
    return Section(
        id="migrations",
        title="The migrations, and what became of them" if ran else "The migrations",
        template="migrations.j2",
        data=step_list(
            _WORDS,
            items,
            (row.wave for row in timeline.rows),
            seconds=timeline.seconds,
            slots=lambda: slots_of(timeline.rows),
            name=view.host_name if view else str,
            intro=_intro(given, timeline),
            heads=_heads(ran),
            rows=tuple(_rows(timeline, items, ran)),
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
    name = view.host_name if view else str
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
        size=_size(planned) if planned else "",
        estimated=bar_of(row.estimated, timeline.seconds, "estimated"),
        real=bar_of(row.real, timeline.seconds, "took"),
        result=ended.result if ended else "",
        mood=MOODS.get(ended.result, "warn") if ended else "plain",
        result_why="; ".join(_after_the_run(ended, name)) if ended else "",
        what=_disks(planned) if planned else "",
    )


def _size(planned: Migration) -> str:
    disks = f" and {size(planned.cost.disks)} of disks" if planned.cost.disks else ""
    return f"{size(planned.cost.memory)}{disks}"


def _disks(planned: Migration) -> str:
    """The datastores that its disks go along from and to."""
    ways = [
        source if source == target else f"{source} → {target}" for source, target in planned.storage.items()
    ]
    return f"with its disks on {listed(ways, 5)}" if ways else ""


def _after_the_run(ended: MigrationOutcome, name: Callable[[str], str]) -> Iterator[str]:
    """Why it went as it did, and what the platform did besides."""
    if ended.why:
        yield ended.why
    if ended.along:
        names = [f"{moved.guest.name} from {name(moved.source)}" for moved in ended.along]
        yield f"the platform moved along {listed(names, 5)}"


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
            item.size,
            item.after.removeprefix("after "),
            item.why,
            *times(row.estimated),
        )
        yield (*cells, item.result.replace("_", " "), *times(row.real), item.result_why) if ran else cells
