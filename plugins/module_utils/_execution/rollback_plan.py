# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way home: the migrations that undo what a run has done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .._model.outcome import MigrationOutcome
from .._model.plan import Migration


def rollback_migrations(
    migrations: Sequence[Migration], outcomes: Iterable[MigrationOutcome], last_step: int = 0
) -> list[Migration]:
    """Each migration that the run carried out, backwards, the last one first. `last_step` is the highest
    number in use.

    What a plan promises holds in both directions: every state on the way home is one that was passed on the
    way out. So what came after a migration must be home before it goes home itself.
    """
    done = {outcome.step for outcome in outcomes if outcome.result == "migrated"}
    first = max((migration.step for migration in migrations), default=last_step)
    first = max(first, last_step) + 1
    back = [migration for migration in reversed(migrations) if migration.step in done]
    numbers = {migration.step: first + index for index, migration in enumerate(back)}
    followers: dict[int, list[int]] = {}
    for migration in migrations:
        for step in migration.after:
            if migration.step in numbers and step in numbers:
                followers.setdefault(step, []).append(numbers[migration.step])
    result = []
    waves: dict[int, int] = {}
    for migration in back:
        after = tuple(sorted(followers.get(migration.step, ())))
        step = numbers[migration.step]
        waves[step] = 1 + max((waves[other] for other in after), default=0)
        result.append(
            replace(
                migration,
                step=step,
                wave=waves[step],
                source=migration.target,
                target=migration.source,
                kind="rollback",
                why=f"undoes step {migration.step}",
                after=after,
                storage={target: source for source, target in migration.storage.items()},
            )
        )
    return result
