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
    """A solution with all or some of the guests placed, and how it was found."""

    state: PlacementSolution
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
    _demand_different_clusters(snapshots)
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


def _demand_different_clusters(snapshots: Sequence[Snapshot]) -> None:
    ids = [(snapshot.platform, snapshot.cluster.instance, snapshot.cluster.id) for snapshot in snapshots]
    for index, one in enumerate(ids):
        first = ids.index(one)
        if first < index:
            cluster = snapshots[index].cluster
            raise PlanningError(
                f"both are of cluster {cluster.name} (id {cluster.id})",
                where=f"snapshots {first + 1} and {index + 1}",
                hint="Name each cluster once",
            )


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
    verify_result(outcome.state, request)
    found = placement_result(
        what, request, outcome.state, outcome.choices, outcome.plan, proven=outcome.proven
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
    state = PlacementSolution(what, request.strategy, request.spare)
    choices = greedy(state, by_hardness(state), request.runners_up + 1)
    if len(state.seats) == len(what.units):
        if len(what.units) > 1:
            state, choices = _settled(state, choices, request)
        return Attempt(state=state, choices=choices, complete=True, proven=True)
    alone = len(what.units) == 1
    other = PlacementSolution(what, request.strategy, request.spare)
    exhaustive = Exhaustive(other)
    if not alone and exhaustive.run():
        return Attempt(
            state=other,
            choices={number: _kept(other, number, request) for number in list(other.seats)},
            complete=True,
            proven=True,
        )
    # Datastores are chosen one disk after the other, whatever host is tried.
    proven = alone or (exhaustive.proven and not _lacks_storage(state))
    return Attempt(state=state, choices=choices, complete=False, proven=proven)


def _lacks_storage(state: PlacementSolution) -> bool:
    """Whether a unit without a place would have one if datastores had more room."""
    return any(
        state.obstacle(number, host) == "storage"
        for number, unit in enumerate(state.task.units)
        if number not in state.seats
        for host in unit.open
    )


def _settled(
    state: PlacementSolution, choices: dict[int, Choice], request: PlacementRequest
) -> tuple[PlacementSolution, dict[int, Choice]]:
    """The same, bettered by placing each again; or begun in the request's order, where that is better."""
    most = request.runners_up + 1
    units = len(state.task.units)
    large = units * len(state.cluster.hosts) > MAX_TWO_ORDERS
    local_improvement(state, choices, most, 1 if large else MAX_PASSES)
    if request.strategy != "spread" or large:
        return state, choices
    other = PlacementSolution(state.task, request.strategy, request.spare)
    found = greedy(other, range(units), most)
    if len(other.seats) < units or any(unit.wishes for unit in state.task.units):
        return state, choices
    local_improvement(other, found, most, MAX_PASSES)
    return (other, found) if other.unevenness < state.unevenness else (state, choices)


def _kept(state: PlacementSolution, number: int, request: PlacementRequest) -> Choice:
    """The other hosts that a unit could have, with all others where they are."""
    host = state.seats[number].host
    state.remove(number)
    choice = survey(state, number, request.runners_up + 1)
    score = state.score(state.task.units[number], host)
    state.insert(number, host)
    others = tuple(one for one in choice.best if one[1] != host)
    return Choice(best=((score, host), *others), fit=choice.fit, refused=choice.refused)


def _with_room(request: PlacementRequest, cleared: Cleared) -> Attempt:
    state = PlacementSolution(cleared.task, request.strategy, request.spare)
    for number, host in cleared.hosts:
        state.insert(number, host)
    return Attempt(
        state=state,
        choices={number: _kept(state, number, request) for number in list(state.seats)},
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
