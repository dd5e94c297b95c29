# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as relocations see it: which disks are where, now and after moves of disks alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...._model.datastores import datastores_of
from ...._model.disk_moves import MovedDisks, copied_bytes, snapshot_after_disk_moves
from ...._model.loads import guest_used
from ...._model.plan import StoragePlan
from ...._model.policy.policy import Policy
from ...._model.policy.storage import StoragePolicy
from ...._model.snapshot import Disk, Guest, Snapshot
from ...model.cooldown import pause_after_failure
from ..builder import build_problem
from ..problem import Place, Problem
from ..rules import counts_for_rules
from ..storage_policies import violated


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """A guest that goes to another host with all its disks on some datastores: `storage` are their names
    there and on the target, `arrivals` what comes to each datastore, by its id; `bytes` of disks are copied.
    """

    guest: Guest
    host: str
    storage: Mapping[str, str]
    arrivals: Mapping[str, int]
    bytes: int
    why: str


class RelocationCluster:
    """`now` is the cluster as it is, `end` as it would be after moves of disks alone. Guests and datastores
    are numbered as in both.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> None:
        self.snapshot, self.policy = snapshot, policy
        self.storage = policy.storage or StoragePolicy()
        self.pause = pause_after_failure(snapshot, policy)
        self.now = problem_of(snapshot, policy)
        self.end = problem_of(snapshot_after_plan(snapshot, planned), policy)
        self.places: Sequence[Place] = self.now.places
        self.at = {
            (host, place.datastore.name): number
            for number, place in enumerate(self.places)
            for host in place.datastore.hosts
        }
        """By host and name of a datastore."""
        self.guests = self.now.guests
        self.numbers = {guest.id: number for number, guest in enumerate(self.guests)}
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.members = self._members()
        self.apart: dict[int, list[int]] = {}
        """By guest, the strict rules that keep it apart from others."""
        for rule in self.members:
            for name in self.now.rules[rule].rule.guests:
                self.apart.setdefault(self.numbers[name], []).append(rule)

    def _members(self) -> Mapping[int, Mapping[int, frozenset[int]]]:
        """By strict rule that keeps guests apart, and by place, the guests that have disks there, now or
        after the moves of disks.
        """
        found: dict[int, dict[int, set[int]]] = {}
        for number, members in enumerate(self.now.rules):
            if not members.rule.strict or members.rule.kind != "anti_affinity":
                continue
            at = found.setdefault(number, {})
            for problem in (self.now, self.end):
                for name in members.rule.guests:
                    guest = self.numbers[name]
                    for place in self.homes(problem, guest):
                        at.setdefault(place, set()).add(guest)
        return {number: {place: frozenset(who) for place, who in at.items()} for number, at in found.items()}

    def homes(self, problem: Problem, guest: int) -> Iterator[int]:
        """The datastores of its disks, with repetitions."""
        one = problem.snapshot.guests[guest]
        for disk in one.disks:
            place = self.at.get((one.host, disk.datastore))
            if place is not None and counts_for_rules(disk):
                yield place

    def violated(self, guest: int, place: int) -> str:
        """The storage policies of its disks that a datastore violates after the moves of disks, in words; an
        empty text for none.
        """
        one = self.end.guests[guest]
        disks = [disk for disk in one.disks if self.at.get((one.host, disk.datastore)) == place]
        return violated(disks, self.places[place].datastore.id)

    def homes_left(self, guest: int) -> tuple[int, ...]:
        """The datastores that its disks are on, without those that moves of disks alone take them off."""
        later = set(self.homes(self.end, guest))
        return tuple(place for place in dict.fromkeys(self.homes(self.now, guest)) if place in later)

    def cost(self, guest: int) -> int:
        """Bytes of memory and of disks on datastores that only its host has."""
        one = self.guests[guest]
        return int(memory_of(one)) + sum(
            copied_bytes(disk, migrated=True) for disk in one.disks if not self._is_shared(one.host, disk)
        )

    def _is_shared(self, host: str, disk: Disk) -> bool:
        place = self.at.get((host, disk.datastore))
        return place is not None and self.places[place].datastore.shared


def problem_of(snapshot: Snapshot, policy: Policy) -> Problem:
    """The problem of moving disks alone."""
    return build_problem(
        snapshot,
        policy.storage or StoragePolicy(),
        policy.seed,
        effort=policy.effort,
        left_out=policy.choices.disks_left_out,
        pause=pause_after_failure(snapshot, policy),
        retry_refused_after=policy.retry_refused_after,
    )


def snapshot_after_plan(snapshot: Snapshot, planned: StoragePlan) -> Snapshot:
    """The snapshot once the disks have been moved as planned."""
    moves = (MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in planned.moves)
    return snapshot_after_disk_moves(snapshot, moves)


def places_of_hosts(snapshot: Snapshot) -> Mapping[str, frozenset[str]]:
    """By host, ids of its datastores."""
    found: dict[str, set[str]] = {host.id: set() for host in snapshot.hosts}
    for place in datastores_of(snapshot):
        for host in place.hosts:
            found.setdefault(host, set()).add(place.id)
    return {host: frozenset(places) for host, places in found.items()}


def memory_of(guest: Guest) -> float:
    """Bytes that it holds on its host."""
    return (guest_used(guest, "memory") or 0.0) if guest.is_on_host else 0.0
