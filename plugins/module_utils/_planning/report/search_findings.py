# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of the search for a plan, so that reasons name nothing that was not looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..model.problem import Problem
from ..model.solution import Solution

MAX_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFindings:
    """stuck: guests whose migrations found no safe moment. proven: whether all orders of the chosen
    migrations were tried.
    """

    stuck: frozenset[int] = frozenset()
    proven: bool = False

    def no_order(self, problem: Problem, guests: Iterable[int]) -> str | None:
        """That some of these guests, or of those that move with them, found no safe moment; None where each
        did.
        """
        concerned = {
            other
            for guest in guests
            for other in (problem.members[problem.unit_of[guest]] if guest in problem.unit_of else (guest,))
        }
        names = [problem.guests[guest].name for guest in sorted(concerned & self.stuck)]
        if not names:
            return None
        stay = f"so these stay: {', '.join(names[:MAX_NAMED])}"
        if self.proven:
            return f"the chosen migrations have no safe order, {stay} (all orders were tried)"
        return f"no safe order of the chosen migrations was found, {stay} (not all orders were tried)"

    def no_order_from(self, state: Solution, host: int) -> str | None:
        """As no_order, of the guests that may move and are on this host."""
        members = state.problem.members
        return self.no_order(state.problem, (guest for unit in state.on[host] for guest in members[unit]))


def has_place(state: Solution, guests: Iterable[int]) -> bool:
    """Whether a host other than its own would take one of these guests as things are, with those that move
    along with it, were there a safe order.
    """
    problem = state.problem
    forbidden, state.forbidden = state.forbidden, set()
    found = False
    for unit in sorted({problem.unit_of[guest] for guest in guests if guest in problem.unit_of}):
        here = state.remove(unit)
        found |= any(host != here and state.fits(unit, host) for host in range(len(problem.hosts)))
        state.insert(unit, here)
    state.forbidden = forbidden
    return found
