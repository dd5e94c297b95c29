# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves of disks that undo what a run has done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..._model.outcome import DiskMoveOutcome
from ..._model.plan import DiskMove


def moves_back(
    moves: Sequence[DiskMove], outcomes: Iterable[DiskMoveOutcome], last_step: int
) -> list[DiskMove]:
    """Each move that the run carried out, or a part of it, backwards, the last one first; only with the disks
    that were moved. `last_step` is the highest number in use.
    """
    moved = {
        outcome.step: outcome.moved
        for outcome in outcomes
        if outcome.moved and outcome.result in ("migrated", "failed", "cancelled")
    }
    back = [move for move in reversed(moves) if move.step in moved]
    numbers = {move.step: last_step + 1 + index for index, move in enumerate(back)}
    followers: dict[int, list[int]] = {}
    for move in moves:
        for step in move.after:
            if move.step in numbers and step in numbers:
                followers.setdefault(step, []).append(numbers[move.step])
    result = []
    waves: dict[int, int] = {}
    for move in back:
        after = tuple(sorted(followers.get(move.step, ())))
        step = numbers[move.step]
        waves[step] = 1 + max((waves[other] for other in after), default=0)
        result.append(
            replace(
                move,
                step=step,
                wave=waves[step],
                disks=moved[move.step],
                source=move.target,
                target=move.source,
                kind="rollback",
                why=f"undoes step {move.step}",
                after=after,
                room=max(move.room, move.bytes),
            )
        )
    return result
