# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests go to another host with their disks, because their own host has no datastore for them.

Space is counted as if nothing ever left a datastore: what comes to it must fit in any case, so that
relocations may run in any order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..._model.datastores import datastores_of
from ..._model.disk_moves import MovedDisks, copied_bytes, freed_by, snapshot_after_disk_moves
from ..._model.loads import guest_used
from ..._model.plan import Plan, StoragePlan
from ..._model.policy.choices import Choices, Pinned
from ..._model.policy.policy import Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.selector import Selector
from ..._model.snapshot import Datastore, Disk, Guest, Host, Snapshot
from ..model.selectors import excluded_hosts, select_guests, select_hosts
from .builder import build_problem
from .cover import cover
from .problem import Place, Problem
from .rules import NO_DATA, counts_for_rules
from .targets import CONTENT

# How often other hosts are tried for guests that the planner for hosts does not let go, and how often it is
# asked in all: after the first tries such guests stay.
MAX_TRIES = 4
MAX_ROUNDS = 8
# The platforms that copy no disk from a shared datastore while a guest is migrated.
LOCAL_ONLY = ("proxmox",)
# Blockers of a disk that count when it is moved alone, and not when its guest is migrated with it: what holds
# a guest is among its own blockers.
GOES_ALONG = frozenset({"cloud_init", "running_container", "tpm_state"})
# The blocker of a guest that a relocation is the answer to.
LOCAL_DISK = "local_disk"


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


def has_others(snapshot: Snapshot) -> bool:
    """Whether any host has a datastore that another one does not have: otherwise there is no reason to go."""
    seen = {frozenset(places) for places in _places_of_hosts(snapshot).values()}
    return len(seen) > 1


def _places_of_hosts(snapshot: Snapshot) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {host.id: set() for host in snapshot.hosts}
    for place in datastores_of(snapshot):
        for host in place.hosts:
            found.setdefault(host, set()).add(place.id)
    return {host: frozenset(places) for host, places in found.items()}


def could_go(snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> list[str]:
    """Names of the guests for which another host has datastores, as far as that is seen without the planner
    for hosts.
    """
    return sorted(one.guest.name for one in _Candidates(snapshot, policy, planned).choose(()))


def undone(snapshot: Snapshot, policy: Policy, planned: StoragePlan | None = None) -> tuple[int, int, int]:
    """What is not as it must be once the disks have been moved as planned: breaches of strict rules, disks
    that must leave their datastores, bytes above limits.
    """
    problem = _problem(snapshot if planned is None else _after(snapshot, planned), policy)
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
        found = plan_hosts(without_disks(snapshot, chosen), _nothing_else(policy, chosen))
        missed = {(one.guest.id, one.host) for one in chosen if not _is_reached(one, found)}
        if not missed:
            return found, tuple(chosen)
        refused |= missed
        if tries + 1 >= MAX_TRIES:
            candidates.stay |= {guest for guest, _host in missed}
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


def _nothing_else(policy: Policy, chosen: Sequence[Relocation]) -> Policy:
    """The policy by which nothing but these guests is migrated."""
    pinned = tuple(Pinned(guest=one.guest.id, host=one.host) for one in chosen)
    return replace(
        policy,
        goal="evacuate",
        evacuate=Selector(),
        relieve=None,
        consolidate=None,
        max_migrations=None,
        storage=None,
        choices=Choices(left_out=policy.choices.left_out, pinned=(*policy.choices.pinned, *pinned)),
    )


def _is_reached(one: Relocation, found: Plan) -> bool:
    """In one step: no guest takes its disks to where it only waits."""
    steps = [step for step in found.migrations if step.guest.id == one.guest.id]
    return len(steps) == 1 and (steps[0].source, steps[0].target) == (one.guest.host, one.host)


def _after(snapshot: Snapshot, planned: StoragePlan) -> Snapshot:
    moves = (MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in planned.moves)
    return snapshot_after_disk_moves(snapshot, moves)


def _problem(snapshot: Snapshot, policy: Policy) -> Problem:
    return build_problem(
        snapshot,
        policy.storage or StoragePolicy(),
        policy.seed,
        effort=policy.effort,
        left_out=policy.choices.disks_left_out,
    )


def _by_home(problem: Problem, units: Collection[int]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for unit in units:
        found.setdefault(problem.units[unit].home, []).append(unit)
    return found


@dataclass(frozen=True, slots=True)
class _Want:
    """A guest whose disks must leave these datastores (by number), and why; `for_space`: only because they
    are too full.
    """

    guest: int
    places: frozenset[int]
    why: str
    for_space: bool = False


class _Candidates:
    """The guests that must go and the hosts that they could go to. `now` is the cluster as it is, `end` as it
    would be after moves of disks alone.
    """

    def __init__(self, snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> None:
        self.snapshot, self.policy = snapshot, policy
        self.storage = policy.storage or StoragePolicy()
        self.now = _problem(snapshot, policy)
        self.end = _problem(_after(snapshot, planned), policy)
        self.places: Sequence[Place] = self.now.places
        self.at = {
            (host, place.datastore.name): number
            for number, place in enumerate(self.places)
            for host in place.datastore.hosts
        }
        self.guests = snapshot.guests
        self.numbers = {guest.id: number for number, guest in enumerate(self.guests)}
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.open = self._open_hosts()
        self.of_host: dict[str, list[int]] = {}
        for (host, _name), number in self.at.items():
            self.of_host.setdefault(host, []).append(number)
        self.on: dict[int, list[int]] = {}
        """By place, the guests whose disks moves of disks alone leave there."""
        for number in range(len(self.guests)):
            for place in self._homes_left(number):
                self.on.setdefault(place, []).append(number)
        having = _places_of_hosts(snapshot)
        # By host, those that have a datastore which it does not have: the others are no better.
        self.beyond = {
            one: tuple(host for host in self.open if not having[host.id] <= having[one]) for one in self.hosts
        }
        self.stay = self._staying()
        self.members = self._members()
        self.apart: dict[int, list[int]] = {}
        """By guest, the strict rules that keep it apart from others."""
        for rule in self.members:
            for name in self.now.rules[rule].rule.guests:
                self.apart.setdefault(self.numbers[name], []).append(rule)

    def _open_hosts(self) -> tuple[Host, ...]:
        policy, hosts = self.policy, self.snapshot.hosts
        _sources, shut = excluded_hosts(hosts, policy.exclude)
        if policy.evacuate is not None:
            shut |= select_hosts(hosts, policy.evacuate, "policy.evacuate.names")
        return tuple(host for host in hosts if host.active and host.id not in shut)

    def _staying(self) -> frozenset[str]:
        """Ids of the guests that no relocation may touch."""
        policy = self.policy
        stay = set(select_guests(self.guests, policy.exclude.guests, "policy.exclude.guests"))
        stay |= self.now.barred.guests
        stay |= {one.guest for one in policy.choices.left_out if one.host is None}
        stay |= {one.guest for one in policy.choices.disks_left_out}
        stay |= {one.guest for one in policy.choices.pinned}
        for members in self.now.rules:
            # Disks that are kept together would have to go to one datastore, and those of one guest apart.
            if members.rule.strict and (members.rule.kind == "affinity" or len(members.rule.guests) == 1):
                stay.update(members.rule.guests)
        return frozenset(stay)

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
                    for place in self._homes(problem, guest):
                        at.setdefault(place, set()).add(guest)
        return {number: {place: frozenset(who) for place, who in at.items()} for number, at in found.items()}

    def _homes(self, problem: Problem, guest: int) -> Iterator[int]:
        one = problem.snapshot.guests[guest]
        for disk in one.disks:
            place = self.at.get((one.host, disk.datastore))
            if place is not None and counts_for_rules(disk):
                yield place

    # -- who must go ---------------------------------------------------------------------------------------

    def _wanted(self, refused: Collection[tuple[str, str]]) -> list[_Want]:
        """Each guest once, the fewest bytes first."""
        found: dict[int, _Want] = {}
        for want in (*self._misplaced(), *self._in_the_way(refused), *self._above(refused)):
            before = found.get(want.guest)
            if before is not None:
                both = before.for_space and want.for_space
                want = replace(before, places=before.places | want.places, for_space=both)
            found[want.guest] = want
        return sorted(found.values(), key=lambda want: (self._cost(want.guest), want.guest))

    def _may_go(self, guest: int) -> bool:
        one = self.guests[guest]
        blockers = set(one.blockers) - {LOCAL_DISK}
        return (
            one.id not in self.stay
            and one.power in ("running", "stopped")
            and (one.migratable or bool(one.blockers))
            and (one.migratable or blockers <= set(self.policy.allow_blockers))
            and one.migrating_to is None
            and not one.platform_managed
        )

    def _misplaced(self) -> Iterator[_Want]:
        for number, guest in enumerate(self.guests):
            allowed = self.now.allowed.get(guest.id)
            must: dict[int, str] = {}
            for place in self._homes_left(number):
                here = self.places[place]
                name = here.datastore.name
                if here.leaves:
                    must[place] = f"{name} is to be emptied: {here.leaves}"
                elif allowed is not None and here.datastore.id not in allowed:
                    must[place] = f"storage.placement does not allow its disks on {name}"
            if must and self._may_go(number):
                yield _Want(number, frozenset(must), "; ".join(must.values()))

    def _homes_left(self, guest: int) -> tuple[int, ...]:
        """The datastores that its disks are on, without those that moves of disks alone take them off."""
        later = set(self._homes(self.end, guest))
        return tuple(place for place in dict.fromkeys(self._homes(self.now, guest)) if place in later)

    def _in_the_way(self, refused: Collection[tuple[str, str]]) -> Iterator[_Want]:
        """The guests that must leave so that a rule holds which keeps guests apart: all but the largest."""
        for members in self.end.rules:
            rule = members.rule
            if not rule.strict or rule.kind != "anti_affinity" or len(rule.guests) < 2:
                continue
            at: dict[int, list[int]] = {}
            for name in rule.guests:
                guest = self.numbers[name]
                for place in dict.fromkeys(self._homes(self.end, guest)):
                    at.setdefault(place, []).append(guest)
            for place, guests in at.items():
                order = sorted(guests, key=lambda guest: (self._cost(guest), guest))
                able = [
                    guest for guest in order if self._may_go(guest) and self._can_go(guest, {place}, refused)
                ]
                for guest in able[: len(guests) - 1]:
                    yield _Want(guest, frozenset({place}), f"restores rule {rule.name}")

    def _above(self, refused: Collection[tuple[str, str]]) -> Iterator[_Want]:
        """The guests with the fewest bytes whose disks bring a datastore below its limit."""
        for number, place in enumerate(self.end.places):
            need = place.load - place.limit
            if not place.judged or not place.gives or place.leaves or need <= 0:
                continue
            items = [
                (guest, self._frees(guest, number), self._cost(guest))
                for guest in self.on.get(number, ())
                if self._may_go(guest) and self._can_go(guest, {number}, refused, for_space=True)
            ]
            # Better some than none, where all together are too few.
            chosen = cover(items, need)
            percent, most = 100 * place.load / place.capacity, 100 * place.limit / place.capacity
            why = f"{place.datastore.name} is at {percent:.1f} % and its limit is {most:.1f} %"
            for guest in [guest for guest, _frees, _cost in items] if chosen is None else chosen[0]:
                yield _Want(guest, frozenset({number}), why, for_space=True)

    def _frees(self, guest: int, place: int) -> int:
        one, share = self.guests[guest], self.places[place].estimated or 0.0
        return sum(
            freed_by(disk, share) for disk in one.disks if self.at.get((one.host, disk.datastore)) == place
        )

    def _cost(self, guest: int) -> int:
        """Bytes of memory and of disks on datastores that only its host has."""
        one = self.guests[guest]
        return int(_memory(one)) + sum(
            copied_bytes(disk, migrated=True) for disk in one.disks if not self._is_shared(one.host, disk)
        )

    def _is_shared(self, host: str, disk: Disk) -> bool:
        place = self.at.get((host, disk.datastore))
        return place is not None and self.places[place].datastore.shared

    def _can_go(
        self,
        guest: int,
        places: Collection[int],
        refused: Collection[tuple[str, str]],
        *,
        for_space: bool = False,
    ) -> bool:
        want = _Want(guest, frozenset(places), "", for_space)
        return next(self._options(want, _Ledger(self), refused), None) is not None

    # -- where they may go ---------------------------------------------------------------------------------

    def choose(self, refused: Collection[tuple[str, str]]) -> list[Relocation]:
        """A host and datastores for each guest that must go and can, one after the other."""
        ledger = _Ledger(self)
        limits = (self.policy.max_migrations, self.storage.max_moves)
        most = min((limit for limit in limits if limit is not None), default=None)
        spent = 0
        chosen: list[Relocation] = []
        for want in self._wanted(refused):
            if most is not None and len(chosen) >= most:
                break
            best = min(
                self._options(want, ledger, refused),
                key=lambda one: (one.bytes, ledger.fullness(one), one.host),
                default=None,
            )
            if best is None:
                continue
            if self.storage.max_bytes is not None and spent + best.bytes > self.storage.max_bytes:
                continue
            spent += best.bytes
            ledger.add(want.guest, best)
            chosen.append(best)
        return chosen

    def _options(
        self, want: _Want, ledger: _Ledger, refused: Collection[tuple[str, str]]
    ) -> Iterator[Relocation]:
        guest = self.guests[want.guest]
        groups: dict[str, list[Disk]] = {}
        for disk in guest.disks:
            groups.setdefault(disk.datastore, []).append(disk)
        for host in self.beyond[guest.host]:
            if host.id == guest.host or (guest.id, host.id) in refused or not ledger.has_memory(guest, host):
                continue
            found = self._option(want, guest, host, groups, ledger)
            if found is not None:
                yield found

    def _option(
        self,
        want: _Want,
        guest: Guest,
        host: Host,
        groups: Mapping[str, Sequence[Disk]],
        ledger: _Ledger,
    ) -> Relocation | None:
        storage: dict[str, str] = {}
        arrivals: Counter[str] = Counter()
        copied = 0
        for name, disks in groups.items():
            home = self.at.get((guest.host, name))
            if home is None:
                return None
            there = self.at.get((host.id, name))
            if home == there and home not in want.places:
                continue
            if not self._may_be_taken(home, disks):
                return None
            differs = want.for_space and home in want.places
            target = self._target(want.guest, home, host, disks, ledger, arrivals, differs=differs)
            if target is None:
                return None
            place = self.places[target].datastore
            storage[name] = place.name
            arrivals[place.id] += sum(self.room(disk, place) for disk in disks)
            copied += sum(copied_bytes(disk, migrated=True) for disk in disks)
        if not storage:
            return None
        here = self.hosts[guest.host].name
        why = f"{want.why}; no datastore of {here} can take its disks"
        return Relocation(
            guest=guest, host=host.id, storage=storage, arrivals=dict(arrivals), bytes=copied, why=why
        )

    def _may_be_taken(self, home: int, disks: Sequence[Disk]) -> bool:
        """Whether the platform copies all disks of a guest on a datastore."""
        place = self.places[home]
        if not place.gives or (place.datastore.shared and self.snapshot.platform in LOCAL_ONLY):
            return False
        allowed = GOES_ALONG.union(self.storage.allow_blockers)
        return all(
            disk.id is not None
            and (disk.size is not None or (disk.id in NO_DATA and disk.used is not None))
            and set(disk.blockers) <= allowed
            for disk in disks
        )

    def _target(
        self,
        guest: int,
        home: int,
        host: Host,
        disks: Sequence[Disk],
        ledger: _Ledger,
        coming: Mapping[str, int],
        *,
        differs: bool,
    ) -> int | None:
        """The emptiest datastore of the host that may take these disks and has room for them."""
        best: tuple[float, int] | None = None
        for number in self.of_host.get(host.id, ()):
            place = self.places[number]
            store = place.datastore
            need = coming.get(store.id, 0) + sum(self.room(disk, store) for disk in disks)
            if (
                number == home
                or not place.takes
                or not self._fits(guest, home, host, store)
                or ledger.free[number] < need
                or ledger.meets(guest, number)
                or (differs and not self._differs(home, number))
            ):
                continue
            rated = (1.0 - (ledger.free[number] - need) / place.capacity, number)
            if best is None or rated < best:
                best = rated
        return None if best is None else best[1]

    def _fits(self, guest: int, home: int, host: Host, target: Datastore) -> bool:
        """Whether a datastore may hold the disks of a guest, as for moves of disks: of the class and the
        cluster of datastores of the present one, unless placement says otherwise.
        """
        one, source = self.guests[guest], self.places[home].datastore
        entry = host.datastores.get(target.name)
        if entry is None or entry.closed_because is not None:
            return False
        if target.content is not None and CONTENT[one.kind] not in target.content:
            return False
        allowed = self.now.allowed.get(one.id)
        if allowed is not None:
            return target.id in allowed
        alike = (target.kind, target.cluster) == (source.kind, source.cluster)
        return alike and (target.shared or not source.shared)

    def _differs(self, home: int, target: int) -> bool:
        here, there = self.places[home], self.places[target]
        points = 100 * here.load / here.capacity - 100 * there.load / there.capacity
        return points >= self.storage.min_difference - 1e-9

    def room(self, disk: Disk, target: Datastore) -> int:
        """What a disk may take on a datastore, growth that counts as in use included."""
        if target.thin and disk.used is not None and disk.thin is not False and not disk.migrated_whole:
            rest = max(0, (disk.size or 0) - disk.used)
            return disk.used + math.ceil(rest * self.storage.growth / 100)
        return max(disk.size or 0, disk.used or 0)


class _Ledger:
    """What is left of datastores and of the memory of hosts while guests are chosen one after the other."""

    def __init__(self, candidates: _Candidates) -> None:
        self._of = candidates
        # By place; what moves of disks alone would bring there counts as well.
        self.free = [
            place.limit - max(place.load, later.load)
            for place, later in zip(candidates.places, candidates.end.places, strict=True)
        ]
        self.memory = {
            host.id: (host.used.get("memory") or 0.0, self._usable(host)) for host in candidates.open
        }
        self.came: dict[int, set[int]] = {}
        """By place, the guests that were chosen to come there."""

    def _usable(self, host: Host) -> float:
        limits = self._of.policy.limits
        whole = (host.capacity.get("memory") or 0.0) - (host.reserved.get("memory") or 0.0)
        return whole * limits.memory_for_rules / 100 - limits.memory_reserve

    def has_memory(self, guest: Guest, host: Host) -> bool:
        """A first look only: the planner for hosts decides."""
        used, usable = self.memory[host.id]
        return used + _memory(guest) <= usable

    def meets(self, guest: int, place: int) -> bool:
        """Whether another guest is there, or may come to be there, that a strict rule keeps it apart from."""
        for rule in self._of.apart.get(guest, ()):
            who, at = self._of.now.rules[rule].rule.guests, self._of.members[rule]
            others = at.get(place, frozenset()) | {
                one for one in self.came.get(place, ()) if self._of.guests[one].id in who
            }
            if others - {guest}:
                return True
        return False

    def fullness(self, one: Relocation) -> float:
        used, usable = self.memory[one.host]
        return (used + _memory(one.guest)) / usable if usable > 0 else math.inf

    def add(self, guest: int, one: Relocation) -> None:
        used, usable = self.memory[one.host]
        self.memory[one.host] = used + _memory(one.guest), usable
        for number, place in enumerate(self._of.places):
            if place.datastore.id in one.arrivals:
                self.free[number] -= one.arrivals[place.datastore.id]
                self.came.setdefault(number, set()).add(guest)


def _memory(guest: Guest) -> float:
    """Bytes that it holds on its host."""
    return (guest_used(guest, "memory") or 0.0) if guest.is_on_host else 0.0
