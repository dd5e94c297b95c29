# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays a plan in the worst of all interleavings, for the verifier.

The reading of order is the most hostile one: a migration may start as soon as its `after` steps have ended,
so at any moment everything not ordered against everything else may be done, under way, or not begun. Waves
respect `after`, so what holds for every such interleaving holds wave by wave too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from ..._model.plan import Migration
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Rule, Snapshot
from .worst_sum import worst_sum

TOLERANCE = 1e-6
# A guest in one of these states holds memory, or may.
HOLDING = ("running", "unknown")


class Replay:
    """What the hosts can come to carry in the worst interleaving."""

    def __init__(
        self, snapshot: Snapshot, policy: Policy, rules: Sequence[Rule], migrations: Sequence[Migration]
    ) -> None:
        self.snapshot, self.policy, self.rules, self.migrations = snapshot, policy, rules, migrations
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.guests = {guest.id: guest for guest in snapshot.guests}
        # Where a migration that is under way already ends counts as where its guest is.
        self.homes = {
            guest.id: guest.migrating_to if guest.migrating_to in self.hosts else guest.host
            for guest in snapshot.guests
        }
        position = {migration.step: index for index, migration in enumerate(migrations)}
        self.ancestors: list[int] = []
        for migration in migrations:
            mask = 0
            for step in migration.after:
                mask |= self.ancestors[position[step]] | 1 << position[step]
            self.ancestors.append(mask)
        self.arrivals: dict[str, list[int]] = {}
        self.departures: dict[str, list[int]] = {}
        self.steps_of: dict[str, list[int]] = {}
        for index, migration in enumerate(migrations):
            self.arrivals.setdefault(migration.target, []).append(index)
            self.departures.setdefault(migration.source, []).append(index)
            self.steps_of.setdefault(migration.guest.id, []).append(index)

    def worst(self, gains: Mapping[int, float], reliefs: Mapping[int, float]) -> float:
        """The largest sum over all interleavings: gains count once begun, reliefs only once ended."""
        return worst_sum(self.ancestors, gains, reliefs)

    def capacity_defects(self) -> Iterable[str]:
        residents: dict[str, list[Guest]] = {}
        for guest in self.snapshot.guests:
            for place in dict.fromkeys((guest.host, self._home(guest.id))):
                residents.setdefault(place, []).append(guest)
        for host_id in self.arrivals:
            host = self.hosts[host_id]
            here = residents.get(host_id, [])
            for need, now, ceiling in self._ceilings(host, here):
                gains = {index: self._size(index, need) for index in self.arrivals[host_id]}
                if now + sum(gains.values()) <= ceiling * (1 + TOLERANCE):
                    continue
                scale = max(ceiling, now, 1e-12)
                gains = {index: size / scale for index, size in gains.items() if size}
                reliefs = {i: self._relief(i, need) / scale for i in self.departures.get(host_id, ())}
                most = now + self._most_on_arrival(gains, reliefs, above=now > ceiling) * scale
                if most > ceiling * (1 + TOLERANCE) + TOLERANCE:
                    yield f"{host_id} can come to {most:g} of {need}, and {ceiling:g} is its limit"

    def _most_on_arrival(
        self, gains: Mapping[int, float], reliefs: Mapping[int, float], *, above: bool
    ) -> float:
        """The largest change of a host's load while something comes to it or after it came.

        above: the host is above its limit to begin with, and may be until then; so each arrival is looked at
        as begun, what it comes after as ended.
        """
        if not above:
            return self.worst(gains, reliefs)
        most = -math.inf
        for arrival, size in gains.items():
            before = self.ancestors[arrival]
            gone = sum(relief for index, relief in reliefs.items() if before >> index & 1)
            others = {index: gain for index, gain in gains.items() if index != arrival}
            left = {index: relief for index, relief in reliefs.items() if not before >> index & 1}
            most = max(most, size - gone + self.worst(others, left))
        return most

    def _home(self, guest: str) -> str:
        return self.homes[guest] or self.guests[guest].host

    def _relief(self, index: int, need: str) -> float:
        """What leaves with a guest of the use that was measured: nothing that is not measured yet."""
        guest = self.guests[self.migrations[index].guest.id]
        fresh = guest.used.get(need) is None and guest.sources.get(need) == "not_yet_measured"
        came = self.migrations[index].source != guest.host
        return 0.0 if fresh and not came else self._size(index, need)

    def _size(self, index: int, need: str) -> float:
        return _size_of(self.guests[self.migrations[index].guest.id], need, self.hosts)

    def _ceilings(self, host: Host, here: Sequence[Guest]) -> Iterable[tuple[str, float, float]]:
        limits = self.policy.limits
        # Restoring a rule or emptying a host may fill further than levelling.
        restores = any(
            self.migrations[i].kind in ("rule", "evacuate", "storage", "manual")
            for i in self.arrivals[host.id]
        )
        percents = {
            "cpu": limits.cpu_for_rules if restores else limits.cpu,
            "memory": limits.memory_for_rules if restores else limits.memory,
        }
        fill = self.policy.consolidate.fill if self.policy.consolidate else None
        packs = any(self.migrations[i].kind == "consolidate" for i in self.arrivals[host.id])
        if packs and not restores and fill is not None:
            percents = {name: min(percent, fill) for name, percent in percents.items()}
        ratios = {"cpu": limits.cpu_overcommit, "memory": limits.memory_overcommit}
        for name, percent in percents.items():
            usable = max(0.0, (host.capacity.get(name) or 0.0) - (host.reserved.get(name) or 0.0))
            kept = limits.memory_reserve if name == "memory" else 0
            now = host.used.get(name) or 0.0
            now += sum(_size_of(guest, name, self.hosts) for guest in here if guest.host != host.id)
            yield name, now, usable * percent / 100 - kept
            ratio = ratios[name]
            if ratio is not None:
                given = sum(_size_of(guest, f"assigned {name}", self.hosts) for guest in here)
                yield f"assigned {name}", given, usable * ratio
        counts = [most for most in (limits.max_guests, host.max_guests) if most is not None]
        running = sum(guest.power in HOLDING for guest in here)
        if counts:
            yield "guests", running, min(counts)
        for name, place in host.datastores.items():
            if not place.shared:
                yield f"datastore {name}", 0.0, float(place.free or 0)

    def rule_defects(self, rule: Rule) -> Iterable[str]:
        if not rule.strict:
            return
        members = [guest for guest in rule.guests if guest in self.guests]
        moving = [index for guest in members for index in self.steps_of.get(guest, ())]
        if not moving:
            return
        if rule.kind in ("host_affinity", "host_anti_affinity"):
            inside = rule.kind == "host_affinity"
            for index in moving:
                move = self.migrations[index]
                # Where it is already broken for a guest, it may stay so: on the way, or for another rule.
                holds = (move.source in rule.hosts) == inside
                if holds and (move.target in rule.hosts) != inside:
                    yield f"rule {rule.name}: step {move.step} breaks it"
        elif rule.kind == "anti_affinity":
            yield from self._apart_defects(rule, members)
        elif rule.kind == "even_spread":
            yield from self._even_defects(rule, members, moving)
        else:
            yield from self._affinity_defects(rule, members)

    def _apart_defects(self, rule: Rule, members: Sequence[str]) -> Iterable[str]:
        """Two guests are never on, or on their way to or from, one host at the same time, unless they were at
        first. Where some were, others may be, as long as no host comes to have more of them than one had at
        first, and no more are together in the end.
        """
        if len({self._home(guest) for guest in members}) < len(members):
            yield from self._crowd_defects(rule, members)
            return
        stays: dict[str, list[tuple[str, int | None, int | None]]] = {}
        for guest in members:
            place, came = self._home(guest), None
            if place != self.guests[guest].host:
                stays.setdefault(self.guests[guest].host, []).append((guest, None, None))
            for index in self.steps_of.get(guest, ()):
                stays.setdefault(place, []).append((guest, came, index))
                place, came = self.migrations[index].target, index
            stays.setdefault(place, []).append((guest, came, None))
        for host, visits in stays.items():
            for number, (one, came, left) in enumerate(visits):
                for other, other_came, other_left in visits[:number]:
                    if one == other or (came is None and other_came is None):
                        continue
                    if not self._precedes(left, other_came) and not self._precedes(other_left, came):
                        yield f"rule {rule.name}: {one} and {other} can meet on {host}"

    def _crowd_defects(self, rule: Rule, members: Sequence[str]) -> Iterable[str]:
        first = Counter(self._home(guest) for guest in members)
        last = Counter(
            self.migrations[self.steps_of[guest][-1]].target if guest in self.steps_of else self._home(guest)
            for guest in members
        )
        if sum(n * (n - 1) for n in last.values()) > sum(n * (n - 1) for n in first.values()):
            yield f"rule {rule.name}: more of its guests end up together"
        own = {index for guest in members for index in self.steps_of.get(guest, ())}
        # One that is being migrated is still where it was.
        leaving = (guest for guest in members if self._home(guest) != self.guests[guest].host)
        present = first + Counter(self.guests[guest].host for guest in leaving)
        most = max(present.values())
        for host in {self.migrations[index].target for index in own}:
            gains = {index: 1.0 for index in own if self.migrations[index].target == host}
            reliefs = {index: 1.0 for index in own if self.migrations[index].source == host}
            peak = present[host] + self.worst(gains, reliefs)
            if peak > most + TOLERANCE:
                yield f"rule {rule.name}: {host} can come to have {peak:g} of its guests, and {most} was most"

    def _precedes(self, first: int | None, second: int | None) -> bool:
        return first is not None and second is not None and bool(self.ancestors[second] >> first & 1)

    def _even_defects(self, rule: Rule, members: Sequence[str], moving: Sequence[int]) -> Iterable[str]:
        """The counts on two hosts never differ by more than the skew, or than they did at first."""
        touched = {self.migrations[i].target for i in moving} | {self.migrations[i].source for i in moving}
        shut = set.intersection(*(self._shut_out_of(guest) for guest in members))
        counts = {host.id: 0 for host in self.snapshot.hosts if host.active and host.id not in shut}
        for guest in members:
            if self._home(guest) in counts:
                counts[self._home(guest)] += 1
        # Hosts that never hold a member, now or in this plan, may be closed to all of them: they can't count
        # as empty.
        hosts = sorted(host for host in counts)
        reachable = {host for host in hosts if counts[host] or host in touched}
        if not reachable:
            return
        allowed = max(rule.max_skew, max(counts[h] for h in reachable) - min(counts[h] for h in reachable))
        most, least = dict(counts), dict(counts)
        for index in moving:
            if self.migrations[index].target in most:
                most[self.migrations[index].target] += 1
            if self.migrations[index].source in least:
                least[self.migrations[index].source] -= 1
        for high in sorted(reachable):
            for low in sorted(reachable - {high}):
                if not {high, low} & touched or most[high] - least[low] <= allowed:
                    continue
                gains, reliefs = self._shifts(moving, high, low)
                difference = counts[high] - counts[low] + self.worst(gains, reliefs)
                if difference > allowed + TOLERANCE:
                    yield f"rule {rule.name}: {high} can come to hold {difference:g} more than {low}"

    def _shut_out_of(self, guest: str) -> set[str]:
        """The hosts on which no strict rule lets the guest be."""
        shut: set[str] = set()
        for rule in self.rules:
            if rule.strict and guest in rule.guests and rule.source != "choice":
                if rule.kind == "host_anti_affinity":
                    shut.update(rule.hosts)
                elif rule.kind == "host_affinity":
                    shut.update(self.hosts.keys() - set(rule.hosts))
        return shut

    def _shifts(
        self, moving: Sequence[int], high: str, low: str
    ) -> tuple[dict[int, float], dict[int, float]]:
        gains: dict[int, float] = {}
        reliefs: dict[int, float] = {}
        for index in moving:
            move = self.migrations[index]
            value = (
                (move.target == high) - (move.source == high) + (move.source == low) - (move.target == low)
            )
            if value:
                (gains if value > 0 else reliefs)[index] = float(abs(value))
        return gains, reliefs

    def _affinity_defects(self, rule: Rule, members: Sequence[str]) -> Iterable[str]:
        """Partners that were together may be parted only on their way from one host to one other, and again
        from there."""
        first = [self._home(guest) for guest in members]
        last = [
            self.migrations[self.steps_of[guest][-1]].target if guest in self.steps_of else self._home(guest)
            for guest in members
        ]
        apart_before = len(first) - max(first.count(host) for host in first)
        apart_after = len(last) - max(last.count(host) for host in last)
        if apart_after > apart_before:
            yield f"rule {rule.name}: its guests end up further apart"
        elif apart_before == 0 and len(members) > 1:
            yield from self._parted_defects(rule, [self.steps_of.get(guest, []) for guest in members])

    def _parted_defects(self, rule: Rule, ways: Sequence[Sequence[int]]) -> Iterable[str]:
        """Partners go over the same hosts, and on from one only when all of them are there."""
        if len({tuple(self.migrations[index].target for index in way) for way in ways}) > 1:
            yield f"rule {rule.name}: its guests take different ways"
            return
        for stage, following in pairwise(zip(*ways, strict=True)):
            if not all(self._precedes(one, other) for one in stage for other in following):
                yield f"rule {rule.name}: one of its guests can go on before all are together again"


def _size_of(guest: Guest, need: str, hosts: Mapping[str, Host]) -> float:
    if guest.power not in HOLDING:
        return 0.0
    if need == "guests":
        return 1.0
    kind, _space, name = need.rpartition(" ")
    if kind == "assigned":
        return guest.assigned.get(name) or 0.0
    if kind == "datastore":
        place = hosts[guest.host].datastores.get(name)
        own = place is not None and not place.shared
        return float(sum(disk.size or 0 for disk in guest.disks if disk.datastore == name)) if own else 0.0
    used = guest.used.get(need)
    return (guest.assigned.get(need) if used is None else used) or 0.0
