# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for disks that are broken: the moves that restore them, with few bytes."""

from __future__ import annotations

from collections.abc import Sequence

from .moves import Moves


def repair_rules(moves: Moves, *, strict: bool) -> None:
    """Make single moves as long as any restores a rule, the ones with the lowest key; where none does, let
    another unit make room. strict: the strict rules, or else the preferences.
    """
    state = moves.state
    for number, members in enumerate(moves.problem.rules):
        if members.rule.strict is not strict:
            continue
        while state.broken[number]:
            before = state.key()
            units = [unit for unit in members.units if moves.problem.units[unit].targets]
            options = ((unit, target) for unit in units for target in moves.ways(unit))
            found = moves.best(options, before)
            if found is None and not _make_way(moves, units):
                break
            if found is not None:
                state.relocate(*found)
    state.settle()


def _make_way(moves: Moves, units: Sequence[int]) -> bool:
    """Let another unit leave a datastore so that one of these fits; whether the rule is broken less."""
    state = moves.state
    before, where = state.key(), list(state.where)
    for unit in sorted(units, key=lambda unit: (state.bytes_of[unit], unit)):
        if moves.eject(unit) and state.key() < before:
            return True
        state.restore(where)
    return False
