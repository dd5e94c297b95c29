# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the guests of a host that fails find places on the others, host by host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..._model.headroom import Cause, HostFailure, LostGuest, Verdict
from ..._model.placement_request import PlacementRequest, Strategy, WantedVm
from ..._model.snapshot import Guest, Rule
from ..model.eligibility import HostRequirements
from ..model.rules import resolve_rules
from ..model.snapshot_index import SnapshotIndex
from ..placement.cluster_index import ClusterIndex, index_of
from ..placement.problem import PlacementProblem, build_placement_problem
from ..placement.requested_guests import NewGuest
from ..placement.rules import PlacementRules
from ..placement.search import Exhaustive, by_hardness, greedy
from ..placement.solution import PlacementSolution
from .restart import FAILED, RestartHosts, look_at, must_run, tied

# Looks at one host for one guest while all ways are tried, for all hosts together: some seconds at most.
MAX_STEPS = 300_000


@dataclass
class Budget:
    """What is left of the search through all ways."""

    steps: int = MAX_STEPS


def host_failures(cluster: ClusterIndex, budget: Budget) -> list[HostFailure]:
    """What each host that is online would leave behind."""
    index = cluster.index
    rules, _unresolved = resolve_rules(index.snapshot, cluster.policy)
    hosts = RestartHosts(index, cluster.roles, HostRequirements(index, cluster.policy, cluster.roles))
    by_host: list[list[int]] = [[] for _host in index.hosts]
    for number, guest in enumerate(index.guests):
        if must_run(guest):
            by_host[index.host_at[guest.host]].append(number)
    return [
        _Failure(cluster, hosts, rules, failed, by_host[failed]).outcome(budget)
        for failed, host in enumerate(index.hosts)
        if host.status == "online"
    ]


class _Failure:
    """One host that fails, and the guests that ran there."""

    def __init__(
        self,
        cluster: ClusterIndex,
        hosts: RestartHosts,
        rules: Sequence[Rule],
        failed: int,
        numbers: Sequence[int],
    ) -> None:
        self.host, self.failed = cluster.hosts[failed], failed
        self.guests = [cluster.index.guests[number] for number in numbers]
        self.tied = [(guest, why) for guest in self.guests if (why := tied(guest, self.host)) is not None]
        stuck = {guest.id for guest, _why in self.tied}
        self.free = [guest for guest in self.guests if guest.id not in stuck]
        self.refusals = {
            cluster.index.guests[number].id: hosts.refusals(number, failed) for number in numbers
        }
        self.cluster = _without(cluster, failed)
        self.rules = rules

    def outcome(self, budget: Budget) -> HostFailure:
        lost, proven = self._without_place(self._task(), budget) if self.free else ([], True)
        verdict: Verdict = "enough"
        if lost:
            verdict = "not_enough" if proven else "undecided"
        gone = {one.id for one in lost}
        return HostFailure(
            host=self.host.id,
            name=self.host.name,
            guests=len(self.guests),
            verdict=verdict,
            tied=tuple(
                LostGuest(id=guest.id, name=guest.name, cause="tied", why=why) for guest, why in self.tied
            ),
            lost=tuple(lost),
            look_at=tuple(look_at([guest for guest in self.free if guest.id not in gone])),
        )

    def _task(self) -> PlacementProblem:
        request = PlacementRequest(
            vms=tuple(_wanted(guest, dedicated=self.host.dedicated) for guest in self.free),
            policy=self.cluster.policy,
        )
        new = [
            NewGuest(request=number, wanted=wanted, guest=guest, known=None)
            for number, (wanted, guest) in enumerate(zip(request.vms, self.free, strict=True))
        ]
        ids = {guest.id for guest in self.free}
        there = ids | self.cluster.index.guest_at.keys()
        bound = tuple(
            replace(rule, guests=tuple(guest for guest in rule.guests if guest in there))
            for rule in self.rules
            if not ids.isdisjoint(rule.guests)
        )
        rules = PlacementRules(rules=bound, own=(), apart={}, notes=())
        return build_placement_problem(self.cluster, request, new, rules, self.refusals)

    def _without_place(self, task: PlacementProblem, budget: Budget) -> tuple[list[LostGuest], bool]:
        """The guests that were left over in the best way that was found, and whether some always are."""
        nowhere = self._nowhere(task)
        best: list[LostGuest] | None = None
        # Level first, as hosts are best filled, then full ones first, which leaves room for what is large.
        orders: tuple[Strategy, ...] = ("least_loaded", "pack")
        for strategy in orders:
            state = PlacementSolution(task, strategy, 0)
            greedy(state, by_hardness(state), 1)
            left = [number for number in range(len(task.units)) if number not in state.seats]
            if not left:
                return [], False
            found = self._lost(state, left, nowhere)
            if best is None or len(found) < len(best):
                best = found
        if nowhere or _short(task):
            return best or [], True
        exhaustive = Exhaustive(PlacementSolution(task, "pack", 0), budget.steps)
        done = exhaustive.run()
        budget.steps = max(0, budget.steps - exhaustive.steps)
        return ([], False) if done else (best or [], exhaustive.proven)

    def _nowhere(self, task: PlacementProblem) -> frozenset[int]:
        """Units that no host takes even when nothing else was restarted."""
        state = PlacementSolution(task, "pack", 0)
        return frozenset(
            number
            for number, unit in enumerate(task.units)
            if all(state.obstacle(number, host) is not None for host in unit.open)
        )

    def _lost(
        self, state: PlacementSolution, left: Iterable[int], nowhere: frozenset[int]
    ) -> list[LostGuest]:
        found = []
        for number in left:
            cause: Cause = "nowhere" if number in nowhere else "no_room_left"
            why = _why(state, number)
            for position in state.task.units[number].guests:
                guest = state.task.new[position].guest
                found.append(LostGuest(id=guest.id, name=guest.name, cause=cause, why=why))
        return found


def _without(cluster: ClusterIndex, failed: int) -> ClusterIndex:
    """The cluster in which the host is there no more, and its guests are not yet anywhere else."""
    snapshot = cluster.snapshot
    host = snapshot.hosts[failed].id
    left = replace(snapshot, guests=tuple(guest for guest in snapshot.guests if guest.host != host))
    if any(failed in ends for _guest, *ends in cluster.index.arriving):
        # What arrives on another host counts there already.
        return index_of(left, cluster.policy)
    return replace(cluster, index=SnapshotIndex(left))


def _wanted(guest: Guest, *, dedicated: bool) -> WantedVm:
    """The guest as placing asks for it; what hosts must have is answered by RestartHosts."""
    return WantedVm(
        name=guest.name,
        cpu=guest.assigned.get("cpu") or 0.0,
        memory=int(guest.assigned.get("memory") or 0) or 1,
        dedicated=dedicated,
    )


def _short(task: PlacementProblem) -> bool:
    """Whether some resource is less on all hosts together than the guests need, however they are cut."""
    cluster = task.cluster
    open_ = {host for unit in task.units for host in unit.open}
    for column in range(len(cluster.resources)):
        need = sum(unit.need[column] for unit in task.units)
        free = sum(max(0.0, cluster.ceiling[host][column] - cluster.need[host][column]) for host in open_)
        if need > free * (1 + 1e-6) + 1e-6:
            return True
    return False


def _why(state: PlacementSolution, number: int) -> str:
    """The other hosts, counted by what is in the way on each."""
    words: Counter[str] = Counter()
    for host in range(len(state.cluster.hosts)):
        reason = state.because(number, host)
        if reason is not None and reason != FAILED:
            words[reason[0]] += 1
    parts = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    total = len(state.cluster.hosts) - 1
    if not total:
        return "there is no other host"
    return f"0 of {total} other host{'' if total == 1 else 's'} can take it: " + ", ".join(
        f"{many} {word}" for word, many in parts
    )
