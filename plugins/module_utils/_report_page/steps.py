# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that the pictures step through: of a plan, of a run as it went, and of new guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .._model.outcome import MigrationOutcome, Outcome
from .._model.placement import Placed, Placement
from .._model.plan import Migration, Plan
from .given import Given
from .view import NOWHERE, Changes, StepView

ARRIVED: Final = ("migrated", "already_there")


@dataclass(frozen=True, slots=True)
class Way:
    """How a snapshot changes: who goes where in which order, and why the pictures show it."""

    steps: tuple[StepView, ...]
    changes: Changes


def way_of(
    given: Given,
    plan: Plan | None,
    at_host: Mapping[str, int],
    at_guest: Mapping[str, int],
    created: Sequence[Placed],
) -> Way:
    migrations: Sequence[Migration | MigrationOutcome] = plan.migrations if plan else ()
    changes: Changes = "planned" if migrations else "none"
    if given.outcome is not None and given.outcome.status != "planned":
        # A run that was about disks alone changes nothing on the hosts.
        about_guests = bool(given.outcome.migrations) or not given.outcome.disk_moves
        migrations, changes = _done(given.outcome), "run" if about_guests else "none"
    waves = {migration.step: migration for migration in plan.migrations} if plan else {}
    steps = []
    for migration in migrations:
        source, target = at_host.get(migration.source), at_host.get(migration.target)
        guest = at_guest.get(migration.guest.id)
        if source is None or target is None or guest is None:
            continue
        planned = waves.get(migration.step)
        step = StepView(
            step=migration.step,
            guest=guest,
            source=source,
            target=target,
            wave=planned.wave if planned else 1,
            kind=planned.kind if planned else "manual",
            why=planned.why if planned else "undoes an earlier step" if waves else "",
        )
        steps.append(step)
        for moved in migration.along if isinstance(migration, MigrationOutcome) else ():
            if moved.guest.id in at_guest and moved.source in at_host:
                why = f"the platform moved it along with {migration.guest.name}"
                place = {"guest": at_guest[moved.guest.id], "source": at_host[moved.source]}
                steps.append(replace(step, **place, kind="along", why=why))
    if created:
        wave = max((step.wave for step in steps), default=0) + 1
        number = max((step.step for step in steps), default=0)
        changes = "placed"
        steps += [
            StepView(
                step=number + offset + 1,
                guest=len(at_guest) + offset,
                source=NOWHERE,
                target=at_host[placed.host.id],
                wave=wave,
                kind="new",
                why="is created here",
            )
            for offset, placed in enumerate(created)
        ]
    return Way(tuple(steps), changes)


def _done(outcome: Outcome) -> list[MigrationOutcome]:
    """What has really moved, in the order in which it arrived; those of nobody's run first."""
    moved = [migration for migration in outcome.migrations if migration.result in ARRIVED]
    return sorted(moved, key=lambda migration: (migration.ended_at or "", migration.step))


def created_guests(placement: Placement | None, at_host: Mapping[str, int]) -> list[Placed]:
    return [
        placed
        for placed in (placement.placements if placement else ())
        if placed.state != "present" and placed.host.id in at_host
    ]
