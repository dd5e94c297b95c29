# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order for what the scheduler could not order, and a placement with an order for rules that it could not
restore: by looking at every placement on the way, where there are few enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..._model.plan import Plan
from ..model.problem import Problem
from .exhaustive_search import ExhaustiveSearch
from .list_scheduler import Job, Schedule, ScheduledMove
from .moves import Move, makespan_lower_bound, seconds_of

# The most guests, and hosts, that are looked at together.
MAX_GUESTS, MAX_HOSTS = 8, 6
# Placements that are looked at before the search is given up: of one that knows where all shall go,
# and of one that looks for what can be restored.
MAX_STATES_TO_GOAL, MAX_STATES = 1500, 6000


@dataclass(frozen=True, slots=True)
class RepairResult:
    """By guest where it ends, and the order that leads there; None where there is nothing better. complete:
    whether everything was looked at, so that it is proven."""

    places: tuple[int, ...] | None
    order: Schedule
    complete: bool


def reroute(
    problem: Problem, jobs: Sequence[Job], found: Schedule, ceilings: Sequence[Sequence[float]]
) -> Schedule:
    """The order with what is left of it put in, one migration after another; as it was where there is no way
    to do so."""
    moves = [move for job in jobs for move in job]
    bound = makespan_lower_bound(problem, moves, ceilings, detours=True)
    stuck = {move.guest for move in found.left}
    related = _related(problem, jobs, stuck)
    if len(related) <= MAX_GUESTS:
        others = [placed for placed in found.placed if placed.move.guest not in related]
        better = _with_way(problem, jobs, related, _renumbered(found.placed, others), ceilings)
        if not better.left:
            return replace(better, bound=bound)
        found = replace(found, proven=better.proven)
    if len(stuck) <= MAX_GUESTS and len(related) > len(stuck):
        better = _with_way(problem, jobs, stuck, found.placed, ceilings)
        if not better.left:
            return replace(better, bound=bound)
    return found


def _related(problem: Problem, jobs: Sequence[Job], stuck: set[int]) -> set[int]:
    """Guests that go from or to the hosts of those that are stuck, or are under a rule with them, and so
    on."""
    guests, hosts = set(stuck), set[int]()
    moving = {move.guest for job in jobs for move in job}
    ruled = [set(group.guests) & moving for group in problem.groups if group.strict]
    while True:
        hosts |= {
            h for job in jobs for move in job if move.guest in guests for h in (move.source, move.target)
        }
        more = {move.guest for job in jobs for move in job if {move.source, move.target} & hosts}
        more |= {move.guest for job in jobs for move in job if any(other.guest in guests for other in job)}
        more |= {guest for group in ruled if group & guests for guest in group}
        if more <= guests:
            return guests
        guests |= more


def _renumbered(placed: Sequence[ScheduledMove], kept: Sequence[ScheduledMove]) -> list[ScheduledMove]:
    """Those that are kept, with `after` in terms of each other."""
    position = {id(item): number for number, item in enumerate(kept)}
    return [
        replace(
            item, after=[position[id(placed[step])] for step in item.after if id(placed[step]) in position]
        )
        for item in kept
    ]


def _with_way(
    problem: Problem,
    jobs: Sequence[Job],
    guests: Iterable[int],
    placed: Sequence[ScheduledMove],
    ceilings: Sequence[Sequence[float]],
) -> Schedule:
    """The moves that are placed already, then the way of these guests to where they go."""
    wanted = set(guests)
    goals = {move.guest: move.target for job in jobs for move in job}
    places = list(problem.home)
    for item in placed:
        places[item.move.guest] = item.move.target
    units = sorted({problem.unit_of[guest] for guest in wanted})
    left = [move for job in jobs for move in job if move.guest in wanted]
    complete = False
    for helpers in (False, True):
        chosen = [*units, *_helpers(problem, units, goals)] if helpers else units
        hosts, all_hosts = _hosts(problem, chosen, goals, places)
        if helpers and len(chosen) == len(units):
            break
        ways = ExhaustiveSearch(problem, chosen, hosts, ceilings, places)
        ends = {g: goals.get(g, places[g]) for unit in chosen for g in problem.members[unit]}
        way = ways.reach(ends, MAX_STATES_TO_GOAL)
        if way.jobs is not None:
            return sequential_schedule(problem, way.jobs, placed)
        everyone = len(chosen) == len(problem.members)
        complete = way.complete and all_hosts and everyone and not placed
    return Schedule(placed=list(placed), left=left, proven=complete)


def _helpers(problem: Problem, units: Sequence[int], goals: dict[int, int]) -> list[int]:
    """Units that could step aside for a while: those that do not move, on the hosts in question, the smallest
    first."""
    hosts = {
        host for unit in units for g in problem.members[unit] for host in (problem.home[g], goals.get(g, -1))
    }
    many = sum(len(problem.members[unit]) for unit in units)
    found = []
    for unit in sorted(range(len(problem.members)), key=lambda unit: (problem.unit_bytes[unit], unit)):
        members = problem.members[unit]
        idle = unit not in units and not any(guest in goals for guest in members)
        if idle and many + len(members) <= MAX_GUESTS:
            near = any(problem.home[guest] in hosts for guest in members)
            if near or len(problem.members) <= MAX_GUESTS:
                found.append(unit)
                many += len(members)
    return found


def _hosts(
    problem: Problem, units: Sequence[int], goals: dict[int, int], places: Sequence[int]
) -> tuple[list[int], bool]:
    """The hosts that these units may use on their way, the ones with the most free memory first where there
    are many; and whether these are all."""
    must = {
        host
        for unit in units
        for guest in problem.members[unit]
        for host in (places[guest], goals.get(guest, places[guest]))
    }
    needs = problem.needs
    others = sorted(
        (host for host in range(len(problem.hosts)) if host not in must),
        key=lambda host: (needs.used[host][1] - needs.ceiling[host][1], host),
    )
    spare = max(0, MAX_HOSTS - len(must))
    return sorted(must | set(others[:spare])), spare >= len(others)


def repair_exhaustively(
    problem: Problem, at: Sequence[int], ceilings: Sequence[Sequence[float]], *, empty_hosts: bool
) -> RepairResult | None:
    """Where rules stay broken in a small cluster: the placement with the fewest broken rules that can be
    reached in a safe order, if it has fewer than the one with the guests `at` these hosts. None where the
    cluster is too large to look at all of it.
    """
    guests = sum(len(members) for members in problem.members)
    if not 0 < guests <= MAX_GUESTS or len(problem.hosts) > MAX_HOSTS:
        return None
    units = range(len(problem.members))
    ways = ExhaustiveSearch(problem, units, range(len(problem.hosts)), ceilings)
    way = ways.repair(MAX_STATES, problem.budget, empty_hosts=empty_hosts)
    now = ways.wrong(
        tuple(at[guest] for unit in units for guest in problem.members[unit]), empty_hosts=empty_hosts
    )
    if way.jobs is None or ways.wrong(way.places, empty_hosts=empty_hosts) >= now:
        return RepairResult(None, Schedule(), way.complete)
    places = list(problem.home)
    for job in way.jobs:
        for move in job:
            places[move.guest] = move.target
    return RepairResult(tuple(places), sequential_schedule(problem, way.jobs, []), way.complete)


def sequential_schedule(problem: Problem, jobs: Sequence[Job], placed: Sequence[ScheduledMove]) -> Schedule:
    """The jobs, each after the one before it, and all after what is placed already."""
    result = list(placed)
    waited_for = {step for item in placed for step in item.after}
    before = [step for step in range(len(placed)) if step not in waited_for]
    now = max((item.ends for item in placed), default=0.0)
    last = {move.guest: number for number, job in enumerate(jobs) for move in job}
    for number, job in enumerate(jobs):
        first = len(result)
        for move in job:
            waits = last[move.guest] != number or move.target == problem.home[move.guest]
            result.append(
                ScheduledMove(
                    move=replace(move, parking=waits),
                    after=list(before),
                    starts=now,
                    ends=now + seconds_of(problem, move),
                )
            )
        before = list(range(first, len(result)))
        now = max(item.ends for item in result[first:])
    return Schedule(placed=result, rerouted=True)


def schedule_of(problem: Problem, plan: Plan) -> Schedule:
    """The order of a plan's migrations."""
    guests, hosts = problem.index.guest_at, problem.index.host_at
    placed: list[ScheduledMove] = []
    for step in plan.migrations:
        after = [number - 1 for number in step.after]
        starts = max((placed[number].ends for number in after), default=0.0)
        move = Move(
            guest=guests[step.guest.id],
            source=hosts[step.source],
            target=hosts[step.target],
            parking=step.kind == "parking",
        )
        placed.append(ScheduledMove(move=move, after=after, starts=starts, ends=starts + step.cost.seconds))
    return Schedule(placed=placed)


def concatenate(problem: Problem, first: Schedule, second: Schedule) -> Schedule:
    """Both orders, the second when the first has ended. A guest that the second moves on only waits where the
    first took it."""
    waited_for = {step for item in first.placed for step in item.after}
    ends = [step for step in range(len(first.placed)) if step not in waited_for]
    moved_on = {item.move.guest for item in second.placed}
    placed = [
        replace(item, move=replace(item.move, parking=item.move.parking or item.move.guest in moved_on))
        for item in first.placed
    ]
    offset, delay = len(placed), first.seconds
    placed += [
        replace(
            item,
            move=replace(
                item.move, parking=item.move.parking or item.move.target == problem.home[item.move.guest]
            ),
            after=[step + offset for step in item.after] or list(ends),
            starts=item.starts + delay,
            ends=item.ends + delay,
        )
        for item in second.placed
    ]
    return Schedule(placed=placed, bound=first.bound, rerouted=True)
