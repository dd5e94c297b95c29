# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing in one cluster, and choosing among several: the entry to placing new guests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..._model.errors import InputError
from ..._model.placement import ClusterTried, Placement
from ..._model.placement_request import PlacementRequest
from ..._model.plan import Plan
from ..._model.selector import Selector
from ..._model.snapshot import Snapshot
from ..errors import PlanningError
from ..report.notices import unread_notices
from ..report.unmatched_selectors import unmatched_selectors
from .cluster_index import cluster_index
from .make_room import Cleared, make_room
from .problem import PlacementProblem, build_placement_problem
from .requested_guests import requested_guests
from .result import placement_result
from .rules import placement_rules
from .search import Choice, Exhaustive, by_hardness, greedy, local_improvement, survey
from .solution import PlacementSolution
from .verify import verify_result

# Units times hosts up to which a batch is placed in two orders, and each of it again as often as it helps.
MAX_TWO_ORDERS = 200_000
MAX_PASSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A room with all or some of the guests in it, and how it came to that."""

    room: PlacementSolution
    choices: dict[int, Choice]
    complete: bool
    proven: bool
    plan: Plan | None = None


def place(snapshots: Sequence[Snapshot], request: PlacementRequest) -> Placement:
    """The answer for the best of the clusters: the one where some of the guests are already, else the one
    where most have a place, without migrations if that can be, and then by the strategy.

    Raises InputError or PlanningError for a request that no cluster can make sense of, and UnsafePlan when
    the planner itself is at fault.
    """
    if not snapshots:
        raise PlanningError("there is no cluster to place guests in", where="snapshots")
    ids = [(snapshot.platform, snapshot.cluster.instance, snapshot.cluster.id) for snapshot in snapshots]
    if len(set(ids)) < len(ids):
        raise PlanningError("two snapshots are of one cluster", where="snapshots")
    found: list[Placement] = []
    misfits: list[ClusterTried] = []
    first_error: InputError | PlanningError | None = None
    for snapshot in snapshots:
        try:
            found.append(place_in(snapshot, request))
        except (InputError, PlanningError) as error:
            # A pool that one cluster does not have may be one of the next.
            first_error = first_error or error
            misfits.append(_misfit(snapshot, request, error))
    if first_error is not None and not found:
        raise first_error
    found.sort(key=lambda one: _rank(one, request))
    clusters = tuple(one.clusters[0] for one in found) + tuple(misfits)
    return replace(found[0], clusters=clusters)


def place_in(snapshot: Snapshot, request: PlacementRequest) -> Placement:
    """The answer for one cluster."""
    unmatched = unmatched_selectors(snapshot, request.policy, _selectors(request))
    where = cluster_index(snapshot, request)
    new = requested_guests(where.snapshot, request)
    what = build_placement_problem(where, request, new, placement_rules(where, request, new))
    outcome = _placed(what, request)
    if not outcome.complete and request.make_room:
        cleared = make_room(what, request)
        if cleared is not None:
            outcome = _with_room(request, cleared)
    verify_result(outcome.room, request)
    found = placement_result(
        what, request, outcome.room, outcome.choices, outcome.plan, proven=outcome.proven
    )
    return replace(found, notes=(*found.notes, *unread_notices(snapshot), *unmatched))


def _selectors(request: PlacementRequest) -> Iterator[tuple[str, Selector]]:
    """The selectors of hosts that the request has besides its policy."""
    for index, facts in enumerate(request.hosts):
        yield f"request.hosts[{index}].hosts", facts.hosts
    for index, wanted in enumerate(request.vms):
        if wanted.hosts is not None:
            yield f"request.vms[{index}].hosts", wanted.hosts


def _placed(what: PlacementProblem, request: PlacementRequest) -> Attempt:
    """Everybody in turn; where that leaves somebody out, whatever way there is."""
    room = PlacementSolution(what, request.strategy, request.spare)
    choices = greedy(room, by_hardness(room), request.runners_up + 1)
    if len(room.seats) == len(what.units):
        if len(what.units) > 1:
            room, choices = _settled(room, choices, request)
        return Attempt(room=room, choices=choices, complete=True, proven=True)
    alone = len(what.units) == 1
    other = PlacementSolution(what, request.strategy, request.spare)
    exhaustive = Exhaustive(other)
    if not alone and exhaustive.run():
        return Attempt(
            room=other,
            choices={number: _kept(other, number, request) for number in list(other.seats)},
            complete=True,
            proven=True,
        )
    return Attempt(room=room, choices=choices, complete=False, proven=alone or exhaustive.proven)


def _settled(
    room: PlacementSolution, choices: dict[int, Choice], request: PlacementRequest
) -> tuple[PlacementSolution, dict[int, Choice]]:
    """The same, bettered by placing each again; or begun in the request's order, where that is better."""
    most = request.runners_up + 1
    units = len(room.task.units)
    large = units * len(room.cluster.hosts) > MAX_TWO_ORDERS
    local_improvement(room, choices, most, 1 if large else MAX_PASSES)
    if request.strategy != "spread" or large:
        return room, choices
    other = PlacementSolution(room.task, request.strategy, request.spare)
    found = greedy(other, range(units), most)
    if len(other.seats) < units or any(unit.wishes for unit in room.task.units):
        return room, choices
    local_improvement(other, found, most, MAX_PASSES)
    return (other, found) if other.unevenness < room.unevenness else (room, choices)


def _kept(room: PlacementSolution, number: int, request: PlacementRequest) -> Choice:
    """What other hosts there would be for a unit, with all others where they are."""
    host = room.seats[number].host
    room.remove(number)
    choice = survey(room, number, request.runners_up + 1)
    score = room.score(room.task.units[number], host)
    room.insert(number, host)
    others = tuple(one for one in choice.best if one[1] != host)
    return Choice(best=((score, host), *others), fit=choice.fit, refused=choice.refused)


def _with_room(request: PlacementRequest, cleared: Cleared) -> Attempt:
    room = PlacementSolution(cleared.task, request.strategy, request.spare)
    for number, host in cleared.hosts:
        room.insert(number, host)
    return Attempt(
        room=room,
        choices={number: _kept(room, number, request) for number in list(room.seats)},
        complete=True,
        proven=True,
        plan=cleared.plan,
    )


def _rank(one: Placement, request: PlacementRequest) -> tuple[float, ...]:
    tried = one.clusters[0]
    known = sum(placed.state != "new" for placed in one.placements)
    load = tried.load if tried.load is not None else 100.0
    # A batch of which some are there is completed there, or not at all: nothing is created twice.
    return (
        -known,
        -tried.placed,
        tried.migrations,
        -load if request.strategy == "pack" else load,
    )


def _misfit(snapshot: Snapshot, request: PlacementRequest, error: InputError | PlanningError) -> ClusterTried:
    return ClusterTried(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        placed=0,
        wanted=sum(wanted.count for wanted in request.vms),
        migrations=0,
        load=None,
        says=str(error),
    )
