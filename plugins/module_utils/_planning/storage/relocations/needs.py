# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests must go to another host, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ...._model.disk_moves import freed_by
from ...model.selectors import select_guests
from ..cover import cover
from .cluster import RelocationCluster
from .ledger import Ledger
from .targets import LOCAL_DISK, Need, RelocationTargets


class RelocationNeeds:
    """Only guests that may go, and for which there is a host."""

    def __init__(self, cluster: RelocationCluster, targets: RelocationTargets) -> None:
        self.cluster, self.targets = cluster, targets
        self.guests, self.places = cluster.guests, cluster.places
        self.stay = self._staying()
        """Ids of the guests that no relocation may touch."""
        self.on: dict[int, list[int]] = {}
        """By place, the guests whose disks moves of disks alone leave there."""
        for number in range(len(self.guests)):
            for place in cluster.homes_left(number):
                self.on.setdefault(place, []).append(number)

    def _staying(self) -> frozenset[str]:
        policy = self.cluster.policy
        stay = set(select_guests(self.guests, policy.exclude.guests, "policy.exclude.guests"))
        stay |= self.cluster.now.barred.guests
        stay |= {one.guest for one in policy.choices.left_out if one.host is None}
        stay |= {one.guest for one in policy.choices.disks_left_out}
        stay |= {one.guest for one in policy.choices.pinned}
        for members in self.cluster.now.rules:
            # Disks that are kept together would have to go to one datastore, and those of one guest apart.
            if members.rule.strict and (members.rule.kind == "affinity" or len(members.rule.guests) == 1):
                stay.update(members.rule.guests)
        return frozenset(stay)

    def all(self, refused: Collection[tuple[str, str]]) -> list[Need]:
        """Each guest once, the fewest bytes first."""
        found: dict[int, Need] = {}
        for want in (*self._misplaced(), *self._in_the_way(refused), *self._above(refused)):
            before = found.get(want.guest)
            if before is not None:
                both = before.for_space and want.for_space
                want = replace(before, places=before.places | want.places, for_space=both)
            found[want.guest] = want
        return sorted(found.values(), key=lambda want: (self.cluster.cost(want.guest), want.guest))

    def _may_go(self, guest: int) -> bool:
        one = self.guests[guest]
        blockers = set(one.blockers) - {LOCAL_DISK}
        return (
            one.id not in self.stay
            and one.power in ("running", "stopped")
            and (one.migratable or bool(one.blockers))
            and (one.migratable or blockers <= set(self.cluster.policy.allow_blockers))
            and one.migrating_to is None
            and not one.platform_managed
        )

    def _misplaced(self) -> Iterator[Need]:
        for number, guest in enumerate(self.guests):
            allowed = self.cluster.now.allowed.get(guest.id)
            must: dict[int, str] = {}
            for place in self.cluster.homes_left(number):
                here = self.places[place]
                name = here.datastore.name
                if here.leaves:
                    must[place] = f"{name} is to be emptied: {here.leaves}"
                elif allowed is not None and here.datastore.id not in allowed:
                    must[place] = f"storage.placement does not allow its disks on {name}"
                elif policies := self.cluster.violated(number, place):
                    must[place] = f"{name} does not comply with {policies}"
            if must and self._may_go(number):
                yield Need(number, frozenset(must), "; ".join(must.values()))

    def _in_the_way(self, refused: Collection[tuple[str, str]]) -> Iterator[Need]:
        """The guests that must leave so that a rule holds which keeps guests apart: all but the largest."""
        for members in self.cluster.end.rules:
            rule = members.rule
            if not rule.strict or rule.kind != "anti_affinity" or len(rule.guests) < 2:
                continue
            at: dict[int, list[int]] = {}
            for name in rule.guests:
                guest = self.cluster.numbers[name]
                for place in dict.fromkeys(self.cluster.homes(self.cluster.end, guest)):
                    at.setdefault(place, []).append(guest)
            for place, guests in at.items():
                order = sorted(guests, key=lambda guest: (self.cluster.cost(guest), guest))
                able = [
                    guest for guest in order if self._may_go(guest) and self._can_go(guest, {place}, refused)
                ]
                for guest in able[: len(guests) - 1]:
                    yield Need(guest, frozenset({place}), f"restores rule {rule.name}")

    def _above(self, refused: Collection[tuple[str, str]]) -> Iterator[Need]:
        """The guests with the fewest bytes whose disks bring a datastore below its limit."""
        for number, place in enumerate(self.cluster.end.places):
            need = place.load - place.limit
            if not place.judged or not place.gives or place.leaves or need <= 0:
                continue
            items = [
                (guest, self._frees(guest, number), self.cluster.cost(guest))
                for guest in self.on.get(number, ())
                if self._may_go(guest) and self._can_go(guest, {number}, refused, for_space=True)
            ]
            # Better some than none, where all together are too few.
            chosen = cover(items, need)
            percent, most = 100 * place.load / place.capacity, 100 * place.limit / place.capacity
            why = f"{place.datastore.name} is at {percent:.1f} % and its limit is {most:.1f} %"
            for guest in [guest for guest, _frees, _cost in items] if chosen is None else chosen[0]:
                yield Need(guest, frozenset({number}), why, for_space=True)

    def _frees(self, guest: int, place: int) -> int:
        one, share = self.guests[guest], self.places[place].estimated or 0.0
        return sum(
            freed_by(disk, share)
            for disk in one.disks
            if self.cluster.at.get((one.host, disk.datastore)) == place
        )

    def _can_go(
        self,
        guest: int,
        places: Collection[int],
        refused: Collection[tuple[str, str]],
        *,
        for_space: bool = False,
    ) -> bool:
        want = Need(guest, frozenset(places), "", for_space)
        ledger = Ledger(self.cluster, self.targets.open)
        return next(self.targets.options(want, ledger, refused), None) is not None
