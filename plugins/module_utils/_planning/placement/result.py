# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer: each guest with its place, the others with what is in their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ..._model.placement import (
    ClusterTried,
    HostRef,
    HostRefusal,
    Placed,
    Placement,
    Promise,
    RunnerUp,
    Search,
    Unplaced,
)
from ..._model.placement_request import PlacementRequest
from ..._model.plan import Plan
from ..._model.reservation import cluster_name, is_reserved
from ..._model.snapshot import Disk, Guest
from .cluster_index import ClusterIndex
from .largest_fit import in_words, largest_fit
from .problem import PlacementProblem
from .requested_guests import NewGuest
from .search import Choice, described, survey
from .solution import PlacementSolution

Status = Literal["placed", "partial", "impossible"]


def placement_result(
    task: PlacementProblem,
    request: PlacementRequest,
    state: PlacementSolution,
    choices: Mapping[int, Choice],
    plan: Plan | None,
    *,
    proven: bool,
) -> Placement:
    """The answer of a solution. All-or-nothing: a guest without a place takes the others' away."""
    cluster = state.cluster
    whole = len(state.seats) == len(state.task.units)
    given = whole or not request.all_or_nothing
    explain = len(task.new) == 1 if request.explain is None else request.explain
    placements: list[Placed] = []
    for position, item in enumerate(task.new):
        if item.known is not None:
            placements.append(_known(cluster, item, item.known))
        elif given and state.task.unit_of[position] in state.seats:
            number = state.task.unit_of[position]
            placements.append(_placed(state, position, choices[number], explain=explain))
    unplaced = [
        _unplaced(state, position, choices.get(number), explain=explain or len(state.task.units) == 1)
        for position, item in enumerate(task.new)
        if item.known is None and (number := state.task.unit_of[position]) not in state.seats
    ]
    status: Status = "placed" if whole else "partial" if given and placements else "impossible"
    lines = _lines(cluster, state, placements, unplaced, plan, given=given, proven=proven)
    own = cluster_name(cluster.snapshot)
    after = _spread(cluster, state.points)
    return Placement(
        status=status,
        cluster=cluster.snapshot.cluster,
        platform=cluster.snapshot.platform,
        taken_at=cluster.snapshot.taken_at,
        placements=tuple(placements),
        unplaced=tuple(unplaced),
        spread_before=_spread(task.cluster, task.cluster.points),
        spread_after=after if given else _spread(task.cluster, task.cluster.points),
        clusters=(
            ClusterTried(
                cluster=cluster.snapshot.cluster,
                platform=cluster.snapshot.platform,
                placed=len(task.new) - len(unplaced),
                wanted=len(task.new),
                migrations=len(plan.migrations) if plan else 0,
                load=round(max(state.level), 3) if whole and state.level else None,
                says=lines[0] if lines else "",
            ),
        ),
        plan=plan,
        promises=tuple(_promise(own, one) for one in placements if one.state == "new"),
        says=tuple(lines),
        notes=(*cluster.notes, *task.rules.notes),
    )


def _placed(state: PlacementSolution, position: int, choice: Choice, *, explain: bool) -> Placed:
    number = state.task.unit_of[position]
    unit, seat = state.task.units[number], state.seats[number]
    item = state.task.new[position]
    # The disks of a unit stand one guest after the other.
    before = sum(
        len(state.task.new[other].wanted.disks) for other in unit.guests[: unit.guests.index(position)]
    )
    names = seat.datastores[before : before + len(item.wanted.disks)]
    score = next((score for score, host in choice.best if host == seat.host), None)
    return Placed(
        name=item.guest.name,
        request=item.request,
        state="new",
        host=_ref(state.cluster, seat.host),
        cpu=item.wanted.cpu,
        memory=item.wanted.memory,
        disks=tuple(
            Disk(datastore=name, size=disk.size, storage_policy=disk.storage_policy)
            for name, disk in zip(names, item.wanted.disks, strict=True)
        ),
        networks=item.wanted.networks,
        tags=item.wanted.tags,
        score=None if score is None else round(score, 3),
        runners_up=tuple(
            RunnerUp(host=_ref(state.cluster, host), score=round(score, 3))
            for score, host in choice.best
            if host != seat.host
        ),
        search=_search(state, number, choice, explain=explain),
    )


def _known(cluster: ClusterIndex, item: NewGuest, guest: Guest) -> Placed:
    """A guest that is there, or is to be there, is where it is."""
    return Placed(
        name=item.guest.name,
        request=item.request,
        state="held" if is_reserved(guest) else "present",
        host=_ref(cluster, cluster.index.host_at[guest.host]),
        cpu=float(guest.assigned.get("cpu") or 0.0),
        memory=int(guest.assigned.get("memory") or 0),
        disks=guest.disks,
        networks=guest.networks,
        tags=guest.tags,
    )


def _unplaced(state: PlacementSolution, position: int, choice: Choice | None, *, explain: bool) -> Unplaced:
    number = state.task.unit_of[position]
    item = state.task.new[position]
    return Unplaced(
        name=item.guest.name,
        request=item.request,
        search=_search(state, number, choice or survey(state, number, 1), explain=explain),
        largest=largest_fit(state, number),
    )


def _search(state: PlacementSolution, number: int, choice: Choice, *, explain: bool) -> Search:
    found = described(state, choice)
    if not explain:
        return found
    seated = state.seats.get(number)
    if seated is not None:
        state.remove(number)
    refusals = []
    for host, facts in enumerate(state.cluster.hosts):
        reason = state.because(number, host)
        if reason is not None:
            refusals.append(HostRefusal(host=facts.id, name=facts.name, reason=reason[0], detail=reason[1]))
    if seated is not None:
        state.insert(number, seated.host)
    return Search(
        hosts=found.hosts, fit=found.fit, refused=found.refused, says=found.says, refusals=tuple(refusals)
    )


def _ref(cluster: ClusterIndex, host: int) -> HostRef:
    facts = cluster.hosts[host]
    return HostRef(id=facts.id, name=facts.name, address=facts.address)


def _promise(cluster: str, one: Placed) -> Promise:
    """A lease holds space on datastores, and knows no storage policies."""
    return Promise(
        cluster=cluster,
        guest=one.name,
        host=one.host.id,
        cpu=one.cpu,
        memory=one.memory,
        disks=tuple(replace(disk, storage_policy=None) for disk in one.disks),
        networks=one.networks,
        tags=one.tags,
    )


def _spread(cluster: ClusterIndex, points: Sequence[Sequence[float]]) -> dict[str, float]:
    result = {}
    for index, name in enumerate(cluster.metrics):
        values = [points[host][index] for host in cluster.counted[index]]
        result[name] = round(max(values) - min(values), 3)
    return result


def _lines(
    cluster: ClusterIndex,
    state: PlacementSolution,
    placements: Sequence[Placed],
    unplaced: Sequence[Unplaced],
    plan: Plan | None,
    *,
    given: bool,
    proven: bool,
) -> list[str]:
    """The answer as people read it; where something has no place, that comes first, and what would fit."""
    lines = [f"{one.name}: {one.search.says}" for one in unplaced[:10]]
    by_name = {item.guest.name: item.guest for item in state.task.new}
    # The same said once is enough: members of a batch are often alike.
    hints = [in_words(one.largest, by_name[one.name], cluster.index) for one in unplaced]
    lines += [hint for hint in dict.fromkeys(hints) if hint][:3]
    if len(unplaced) > 10:
        lines.append(f"and {len(unplaced) - 10} more without a place")
    total = sum(1 for item in state.task.new if item.known is None)
    if unplaced and total > 1:
        fit = total - len(unplaced)
        which = [
            state.task.new[p].guest.name
            for p in sorted(p for n in state.seats for p in state.task.units[n].guests)
        ]
        some = f": {', '.join(which[:10])}{' …' if len(which) > 10 else ''}" if which else ""
        lines.append(
            f"{fit} of {total} fit together{some}"
            + ("" if proven else "; more may, if they are cut otherwise")
        )
    if plan is not None:
        lines.append(
            f"room is made by {len(plan.migrations)} migration{'' if len(plan.migrations) == 1 else 's'}"
        )
    for one in placements if given else ():
        where = ", ".join(dict.fromkeys(disk.datastore for disk in one.disks))
        there = "" if one.state == "new" else f" ({one.state} already)"
        lines.append(f"{one.name} → {one.host.name}{f' on {where}' if where else ''}{there}")
    return lines
