# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal consolidate from a snapshot to a plan: hosts are chosen first, then emptied like any host that leaves.

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._model.plan import Plan
from .._model.policy import Policy
from .._model.selector import Selector
from .._model.snapshot import Snapshot
from .build import build
from .consolidate import choose, consolidation_of, running_by_host
from .consolidate_told import STAYS_ON, hosts_needed
from .hosts import closed
from .problem import Problem
from .search import place_like
from .state import State

Solve = Callable[[Problem], State]
Finish = Callable[[Problem, State], tuple[Plan, list[int]]]


def consolidated(snapshot: Snapshot, policy: Policy, solve: Solve, finish: Finish) -> tuple[Problem, Plan]:
    """`solve` mends rules and empties hosts in maintenance; `finish` makes a plan of a placement.

    Hosts that run no guests are taken to be off, unless a rule can't be mended or a host in maintenance not
    be emptied without them.
    """
    problem, result = _attempt(_without_empty(snapshot), policy, solve, finish)
    if _wrong(result):
        roomier, other = _attempt(snapshot, policy, solve, finish)
        if _wrong(other) < _wrong(result):
            return roomier, other
    return problem, result


def _wrong(result: Plan) -> int:
    """What is left undone besides hosts that stay on."""
    return sum(not item.what.endswith(STAYS_ON) for item in result.unresolved)


def _without_empty(snapshot: Snapshot) -> Snapshot:
    running = {guest.host for guest in snapshot.guests if guest.power == "running"}
    hosts = (host if host.id in running else replace(host, maintenance=True) for host in snapshot.hosts)
    return replace(snapshot, hosts=tuple(hosts))


def _attempt(snapshot: Snapshot, policy: Policy, solve: Solve, finish: Finish) -> tuple[Problem, Plan]:
    first = build(snapshot, policy)
    banned: frozenset[int] = frozenset()
    while True:
        state = solve(first)
        chosen = choose(state, banned)
        if not chosen:
            problem, result = first, finish(first, solve(first))[0]
            break
        problem = _build_without(first, chosen)
        result, places = finish(problem, place_like(problem, state.places()))
        running = running_by_host(problem, places)
        stuck = [host for host in chosen if running[host]]
        if not stuck:
            plain = finish(first, solve(first))[0] if _wrong(result) else result
            if _wrong(plain) < _wrong(result):
                problem, result = first, plain
            break
        # There is no safe order to empty them in: they stay on.
        banned |= frozenset(stuck)
    on = sum(state.guests > 0 for state in result.after.hosts.values())
    wanted = max(hosts_needed(first), min(consolidation_of(first).min_hosts, on))
    told = f"{result.proof.method}; {_hosts(on)} on, where at least {wanted} must be"
    return problem, replace(result, proof=replace(result.proof, method=told))


def _hosts(many: int) -> str:
    return "1 host stays" if many == 1 else f"{many} hosts stay"


def _build_without(problem: Problem, chosen: list[int]) -> Problem:
    """The problem in which the chosen hosts have to be emptied, by migrations that level and don't mend: they
    fill no host further than its plain limits.
    """
    policy = problem.policy
    fill = consolidation_of(problem).fill
    limits = policy.limits
    cpu, memory = (value if fill is None else min(value, fill) for value in (limits.cpu, limits.memory))
    limits = replace(limits, cpu=cpu, memory=memory, cpu_for_rules=cpu, memory_for_rules=memory)
    names = tuple(problem.hosts[host].id for host in chosen)
    policy = replace(policy, evacuate=Selector(names=names), limits=limits)
    return build(closed(problem.snapshot, policy), policy)
