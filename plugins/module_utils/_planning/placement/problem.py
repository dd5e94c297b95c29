# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New guests as the search sees them: units of guests that share a host, and what keeps them from hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..._model.placement_request import PlacementRequest, WantedDevice
from ..._model.snapshot import Rule
from ..model.move_units import joined
from ..model.problem import Group, Vector
from ..model.rules import PINS
from ..model.snapshot_index import bits
from .cluster_index import ClusterIndex
from .datastores import DiskSet
from .feasibility import Reason, key, unfit
from .requested_guests import NewGuest
from .rules import PlacementRules
from .storage_rules import DiskBindings, disk_bindings


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Guests that are placed as one; `guests` are positions among the new guests. unfit: by host index, why
    it will not do, whatever else is placed where.
    """

    guests: tuple[int, ...]
    need: Vector
    load: Vector
    disks: DiskSet
    devices: tuple[WantedDevice, ...]
    dedicated: bool
    unfit: Sequence[Reason | None]
    open: tuple[int, ...]
    groups: tuple[tuple[int, int], ...]
    foes: frozenset[int]
    wishes: bool


@dataclass(frozen=True, kw_only=True)
class PlacementProblem:
    """Everything that is to be placed, and the rules over several guests with where their members are."""

    cluster: ClusterIndex
    new: tuple[NewGuest, ...]
    rules: PlacementRules
    units: tuple[Unit, ...]
    groups: tuple[Group, ...]
    at: tuple[Mapping[int, int], ...]
    bindings: DiskBindings

    @cached_property
    def unit_of(self) -> dict[int, int]:
        """The unit of each new guest by its position."""
        return {guest: number for number, unit in enumerate(self.units) for guest in unit.guests}


def build_placement_problem(
    cluster: ClusterIndex,
    request: PlacementRequest,
    new: Sequence[NewGuest],
    bound: PlacementRules,
    known: Mapping[str, Sequence[Reason | None]] | None = None,
) -> PlacementProblem:
    """known: by guest id, why each host will not do, where that is not to be read off the request."""
    return _Builder(cluster, request, new, bound, known or {}).task()


class _Builder:
    def __init__(
        self,
        cluster: ClusterIndex,
        request: PlacementRequest,
        new: Sequence[NewGuest],
        bound: PlacementRules,
        known: Mapping[str, Sequence[Reason | None]],
    ) -> None:
        self.cluster, self.request, self.new, self.bound = cluster, request, tuple(new), bound
        self.known = known
        self.coming = [index for index, item in enumerate(new) if item.known is None]
        self.index = {new[index].guest.id: index for index in self.coming}
        self.homes = self._homes()
        self.leaving = {guest.id: source for guest, source, _target in cluster.index.arriving}
        self._unfit: dict[tuple[object, ...], list[Reason | None]] = {}

    def _homes(self) -> dict[str, int]:
        """Hosts of the guests that any rule has a say about."""
        wanted = {guest for rule in self.bound.rules for guest in rule.guests}
        wanted = wanted.union(*self.bound.apart.values())
        if not wanted:
            return {}
        index = self.cluster.index
        return {guest: index.home[index.guest_at[guest]] for guest in wanted & index.guest_at.keys()}

    def task(self) -> PlacementProblem:
        together = [rule for rule in self.bound.rules if rule.kind == "affinity" and rule.strict]
        members = self._merged(together)
        unit_of = {guest: number for number, guests in enumerate(members) for guest in guests}
        refused = [self._refused(guests, together) for guests in members]
        groups, at = self._groups(members, refused)
        foes = self._foes(members, unit_of, refused)
        counts: list[list[tuple[int, int]]] = [[] for _unit in members]
        for index, (_group, rule) in enumerate(groups):
            many = Counter(unit_of[self.index[guest]] for guest in rule.guests if guest in self.index)
            for number, of_it in many.items():
                counts[number].append((index, of_it))
        units = [
            self._unit(guests, refused[number], counts[number], foes[number], groups)
            for number, guests in enumerate(members)
        ]
        return PlacementProblem(
            cluster=self.cluster,
            new=self.new,
            rules=self.bound,
            units=tuple(units),
            groups=tuple(group for group, _rule in groups),
            at=tuple(at),
            bindings=disk_bindings(self.cluster, self.new),
        )

    def _unit(
        self,
        guests: tuple[int, ...],
        refused: Sequence[Reason | None],
        counts: Sequence[tuple[int, int]],
        foes: frozenset[int],
        groups: Sequence[tuple[Group, Rule]],
    ) -> Unit:
        cluster = self.cluster
        items = [self.new[guest] for guest in guests]
        return Unit(
            guests=guests,
            need=_sum([cluster.needs_of(item.guest) for item in items]),
            load=_sum([cluster.loads_of(item.guest) for item in items]),
            disks=DiskSet(
                disks=tuple(disk for item in items for disk in item.wanted.disks),
                owners=tuple(guest for guest in guests for _disk in self.new[guest].wanted.disks),
            ),
            devices=tuple(device for item in items for device in item.wanted.devices),
            dedicated=items[0].wanted.dedicated,
            unfit=refused,
            open=tuple(host for host, reason in enumerate(refused) if reason is None),
            groups=tuple(counts),
            foes=foes,
            wishes=any(not groups[index][0].strict for index, _many in counts),
        )

    def _merged(self, together: Sequence[Rule]) -> list[tuple[int, ...]]:
        members = (
            frozenset(self.index[guest] for guest in rule.guests if guest in self.index) for rule in together
        )
        unit_of = {guest: tuple(sorted(unit)) for unit in joined(members) for guest in unit}
        return list(dict.fromkeys(unit_of.get(guest, (guest,)) for guest in self.coming))

    def _refused(self, guests: Sequence[int], together: Sequence[Rule]) -> list[Reason | None]:
        """By host the first reason against it for any of these guests."""
        found: list[Reason | None] = list(self._unfit_for(guests[0]))
        for guest in guests[1:]:
            found = [a or b for a, b in zip(found, self._unfit_for(guest), strict=True)]
        ids = {self.new[guest].guest.id for guest in guests}
        everywhere = set(range(len(found)))
        for rule in self.bound.rules:
            if not rule.strict or ids.isdisjoint(rule.guests):
                continue
            if rule.kind in PINS:
                verb = "wants other hosts" if rule.kind == "host_affinity" else "forbids it"
                _refuse(found, self._forbidden(rule), "host rule", f"rule {rule.name} {verb}")
            elif rule in together:
                beside = Counter(self.homes[guest] for guest in rule.guests if guest in self.homes)
                if beside:
                    # Where they are apart already, it is not for a new one to tear them further.
                    most = max(beside.values())
                    hosts = {host for host, many in beside.items() if many == most}
                    names = ", ".join(sorted(self.cluster.hosts[host].name for host in hosts))
                    _refuse(found, everywhere - hosts, "affinity", f"rule {rule.name} wants {names}")
        return found

    def _forbidden(self, rule: Rule) -> Iterator[int]:
        """The hosts that a host rule does not allow."""
        index = self.cluster.index
        return bits(index.everywhere & ~index.allowed_hosts(rule))

    def _unfit_for(self, guest: int) -> Sequence[Reason | None]:
        item = self.new[guest]
        if item.guest.id in self.known:
            return self.known[item.guest.id]
        name = key(item.wanted)
        if name not in self._unfit:
            self._unfit[name] = unfit(self.cluster, item.wanted, f"request.vms[{item.request}]")
        return self._unfit[name]

    def _groups(
        self, members: Sequence[tuple[int, ...]], refused: Sequence[Sequence[Reason | None]]
    ) -> tuple[list[tuple[Group, Rule]], list[Mapping[int, int]]]:
        kinds = {"anti_affinity": "apart", "even_spread": "even", "affinity": "together"}
        groups: list[tuple[Group, Rule]] = []
        at: list[Mapping[int, int]] = []
        for rule in self.bound.rules:
            if rule.strict and rule.kind not in ("anti_affinity", "even_spread"):
                continue
            domain: frozenset[int] = frozenset()
            if rule.kind == "even_spread":
                domain = self._domain(rule, members, refused)
            elif rule.kind in PINS:
                domain = frozenset(self._forbidden(rule))
            group = Group(
                name=rule.name,
                kind=kinds.get(rule.kind, "pinned"),
                guests=tuple(range(len(rule.guests))),
                strict=rule.strict,
                skew=rule.max_skew,
                weight=rule.weight,
                domain=domain,
            )
            groups.append((group, rule))
            members_at = Counter(self.homes[guest] for guest in rule.guests if guest in self.homes)
            if rule.kind == "anti_affinity" and rule.strict:
                # One that is being migrated is met on the host that it leaves, too.
                members_at.update(self.leaving[guest] for guest in rule.guests if guest in self.leaving)
            at.append(members_at)
        return groups, at

    def _domain(
        self, rule: Rule, members: Sequence[tuple[int, ...]], refused: Sequence[Sequence[Reason | None]]
    ) -> frozenset[int]:
        """The hosts that an even spread is over: those that could have a new member or have an old one."""
        mine = {self.index[guest] for guest in rule.guests if guest in self.index}
        domain = {
            self.homes[guest]
            for guest in rule.guests
            if guest in self.homes and self.cluster.hosts[self.homes[guest]].active
        }
        for guests, reasons in zip(members, refused, strict=True):
            if not mine.isdisjoint(guests):
                domain |= {host for host, reason in enumerate(reasons) if reason is None}
        return frozenset(domain)

    def _foes(
        self,
        members: Sequence[tuple[int, ...]],
        unit_of: Mapping[int, int],
        refused: Sequence[list[Reason | None]],
    ) -> list[frozenset[int]]:
        index = self.cluster.index
        foes: list[set[int]] = [set() for _unit in members]
        for number, guests in enumerate(members):
            for guest in guests:
                for other in self.bound.apart.get(self.new[guest].guest.id, ()):
                    if other in self.homes:
                        hosts = {self.homes[other], self.leaving.get(other, self.homes[other])}
                        name = index.guests[index.guest_at[other]].name
                        _refuse(refused[number], hosts, "anti-affinity", f"guest {name} is there")
                    elif other in self.index:
                        foe = unit_of[self.index[other]]
                        foes[number].add(foe)
                        foes[foe].add(number)
        for number, against in enumerate(foes):
            if number in against:
                text = "the request wants guests apart that it wants together"
                _refuse(refused[number], range(len(refused[number])), "anti-affinity", text)
        return [frozenset(against) for against in foes]


def _refuse(found: list[Reason | None], hosts: Iterable[int], word: str, text: str) -> None:
    for host in hosts:
        found[host] = found[host] or (word, text)


def _sum(vectors: Iterable[Vector]) -> Vector:
    return tuple(sum(parts) for parts in zip(*vectors, strict=True))
