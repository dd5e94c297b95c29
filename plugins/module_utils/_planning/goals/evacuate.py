# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal evacuate: the hosts that the policy names run no guests."""

from __future__ import annotations

from ..._model.plan import MigrationKind, Unresolved
from ..model.problem import Problem
from ..model.solution import Solution
from ..report.unresolved import left_on, stranded
from .goal import EndState, Goal


class Evacuate(Goal):
    """Empties the hosts and wants nothing else; a limit that another host exceeds is only a notice."""

    def unresolved(self, end: EndState) -> list[Unresolved]:
        return stranded(end.solution, end.places, end.findings)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        total = len(_to_leave(state.problem))
        return total, "every running guest of the hosts that are to be emptied has to leave"

    def is_hopeless(self, problem: Problem) -> bool:
        left = _to_leave(problem)
        return not any(problem.roles.receives) or all(problem.stays[guest] for guest in left)

    def migration_kind(self, state: Solution, unit: int) -> MigrationKind:
        return "evacuate"


def _to_leave(problem: Problem) -> list[int]:
    leaving = [host for host, leaves in enumerate(problem.roles.leaving) if leaves]
    return [guest for host in leaving for guest in left_on(problem, problem.home, host)]
