# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot and a policy as a problem: which disks may move together, to which datastores, and why not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..._model.blockers import in_words
from ..._model.datastores import datastore_ids, datastores_of
from ..._model.disk_moves import estimated_share, taken_by, with_estimated_io
from ..._model.plan import Unresolved
from ..._model.policy.choices import DisksLeftOut
from ..._model.policy.storage import DatastoreSelector, StoragePolicy
from ..._model.selector import Selector
from ..._model.snapshot import Datastore, Disk, Guest, Snapshot, StorageRule
from ..._model.text.wording import counted, listed
from ..errors import PlanningError
from ..model.selectors import select_guests
from .latency import io_per_millisecond
from .membership import Membership, in_broken_rules
from .problem import NO_LIMIT, Barred, Place, Problem, Unit
from .rules import NO_DATA, counts_for_rules, resolve_storage_rules
from .selectors import datastore_selectors, select_datastores
from .sizes import DiskSizes
from .twins import twins_of
from .units import lots, merged

MAX_NAMES = 5
GIB = 1024**3
CONTENT: Mapping[str, str] = {"vm": "images", "container": "rootdir"}
LEFT_OUT = "its move is left out by choice"
# Blockers of a guest that keep its disks where they are, too.
OF_DISKS = frozenset(
    {
        "being_migrated",
        "disconnected",
        "inaccessible",
        "invalid",
        "locked",
        "not_readable",
        "orphaned",
        "template",
        "vsphere_pod",
    }
)


def build_problem(
    snapshot: Snapshot,
    storage: StoragePolicy,
    seed: int = 1,
    *,
    effort: int = 40,
    strict: bool = False,
    left_out: Sequence[DisksLeftOut] = (),
) -> Problem:
    """Raises PlanningError for a datastore that the policy names and that does not exist. strict: also for a
    selector that matches nothing. left_out: moves that are left out by choice, all by id.
    """
    if storage.latency is not None:
        snapshot = with_estimated_io(snapshot)
    builder = _Builder(snapshot, storage, seed, effort, left_out)
    unmatched = builder.unmatched()
    if unmatched and strict:
        field, text = unmatched[0]
        raise PlanningError(text, where=field, hint="Correct or remove it, or set strict_selectors to false")
    builder.notices += [f"{field}: {text}" for field, text in unmatched]
    return builder.problem()


class _Builder:
    def __init__(
        self,
        snapshot: Snapshot,
        storage: StoragePolicy,
        seed: int,
        effort: int,
        left_out: Sequence[DisksLeftOut],
    ) -> None:
        self.snapshot, self.storage = snapshot, storage
        self.seed, self.effort, self.left_out = seed, effort, left_out
        self.datastores = datastores_of(snapshot)
        self.index = {place.id: number for number, place in enumerate(self.datastores)}
        self.at = {key: self.index[name] for key, name in datastore_ids(snapshot).items()}
        self.guests = snapshot.guests
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.notices: list[str] = []
        self.unresolved: list[Unresolved] = []
        self.disks: dict[int, list[tuple[int, Disk]]] = {}
        """By place, the disks that are there, with their guests."""
        self.homes: list[tuple[int | None, ...]] = []
        for number, guest in enumerate(self.guests):
            homes = tuple(self.at.get((guest.host, disk.datastore)) for disk in guest.disks)
            self.homes.append(homes)
            for home, disk in zip(homes, guest.disks, strict=True):
                if home is not None:
                    self.disks.setdefault(home, []).append((number, disk))

    def unmatched(self) -> list[tuple[str, str]]:
        """The selectors that match nothing, each with its field, in sentences."""
        found = []
        for field, selector in datastore_selectors(self.storage):
            if selector != DatastoreSelector() and not select_datastores(self.datastores, selector, field):
                found.append((field, "it matches no datastore"))
        guests = [("policy.storage.exclude.guests", self.storage.exclude.guests)]
        guests += [
            (f"policy.storage.placement[{number}].guests", entry.guests)
            for number, entry in enumerate(self.storage.placement)
        ]
        guests += [
            (f"policy.storage.rules[{number}].guests", rule.guests)
            for number, rule in enumerate(self.storage.rules)
            if rule.guests is not None
        ]
        for field, chosen in guests:
            if chosen != Selector() and not select_guests(self.guests, chosen, field):
                found.append((field, "it matches no guest"))
        return found

    def problem(self) -> Problem:
        storage = self.storage
        exclude = storage.exclude
        self.barred = Barred(
            sources=self._datastores(exclude.sources, "exclude.sources"),
            targets=self._datastores(exclude.targets, "exclude.targets"),
            guests=select_guests(self.guests, exclude.guests, "policy.storage.exclude.guests"),
            emptied=self._datastores(storage.evacuate, "evacuate") if storage.evacuate else frozenset(),
            kept=frozenset(
                (one.guest, disk) for one in self.left_out if one.datastore is None for disk in one.disks
            ),
            kept_from=frozenset(
                (one.guest, disk, one.datastore)
                for one in self.left_out
                if one.datastore is not None
                for disk in one.disks
            ),
        )
        self.allowed = self._placement()
        self.twins = twins_of(self.datastores, self.disks)
        estimates = {number: self._estimate(number) for number in range(len(self.datastores))}
        self.sizes = DiskSizes(
            storage.growth, {place: share for place, share in estimates.items() if share is not None}
        )
        self.io_limits = self._io_limits()
        self.places = [self._place(number, estimates[number]) for number in range(len(self.datastores))]
        self._set_groups()
        rules, unresolved = resolve_storage_rules(self.snapshot, storage)
        self.unresolved += unresolved
        units = self._units(rules)
        units = self._bound_together(units, rules)
        membership = Membership(units, self.guests)
        members = [membership.of(rule) for rule in rules]
        broken = in_broken_rules(members, units)
        units = self._with_targets(units, broken)
        rules_of: dict[int, list[int]] = {}
        for number, rule in enumerate(members):
            for unit in rule.units:
                rules_of.setdefault(unit, []).append(number)
        self._notice_disks(estimates)
        return Problem(
            snapshot=self.snapshot,
            policy=storage,
            seed=self.seed,
            effort=self.effort,
            places=self.places,
            guests=self.guests,
            units=units,
            rules=members,
            rules_of=rules_of,
            allowed=self.allowed,
            unresolved=self.unresolved,
            notices=self.notices,
            barred=self.barred,
        )

    def _datastores(self, selector: DatastoreSelector, field: str) -> frozenset[str]:
        return select_datastores(self.datastores, selector, f"policy.storage.{field}")

    def _placement(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for number, entry in enumerate(self.storage.placement):
            field = f"placement[{number}]"
            places = self._datastores(entry.datastores, f"{field}.datastores")
            chosen = select_guests(self.guests, entry.guests, f"policy.storage.{field}.guests")
            found.update(dict.fromkeys(sorted(chosen), places))
        return found

    def _estimate(self, number: int) -> float | None:
        """The share of their size that disks of unknown use take; None where there are none."""
        return estimated_share(self.datastores[number], (disk for _guest, disk in self.disks.get(number, ())))

    def _place(self, number: int, estimated: float | None) -> Place:
        place, storage = self.datastores[number], self.storage
        emptied = place.id in self.barred.emptied
        alone = self._alone(place, emptied)
        leaves = "storage.evacuate selects it" if emptied else ""
        if place.maintenance and not leaves:
            leaves = "it is in maintenance mode"
        capacity = place.capacity or 0 if place.free is not None else 0
        load, limit = 0, NO_LIMIT
        if capacity:
            used = max(0, capacity - (place.free or 0))
            rest = grown = 0
            for _guest, disk in self.disks.get(number, ()):
                taken = self.sizes.taken(disk, number)
                grown += self.sizes.rest(disk, taken)
                rest += 0 if disk.thin is False else max(0, (disk.size or 0) - taken)
            hidden = max(0, (place.provisioned or 0) - used - rest)
            load = used + place.arriving + grown + math.ceil(hidden * storage.growth / 100)
            limit = min(math.floor(capacity * storage.utilisation / 100), max(0, capacity - storage.reserve))
        open_ = place.closed_because is None and not leaves and not alone and capacity > 0
        return Place(
            datastore=place,
            load=load,
            limit=limit,
            capacity=capacity,
            gives=place.id not in self.barred.sources and (not alone or emptied),
            takes=open_ and place.id not in self.barred.targets,
            leaves=leaves if not alone or emptied else "",
            alone=alone,
            io=round(place.disk_io or 0.0),
            io_limit=self.io_limits[number],
            estimated=estimated,
        )

    def _io_limits(self) -> list[int]:
        """By datastore, the bytes per second that keep its latency, estimated."""
        most = self.storage.latency
        if most is None:
            return [NO_LIMIT] * len(self.datastores)
        limits = []
        for place, amount in zip(self.datastores, io_per_millisecond(self.datastores, most), strict=True):
            limit = NO_LIMIT if amount is None else min(NO_LIMIT, math.floor(min(amount * most, NO_LIMIT)))
            if (place.latency or 0.0) <= most:
                limit = max(limit, round(place.disk_io or 0.0))
            limits.append(limit)
        return limits

    def _alone(self, place: Datastore, emptied: bool) -> str:
        """Why a datastore is left alone, with a notice."""
        why = ""
        if place.balanced_by is not None and self.storage.other_balancers == "respect":
            why = (
                f"{place.balanced_by} already balances it. Disable it, or set storage.other_balancers: ignore"
            )
        elif not place.capacity or place.free is None:
            why = "its capacity or its free space is not reported"
        elif place.id in self.twins:
            other = self.datastores[self.index[self.twins[place.id]]].name
            why = (
                f"it has the same capacity and free space as {other} to the byte, so both may be one place "
                "with two names"
            )
        if why:
            does = "it is only emptied" if emptied else "it is left alone"
            self.notices.append(f"datastore {place.name}: {does}, because {why}")
        return why

    def _set_groups(self) -> None:
        """Number the datastores that can take each other's disks."""
        if self.storage.max_spread is None:
            return
        numbers: dict[object, int] = {}
        for number, place in enumerate(self.places):
            if place.judged and (place.gives or place.takes) and not place.leaves:
                store = place.datastore
                holds = None if store.content is None else frozenset(store.content) & set(CONTENT.values())
                key = (store.cluster, store.kind, store.shared, frozenset(store.hosts), holds)
                self.places[number] = replace(place, group=numbers.setdefault(key, len(numbers)))

    def _units(self, rules: Sequence[StorageRule]) -> list[Unit]:
        apart = {
            guest
            for rule in rules
            if rule.kind == "anti_affinity" and len(rule.guests) == 1
            for guest in rule.guests
        }
        units: list[Unit] = []
        for number, guest in enumerate(self.guests):
            by_home: dict[int, list[Disk]] = {}
            for home, disk in zip(self.homes[number], guest.disks, strict=True):
                if home is not None:
                    by_home.setdefault(home, []).append(disk)
            together = self.storage.keep_together and guest.id not in apart
            for home, disks in by_home.items():
                units += self._units_at(number, home, disks, together=together)
        return units

    def _units_at(self, number: int, home: int, disks: Sequence[Disk], *, together: bool) -> Iterator[Unit]:
        why_guest = self._guest_stays(number, home)
        allowed = self.allowed.get(self.guests[number].id)
        misplaced = allowed is not None and self.datastores[home].id not in allowed
        movable: list[Disk] = []
        for disk in disks:
            why = why_guest or _disk_stays(disk, self.storage.allow_blockers)
            if not why and (self.guests[number].id, disk.id) in self.barred.kept:
                why = LEFT_OUT
            if why:
                yield Unit(
                    home=home,
                    parts=(self.sizes.part(number, [disk], home),),
                    fixed=why,
                    misplaced=misplaced and counts_for_rules(disk),
                )
            else:
                movable.append(disk)
        for lot in lots(movable, together=together):
            yield Unit(home=home, parts=(self.sizes.part(number, lot, home),), misplaced=misplaced)

    def _guest_stays(self, number: int, home: int) -> str:
        guest, place = self.guests[number], self.places[home]
        if guest.id in self.barred.guests:
            return "storage.exclude.guests selects it"
        if not place.gives:
            if place.alone:
                return f"its datastore is left alone: {place.alone}"
            return "storage.exclude.sources selects its datastore"
        if guest.platform_managed:
            return "the platform runs it for its own sake"
        if guest.migrating_to is not None:
            return "it is being migrated at this moment"
        if guest.power == "unknown":
            return "its power state is not known"
        if self.hosts[guest.host].status != "online":
            return f"its host {self.hosts[guest.host].name} is not online"
        blockers = [
            name for name in guest.blockers if name in OF_DISKS and name not in self.storage.allow_blockers
        ]
        return in_words(blockers)

    def _bound_together(self, units: list[Unit], rules: Sequence[StorageRule]) -> list[Unit]:
        """Units of a strict affinity rule that holds become one, so that it holds after each plan."""
        leader = list(range(len(units)))

        def find(unit: int) -> int:
            while leader[unit] != unit:
                leader[unit] = leader[leader[unit]]
                unit = leader[unit]
            return unit

        membership = Membership(units, self.guests)
        for rule in rules:
            if rule.kind != "affinity" or not rule.strict:
                continue
            found = list(membership.of(rule).units)
            if len({units[unit].home for unit in found}) == 1:
                for unit in found[1:]:
                    leader[find(unit)] = find(found[0])
        together: dict[int, list[int]] = {}
        for unit in range(len(units)):
            together.setdefault(find(unit), []).append(unit)
        result = []
        for group in together.values():
            if len(group) == 1:
                result.append(units[group[0]])
                continue
            stuck = next((units[unit] for unit in group if units[unit].fixed), None)
            if stuck is None:
                result.append(
                    Unit(
                        home=units[group[0]].home,
                        parts=merged([part for unit in group for part in units[unit].parts]),
                        misplaced=any(units[unit].misplaced for unit in group),
                    )
                )
                continue
            name = self.guests[stuck.parts[0].guest].name
            for unit in group:
                why = units[unit].fixed or f"a rule keeps it together with {name}, which can't be moved"
                result.append(replace(units[unit], fixed=why))
        return result

    def _with_targets(self, units: Sequence[Unit], broken: frozenset[int]) -> list[Unit]:
        cache: dict[object, tuple[int, ...]] = {}
        result = []
        for number, unit in enumerate(units):
            must = unit.misplaced or bool(self.places[unit.home].leaves)
            restoring = must or number in broken
            legal: tuple[int, ...] = ()
            if not unit.fixed:
                lists = []
                for guest in {part.guest for part in unit.parts}:
                    one = self.guests[guest]
                    key = (one.host, one.kind, unit.home, self.allowed.get(one.id))
                    if key not in cache:
                        cache[key] = self._targets(one, unit.home)
                    lists.append(cache[key])
                legal = tuple(place for place in lists[0] if all(place in other for other in lists[1:]))
                legal = self._without_left_out(unit, legal)
            near = () if restoring else self._near(cache, unit.home, legal)
            targets = tuple(place for place in legal if place not in near) if near else legal
            result.append(replace(unit, targets=targets, later=near, must_leave=must, restoring=restoring))
        return result

    def _without_left_out(self, unit: Unit, legal: tuple[int, ...]) -> tuple[int, ...]:
        """Those to which no move of it is left out by choice."""
        if not self.barred.kept_from:
            return legal
        whose = {(self.guests[part.guest].id, disk) for part in unit.parts for disk in part.disks}
        return tuple(
            place
            for place in legal
            if not any((*one, self.datastores[place].id) in self.barred.kept_from for one in whose)
        )

    def _near(
        self, cache: dict[object, tuple[int, ...]], home: int, legal: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Those that are nearer to the source than the minimum difference."""
        key = (home, legal)
        if key not in cache:
            cache[key] = tuple(place for place in legal if not self._differs(home, place))
        return cache[key]

    def _targets(self, guest: Guest, home: int) -> tuple[int, ...]:
        return tuple(
            number
            for number, place in enumerate(self.places)
            if number != home
            and place.takes
            and guest.host in place.datastore.hosts
            and _holds(place.datastore, guest)
            and self._is_like(guest, home, place.datastore)
        )

    def _is_like(self, guest: Guest, home: int, target: Datastore) -> bool:
        """Whether a datastore is of the kind on which the guest's disks may lie: where placement selects it,
        or else of the class and the cluster of datastores of the present one, and no less shared.
        """
        allowed = self.allowed.get(guest.id)
        if allowed is not None:
            return target.id in allowed
        source = self.datastores[home]
        return (
            target.kind == source.kind
            and target.cluster == source.cluster
            and (target.shared or not source.shared)
        )

    def _differs(self, source: int, target: int) -> bool:
        """Whether the source is fuller than the target by the minimum difference."""
        here, there = self.places[source], self.places[target]
        if not here.capacity:
            return False
        points = 100 * here.load / here.capacity - 100 * there.load / there.capacity
        return points >= self.storage.min_difference - 1e-9

    def _notice_disks(self, estimates: Mapping[int, float | None]) -> None:
        self.notices += [
            f"datastore {place.datastore.name}: {place.datastore.arriving / GIB:.1f} GiB more count as in "
            "use, because another run is moving disks to it"
            for place in self.places
            if place.judged and place.datastore.arriving
        ]
        for number, share in estimates.items():
            place = self.places[number]
            if share is not None and place.judged:
                many = sum(taken_by(disk) is None for _guest, disk in self.disks.get(number, ()))
                self.notices.append(
                    f"datastore {place.datastore.name}: {counted(many, 'disk')} "
                    f"{'counts' if many == 1 else 'count'} with {100 * share:.0f} % of the size, because the "
                    "platform does not report what is written; their moves count as the whole size, and "
                    "free nothing until they are measured"
                )
        unsized = self._names(lambda disk: _unsized(disk) and counts_for_rules(disk))
        if unsized:
            self.notices.append(f"disks of unknown size stay where they are: {listed(unsized, MAX_NAMES)}")
        lost = [
            f"{disk.datastore} of {guest.name}"
            for guest, homes in zip(self.guests, self.homes, strict=True)
            for disk, home in zip(guest.disks, homes, strict=True)
            if home is None and counts_for_rules(disk)
        ]
        if lost:
            self.notices.append(
                "disks on datastores that the cluster does not list stay where they are: "
                f"{listed(lost, MAX_NAMES)}"
            )
        largest = max((place.capacity for place in self.places), default=0)
        large = self._names(lambda disk: (disk.size or 0) > largest > 0)
        if large:
            self.notices.append(f"disks larger than every datastore: {listed(large, MAX_NAMES)}")

    def _names(self, holds: Callable[[Disk], bool]) -> list[str]:
        return [
            f"{disk.id or disk.datastore} of {guest.name}"
            for guest in self.guests
            for disk in guest.disks
            if holds(disk)
        ]


def _unsized(disk: Disk) -> bool:
    return disk.size is None and not (disk.id in NO_DATA and disk.used is not None)


def _disk_stays(disk: Disk, allowed: Sequence[str]) -> str:
    if disk.id is None:
        return "the platform does not report by which name it could be moved"
    if _unsized(disk):
        return "its size is not reported"
    return in_words([name for name in disk.blockers if name not in allowed])


def _holds(target: Datastore, guest: Guest) -> bool:
    return target.content is None or CONTENT[guest.kind] in target.content
