# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity that is left while guests are placed, and the cost of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from ..._model.placement_request import Strategy, WantedDevice
from ..model.capacity import GUESTS, Resource
from ..model.rule_counters import RuleCounter
from ..tolerances import AMOUNT
from .cluster_index import ClusterIndex
from .datastores import Stores, like
from .failover_reserve import FailoverReserve
from .feasibility import Reason
from .problem import PlacementProblem, Unit

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a unit is: its host, a datastore for each of its disks, and how many it took of which devices."""

    host: int
    datastores: tuple[str, ...]
    devices: tuple[tuple[str, int], ...]


class PlacementSolution:
    """Hosts with what was placed so far. Nothing is searched for here; `put` and `take` undo each other."""

    def __init__(self, task: PlacementProblem, strategy: Strategy, spare: int) -> None:
        self.task, self.strategy = task, strategy
        cluster = task.cluster
        self.cluster: ClusterIndex = cluster
        self.need = [list(vector) for vector in cluster.need]
        self.ceiling = [tuple(top * (1 + AMOUNT) for top in tops) for tops in cluster.ceiling]
        self.points = [list(vector) for vector in cluster.points]
        self.counts = [RuleCounter(group, dict(at)) for group, at in zip(task.groups, task.at, strict=True)]
        self.stores = Stores(cluster.index, task.bindings, cluster.storage_policies)
        self.devices = [{kind: found.free for kind, found in host.devices.items()} for host in cluster.hosts]
        self.on: list[set[int]] = [set() for _host in cluster.hosts]
        self.seats: dict[int, Assignment] = {}
        self.spare = FailoverReserve(cluster, spare) if spare else None
        # By metric: where all hosts would be if they were one and everything was placed already.
        self.level = self._level()
        self.squares = [
            sum((self.points[host][index] - level) ** 2 for host in cluster.counted[index])
            for index, level in enumerate(self.level)
        ]

    def _level(self) -> list[float]:
        cluster = self.cluster
        result = []
        for index, counted in enumerate(cluster.counted):
            size = sum(1.0 / cluster.scale[host][index] for host in counted)
            load = sum(self.points[host][index] / cluster.scale[host][index] for host in counted)
            load += sum(unit.load[index] for unit in self.task.units)
            result.append(load / size if size else 0.0)
        return result

    def obstacle(self, number: int, host: int) -> str | None:
        """In a word what keeps a unit from a host that is open to it; None where it fits."""
        unit = self.task.units[number]
        if unit.foes and not unit.foes.isdisjoint(self.on[host]):
            return "anti-affinity"
        for group, many in unit.groups:
            if not self.counts[group].allows(host, many):
                return "even spread" if self.counts[group].group.kind == "even" else "anti-affinity"
        for have, more, top in zip(self.need[host], unit.need, self.ceiling[host]):
            if have + more > top and more > 0:
                return self._short(unit, host)
        if unit.devices and self._devices(unit.devices, host) is None:
            return "devices"
        if unit.disks and self.stores.choose(host, unit.disks) is None:
            return "storage"
        if self.spare is not None and not self.spare.allows(unit):
            return "spare"
        return None

    def _short(self, unit: Unit, host: int) -> str:
        """The need that runs out first."""
        amounts = zip(self.need[host], unit.need, self.ceiling[host], strict=True)
        return next(
            self.word(index)
            for index, (have, more, top) in enumerate(amounts)
            if have + more > top and more > 0
        )

    def word(self, need: int) -> str:
        """The name of a need in refusals."""
        resource = self.cluster.resources[need]
        return f"{resource.name} overcommitment" if resource.kind == "assigned" else resource.name

    def because(self, number: int, host: int) -> Reason | None:
        """Why a unit can't be on a host, in a word and in full; None where it can."""
        unit = self.task.units[number]
        reason = unit.unfit[host]
        if reason is not None:
            return reason
        word = self.obstacle(number, host)
        return None if word is None else (word, self._detail(unit, host, word))

    def _detail(self, unit: Unit, host: int, word: str) -> str:
        for index, resource in enumerate(self.cluster.resources):
            if self.word(index) == word:
                free = self.ceiling[host][index] - self.need[host][index]
                wants, has = _amount(resource, unit.need[index]), _amount(resource, max(0.0, free))
                return f"{wants} wanted, {has} left within its limit"
        if word == "storage":
            why = self.stores.in_the_way(host, unit.disks)
            if why:
                return f"no datastore that suits {why} has room"
            wanted, most = (
                sum(disk.size for disk in unit.disks.disks),
                self.stores.most_free(host, unit.disks),
            )
            within = "" if self.cluster.policy.storage is None else " within the limits of storage"
            return f"{wanted / GIB:.1f} GiB wanted, {most / GIB:.1f} GiB free at most{within}"
        if word == "devices":
            return "others have them"
        if word == "spare":
            return "what is left is kept for the guests of hosts that fail"
        if word == "even spread":
            return "other hosts have fewer of its group"
        return "a guest that it must not meet is there"

    def _devices(self, wanted: Sequence[WantedDevice], host: int) -> tuple[tuple[str, int], ...] | None:
        """Which devices of a host a unit would take; None where there are too few."""
        free = dict(self.devices[host])
        taken: list[tuple[str, int]] = []
        # What says exactly which kind it wants chooses before a pattern does.
        for device in sorted(wanted, key=lambda item: (item.kind not in free, item.kind)):
            left = device.count
            for kind in sorted(free):
                some = min(left, free[kind]) if like(kind, device.kind) else 0
                if some:
                    free[kind] -= some
                    left -= some
                    taken.append((kind, some))
            if left:
                return None
        return tuple(taken)

    def insert(self, number: int, host: int) -> Assignment:
        """Place a unit where `obstacle` has found none."""
        unit = self.task.units[number]
        seat = Assignment(
            host=host,
            datastores=self.stores.choose(host, unit.disks) or (),
            devices=self._devices(unit.devices, host) or (),
        )
        self.seats[number] = seat
        self.on[host].add(number)
        self._change(unit, seat, 1)
        return seat

    def remove(self, number: int) -> None:
        seat = self.seats.pop(number)
        self.on[seat.host].discard(number)
        self._change(self.task.units[number], seat, -1)

    def _change(self, unit: Unit, seat: Assignment, sign: int) -> None:
        host = seat.host
        need, points, scale = self.need[host], self.points[host], self.cluster.scale[host]
        for index, part in enumerate(unit.need):
            need[index] += sign * part
        for index, part in enumerate(unit.load):
            before = points[index]
            points[index] = before + sign * part * scale[index]
            if scale[index]:
                level = self.level[index]
                self.squares[index] += (points[index] - level) ** 2 - (before - level) ** 2
        for group, many in unit.groups:
            self.counts[group].add(host, sign * many)
        for kind, some in seat.devices:
            self.devices[host][kind] -= sign * some
        self.stores.take(host, unit.disks, seat.datastores, sign)
        if self.spare is not None:
            self.spare.take(unit, sign)

    def wishes(self, number: int, host: int) -> float:
        """The additional distance of soft rules from holding with a unit there."""
        total = 0.0
        for group, many in self.task.units[number].groups:
            counts = self.counts[group]
            if not counts.group.strict:
                before = counts.weighted
                counts.add(host, many)
                total += counts.weighted - before
                counts.add(host, -many)
        return total

    @property
    def unevenness(self) -> float:
        """The figure that strategy spread minimises, as the hosts are now."""
        return sum(
            sqrt(max(0.0, square) / len(counted))
            for square, counted in zip(self.squares, self.cluster.counted, strict=True)
        )

    def score(self, unit: Unit, host: int) -> float:
        """The cost of a place, in points, the lower the better.

        spread: the sum over the metrics of the standard deviation from level. least_loaded: the fullest
        metric of the host. pack: what stays free of it, on average.
        """
        points, scale = self.points[host], self.cluster.scale[host]
        if self.strategy == "spread":
            total = 0.0
            for index, part in enumerate(unit.load):
                more = part * scale[index]
                square = self.squares[index] + more * (2.0 * (points[index] - self.level[index]) + more)
                total += sqrt(square / len(self.cluster.counted[index])) if square > 0.0 else 0.0
            return total
        after = [have + part * by for have, part, by in zip(points, unit.load, scale, strict=True)]
        if not after:
            return 0.0
        return max(after) if self.strategy == "least_loaded" else 100.0 - sum(after) / len(after)


def _amount(resource: Resource, value: float) -> str:
    if resource.name == "memory":
        return f"{value / GIB:.1f} GiB"
    if resource == GUESTS:
        many = round(value)
        return f"{many} guest{'' if many == 1 else 's'}"
    return f"{value:.4g} cores"
