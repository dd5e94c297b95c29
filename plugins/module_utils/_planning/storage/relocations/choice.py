# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests go to another host with their disks, because their own host has no datastore for them.

Space is counted as if nothing ever left a datastore: what comes to it must fit in any case, so that
relocations may run in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ...._model.plan import Plan, StoragePlan
from ...._model.policy.choices import Choices, Pinned
from ...._model.policy.policy import Policy
from ...._model.snapshot import Guest, Snapshot
from ...model.choices import only_pinned
from ..problem import Problem
from .cluster import Relocation, RelocationCluster, places_of_hosts, problem_of, snapshot_after_plan
from .ledger import Ledger
from .needs import RelocationNeeds
from .targets import LOCAL_DISK, RelocationTargets

# How often other hosts are tried for guests that the planner for hosts does not let go, and how often it is
# asked in all: after the first tries such guests stay.
MAX_TRIES = 4
MAX_ROUNDS = 8


def has_others(snapshot: Snapshot) -> bool:
    """Whether any host has a datastore that another one does not have: otherwise there is no reason to go."""
    seen = {frozenset(places) for places in places_of_hosts(snapshot).values()}
    return len(seen) > 1


def could_go(snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> list[str]:
    """Names of the guests for which another host has datastores, as far as that is seen without the planner
    for hosts.
    """
    return sorted(one.guest.name for one in _Candidates(snapshot, policy, planned).choose(()))


def undone(snapshot: Snapshot, policy: Policy, planned: StoragePlan | None = None) -> tuple[int, int, int]:
    """What is not as it must be once the disks have been moved as planned: breaches of strict rules, disks
    that must leave their datastores, bytes above limits.
    """
    problem = problem_of(snapshot if planned is None else snapshot_after_plan(snapshot, planned), policy)
    broken = sum(
        max(0, len({owner for unit in units for owner in members.units[unit]}) - 1)
        for members in problem.rules
        if members.rule.strict and members.rule.kind == "anti_affinity"
        for units in _by_home(problem, members.units).values()
    )
    leaving = sum(len(part.disks) for unit in problem.units if unit.must_leave for part in unit.parts)
    above = sum(max(0, place.load - place.limit) for place in problem.places if place.judged)
    return broken, leaving, above


def choose_relocations(
    snapshot: Snapshot,
    policy: Policy,
    planned: StoragePlan,
    plan_hosts: Callable[[Snapshot, Policy], Plan],
) -> tuple[Plan, tuple[Relocation, ...]] | None:
    """The guests to relocate, and the plan for the hosts that migrates them and nothing else; None where none
    can be. `planned` is what moves of disks alone can do.
    """
    candidates = _Candidates(snapshot, policy, planned)
    refused: set[tuple[str, str]] = set()
    for tries in range(MAX_ROUNDS):
        chosen = candidates.choose(refused)
        if not chosen:
            return None
        found = plan_hosts(without_disks(snapshot, chosen), _only(policy, chosen))
        missed = {(one.guest.id, one.host) for one in chosen if not _is_reached(one, found)}
        if not missed:
            return found, tuple(chosen)
        refused |= missed
        if tries + 1 >= MAX_TRIES:
            candidates.needs.stay |= {guest for guest, _host in missed}
    return None


def without_disks(snapshot: Snapshot, chosen: Collection[Relocation]) -> Snapshot:
    """The snapshot as the hosts are planned: the disks that go along ask nothing of a host."""
    by_guest = {one.guest.id: one for one in chosen}
    return replace(
        snapshot,
        guests=tuple(
            _without_disks(guest, by_guest[guest.id].storage) if guest.id in by_guest else guest
            for guest in snapshot.guests
        ),
    )


def _without_disks(guest: Guest, storage: Collection[str]) -> Guest:
    if guest.power == "stopped":
        # It is planned like one that runs and needs nothing.
        nothing = {"cpu": 0.0, "memory": 0.0}
        guest = replace(guest, power="running", used=nothing, assigned=nothing, sources={})
    blockers = tuple(blocker for blocker in guest.blockers if blocker != LOCAL_DISK)
    freed = len(blockers) < len(guest.blockers) and not blockers
    return replace(
        guest,
        disks=tuple(disk for disk in guest.disks if disk.datastore not in storage),
        blockers=blockers,
        migratable=guest.migratable or freed,
    )


def _only(policy: Policy, chosen: Sequence[Relocation]) -> Policy:
    pinned = tuple(Pinned(guest=one.guest.id, host=one.host) for one in chosen)
    choices = policy.choices
    return only_pinned(policy, Choices(left_out=choices.left_out, pinned=(*choices.pinned, *pinned)))


def _is_reached(one: Relocation, found: Plan) -> bool:
    """In one step: no guest takes its disks to where it only waits."""
    steps = [step for step in found.migrations if step.guest.id == one.guest.id]
    return len(steps) == 1 and (steps[0].source, steps[0].target) == (one.guest.host, one.host)


def _by_home(problem: Problem, units: Collection[int]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for unit in units:
        found.setdefault(problem.units[unit].home, []).append(unit)
    return found


class _Candidates:
    """The guests that must go, and the hosts that they could go to."""

    def __init__(self, snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> None:
        self.policy = policy
        self.cluster = RelocationCluster(snapshot, policy, planned)
        self.targets = RelocationTargets(self.cluster)
        self.needs = RelocationNeeds(self.cluster, self.targets)

    def choose(self, refused: Collection[tuple[str, str]]) -> list[Relocation]:
        """A host and datastores for each guest that must go and can, one after the other."""
        ledger = Ledger(self.cluster, self.targets.open)
        storage = self.cluster.storage
        limits = (self.policy.max_migrations, storage.max_moves)
        most = min((limit for limit in limits if limit is not None), default=None)
        spent = 0
        chosen: list[Relocation] = []
        for want in self.needs.all(refused):
            if most is not None and len(chosen) >= most:
                break
            best = min(
                self.targets.options(want, ledger, refused),
                key=lambda one: (one.bytes, ledger.fullness(one), one.host),
                default=None,
            )
            if best is None:
                continue
            if storage.max_bytes is not None and spent + best.bytes > storage.max_bytes:
                continue
            spent += best.bytes
            ledger.add(want.guest, best)
            chosen.append(best)
        return chosen
