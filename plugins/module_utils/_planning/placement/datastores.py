# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores for the disks of new guests: what is free, how busy they are, and which to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..._model.datastores import datastore_ids
from ..._model.placement_request import WantedDisk
from ..._model.snapshot import Host
from ..model.snapshot_index import SnapshotIndex
from .storage_policies import KnownPolicies
from .storage_rules import DiskBindings

# A datastore as it is told apart: shared ones are one place on all hosts, others one a host.
Place = tuple[str, int]
EVERYWHERE = -1
BUSIEST_POINTS = 50.0
# A preference that would be broken counts for more than any difference in space.
BROKEN_POINTS = 1000.0


def like(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern)


def candidates(host: Host, disk: WantedDisk, policies: KnownPolicies) -> list[str]:
    """The datastores of a host that will do for a disk, whatever is free there."""
    return [name for name in alike(host, disk, policies) if host.datastores[name].closed_because is None]


def alike(host: Host, disk: WantedDisk, policies: KnownPolicies) -> list[str]:
    """The same with those that take no new disks now."""
    return [
        name
        for name, store in host.datastores.items()
        if (disk.datastore is None or like(name, disk.datastore))
        and (disk.kind is None or store.kind == disk.kind)
        and (disk.shared is None or store.shared == disk.shared)
        and policies.allows(disk.storage_policy, host, name)
    ]


@dataclass(slots=True)
class _Store:
    free: int | None
    capacity: int | None
    busy: float


@dataclass(frozen=True, slots=True)
class DiskSet:
    """Disks that are placed at once on one host, each with the position of the new guest that it is of."""

    disks: tuple[WantedDisk, ...]
    owners: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.disks)


# By number of a rule and id of a datastore, the members that are there.
_Members = dict[int, dict[str, Counter[str]]]


class Stores:
    """The free bytes of every datastore, less the disks placed so far, and who of the rules is where."""

    def __init__(self, index: SnapshotIndex, bindings: DiskBindings, policies: KnownPolicies) -> None:
        self._hosts = index.hosts
        self._policies = policies
        self._stores: dict[Place, _Store] = {}
        for number, host in enumerate(index.hosts):
            for name, store in host.datastores.items():
                place = (name, EVERYWHERE if store.shared else number)
                before = self._stores.get(place)
                if before is None:
                    self._stores[place] = _Store(store.free, store.capacity, store.disk_io or 0.0)
                elif store.free is not None and (before.free is None or store.free < before.free):
                    before.free = store.free
        self._weigh(index)
        # Hosts with the same datastores, all of them shared, have the same choice.
        kinds: dict[tuple[str, ...], int] = {}
        self.kind: list[int] = []
        for number, host in enumerate(index.hosts):
            names = tuple(host.datastores)
            own = any(not store.shared or store.closed_because for store in host.datastores.values())
            self.kind.append(-1 - number if own else kinds.setdefault(names, len(kinds)))
        self._chosen: dict[tuple[int, tuple[WantedDisk, ...], tuple[int, ...]], tuple[str, ...] | None] = {}
        self._bindings = bindings
        self._bound = frozenset(bindings.allowed) | {
            position for position, rules in bindings.rules_of.items() if rules
        }
        self._ids = datastore_ids(index.snapshot) if self._bound else {}
        self._members: _Members = {
            number: {place: Counter(members) for place, members in rule.at.items()}
            for number, rule in enumerate(bindings.rules)
        }

    def _weigh(self, index: SnapshotIndex) -> None:
        """The load of each from 0 to 1: as reported, else as its guests read and write."""
        if all(store.busy == 0.0 for store in self._stores.values()) and len(self._stores) > 1:
            for guest in index.guests:
                load = guest.used.get("disk_io")
                if load and guest.disks:
                    for disk in guest.disks:
                        store = self._find(disk.datastore, index.host_at[guest.host])
                        if store is not None:
                            store.busy += load / len(guest.disks)
        most = max((store.busy for store in self._stores.values()), default=0.0)
        for store in self._stores.values():
            store.busy = store.busy / most if most else 0.0

    def _find(self, name: str, host: int) -> _Store | None:
        return self._stores.get((name, EVERYWHERE)) or self._stores.get((name, host))

    def choose(self, host: int, wanted: DiskSet) -> tuple[str, ...] | None:
        """A datastore for each disk, in their order; None where not all of them fit.

        The one with the least points of percent full, once the disk is there, and of how busy it is. Disks
        that ask for the same lie together where they can.
        """
        if not wanted:
            return ()
        # Guests that nothing binds are alike when their disks are.
        owners = wanted.owners if self._bound and self._bound.intersection(wanted.owners) else ()
        kind = (self.kind[host], wanted.disks, owners)
        if kind not in self._chosen:
            self._chosen[kind] = self._choice(host, wanted)
        return self._chosen[kind]

    def _choice(self, host: int, wanted: DiskSet) -> tuple[str, ...] | None:
        disks, owners = wanted.disks, wanted.owners
        taken: dict[str, int] = {}
        chosen: dict[int, str] = {}
        here: _Members = {}
        alike: dict[tuple[object, ...], list[int]] = {}
        for index, disk in enumerate(disks):
            owner = owners[index] if owners[index] in self._bound else None
            asked = (disk.datastore, disk.kind, disk.shared, disk.storage_policy, owner)
            alike.setdefault(asked, []).append(index)
        options = {
            wish: candidates(self._hosts[host], disks[those[0]], self._policies)
            for wish, those in alike.items()
        }
        for wish, those in sorted(alike.items(), key=lambda item: (len(options[item[0]]), item[1])):
            apart = self._disks_apart(owners[those[0]])
            if not apart and self._seat(host, options[wish], those, wanted, taken, chosen, here):
                continue
            lots = [[index] for index in sorted(those, key=lambda number: (-disks[number].size, number))]
            for lot in lots:
                if not self._seat(host, options[wish], lot, wanted, taken, chosen, here):
                    return None
        return tuple(chosen[index] for index in range(len(disks)))

    def _seat(
        self,
        host: int,
        names: Sequence[str],
        lot: Sequence[int],
        wanted: DiskSet,
        taken: dict[str, int],
        chosen: dict[int, str],
        here: _Members,
    ) -> bool:
        """Choose one datastore for some disks; false where there is none."""
        size, owner = sum(wanted.disks[index].size for index in lot), wanted.owners[lot[0]]
        broken = (
            self._allowed(host, names, owner, lot, here) if owner in self._bound else dict.fromkeys(names, 0)
        )
        best = self._best(host, broken, size, taken)
        if best is None:
            return False
        taken[best] = taken.get(best, 0) + size
        chosen.update(dict.fromkeys(lot, best))
        if owner in self._bound:
            self._join(here, host, owner, lot, best)
        return True

    def _disks_apart(self, owner: int) -> bool:
        """Whether a rule wants the disks of a guest on different datastores."""
        rules = (self._bindings.rules[number] for number in self._bindings.rules_of.get(owner, ()))
        return any(rule.of_disks and rule.rule.kind == "anti_affinity" for rule in rules)

    def _allowed(
        self, host: int, names: Sequence[str], owner: int, lot: Sequence[int], here: _Members
    ) -> dict[str, int]:
        """The datastores that strict rules and the placement of the policy let disks of a guest go to, each
        with the number of preferences that it would break.
        """
        allowed = self._bindings.allowed.get(owner)
        places = {name: self._ids.get((self._hosts[host].id, name), "") for name in names}
        found = {name: 0 for name in names if allowed is None or places[name] in allowed}
        for number in self._bindings.rules_of.get(owner, ()):
            bound = self._bindings.rules[number]
            # All disks of a guest are to be on one datastore with the others.
            together = bound.rule.kind == "affinity"
            mine = () if together else {_member(bound.of_disks, owner, index) for index in lot}
            others = self._others(number, mine, here)
            most = max(others.values(), default=0)
            for name in list(found):
                many = others[places[name]]
                holds = many == 0 if bound.rule.kind == "anti_affinity" else many == most
                if not holds and bound.rule.strict:
                    del found[name]
                elif not holds:
                    found[name] += 1
        return found

    def _others(self, number: int, mine: Iterable[str], here: _Members) -> Counter[str]:
        """By datastore, the other members of a rule that are there."""
        counts: Counter[str] = Counter()
        own = set(mine)
        for members in (self._members, here):
            for place, those in members.get(number, {}).items():
                counts[place] += sum(many > 0 and one not in own for one, many in those.items())
        return counts

    def _join(
        self, members: _Members, host: int, owner: int, lot: Iterable[int], name: str, sign: int = 1
    ) -> None:
        place = self._ids.get((self._hosts[host].id, name), "")
        for number in self._bindings.rules_of.get(owner, ()):
            of_disks = self._bindings.rules[number].of_disks
            for index in lot:
                those = members.setdefault(number, {}).setdefault(place, Counter())
                those[_member(of_disks, owner, index)] += sign

    def _best(self, host: int, names: Mapping[str, int], size: int, taken: Mapping[str, int]) -> str | None:
        best: tuple[float, str] | None = None
        for name, broken in names.items():
            store = self._find(name, host)
            if store is None:
                continue
            left = None if store.free is None else store.free - taken.get(name, 0) - size
            if left is not None and left < 0:
                continue
            # Where nobody says how much is free, better somewhere else.
            full = 100.0 if left is None else 0.0
            if left is not None and store.capacity:
                full = 100.0 * (1.0 - left / store.capacity)
            mark = (full + BUSIEST_POINTS * store.busy + BROKEN_POINTS * broken, name)
            if best is None or mark < best:
                best = mark
        return None if best is None else best[1]

    def take(self, host: int, wanted: DiskSet, names: Sequence[str], sign: int = 1) -> None:
        """Reckon with these disks there; with a sign of -1 no more."""
        if wanted:
            self._chosen.clear()
        for index, name in enumerate(names):
            store = self._find(name, host)
            if store is not None and store.free is not None:
                store.free -= sign * wanted.disks[index].size
            if wanted.owners[index] in self._bound:
                self._join(self._members, host, wanted.owners[index], (index,), name, sign)

    def most_free(self, host: int, wanted: DiskSet) -> int:
        """Bytes that are free on the emptiest datastore of a host that will do for one of the disks."""
        suitable = {
            name for disk in wanted.disks for name in candidates(self._hosts[host], disk, self._policies)
        }
        found = [self._find(name, host) for name in suitable]
        return max((store.free or 0 for store in found if store is not None), default=0)

    def in_the_way(self, host: int, wanted: DiskSet) -> str:
        """The rules, or the placement of the policy, without which the disks would have a datastore; empty
        where they would not.
        """
        mine = self._bound.intersection(wanted.owners)
        if not mine:
            return ""
        bound, self._bound = self._bound, frozenset()
        try:
            if self._choice(host, wanted) is None:
                return ""
        finally:
            self._bound = bound
        rules = {number for owner in mine for number in self._bindings.rules_of.get(owner, ())}
        names = sorted(
            self._bindings.rules[number].rule.name
            for number in rules
            if self._bindings.rules[number].rule.strict
        )
        parts = [f"rule{'' if len(names) == 1 else 's'} {', '.join(names)}"] if names else []
        if mine.intersection(self._bindings.allowed):
            parts.append("storage.placement")
        return " and ".join(parts)


def _member(of_disks: bool, owner: int, index: int) -> str:
    return f"{owner}:{index}" if of_disks else str(owner)
