# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries disk moves out on paper, in an order that `after` allows, and looks at every moment in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import DiskMove, StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.latency import (
    io_per_millisecond,
    latency_after,
)

Place = str


def paper_end(snapshot: Snapshot, plan: StoragePlan) -> Snapshot:
    """The snapshot after the plan. A datastore is as slow as its I/O makes it, as the planner estimates."""
    moves = [MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in plan.moves]
    end = snapshot_after_disk_moves(snapshot, moves)
    amounts = io_per_millisecond(snapshot.datastores)
    first = {place.id: (place, amount) for place, amount in zip(snapshot.datastores, amounts, strict=True)}
    places = []
    for place in end.datastores:
        old, amount = first[place.id]
        latency = old.latency if amount is None else latency_after(old, place.disk_io or 0.0, amount)
        places.append(replace(place, latency=latency))
    return replace(end, datastores=tuple(places))


class Replay:
    """Bytes on every datastore, and who is where, while moves start and end."""

    def __init__(
        self, snapshot: Snapshot, storage: StoragePolicy, rules: Sequence[StorageRule], plan: StoragePlan
    ) -> None:
        self.storage, self.plan = storage, plan
        self.rules = [rule for rule in rules if rule.strict and rule.kind == "anti_affinity"]
        self.guests = {guest.id: guest for guest in snapshot.guests}
        self.stores = {place.id: place for place in snapshot.datastores}
        names = {(host, place.name): place.id for place in snapshot.datastores for host in place.hosts}
        self.where = {
            (guest.id, disk.id): {names[guest.host, disk.datastore]}
            for guest in snapshot.guests
            for disk in guest.disks
        }
        self.home = {key: next(iter(places)) for key, places in self.where.items()}
        self.load = {name: place.used or 0 for name, place in plan.before.datastores.items()}
        self.held = [rule for rule in self.rules if not self.meeting(rule)]
        self.found: list[str] = []

    def start(self, move: DiskMove) -> None:
        for disk in self._disks(move):
            key = (move.guest.id, disk.id)
            if self.where[key] != {move.source}:
                self.found.append(f"step {move.step}: {key} is on {self.where[key]}")
            self.where[key] = {move.source, move.target}
            if self.storage.platform_rules and disk.targets is not None and move.target not in disk.targets:
                self.found.append(f"step {move.step}: {move.target} violates policy {disk.storage_policy}")
            self.load[move.target] += self._room(disk, move.target)
        place = self.stores[move.target]
        capacity = place.capacity or 0
        limit = min(capacity * self.storage.utilisation / 100, capacity - self.storage.reserve)
        if self.load[move.target] > limit:
            self.found.append(f"step {move.step}: {move.target} comes to {self.load[move.target]} of {limit}")
        for rule in self.held:
            if self.meeting(rule):
                self.found.append(f"step {move.step}: rule {rule.name} is broken meanwhile")

    def end(self, move: DiskMove) -> None:
        for disk in self._disks(move):
            key = (move.guest.id, disk.id)
            self.where[key] = {move.target}
            if self.home[key] == move.source:
                if disk.used is not None or disk.thin is False:
                    used = disk.size or 0 if disk.used is None else disk.used
                    self.load[move.source] -= used + self._growth(disk, used)
            else:
                self.load[move.source] -= self._room(disk, move.source)

    def meeting(self, rule: StorageRule) -> bool:
        """Whether two that are to be apart are on one datastore, be it with a copy only."""
        at: dict[Place, set[str]] = {}
        own = len(rule.guests) == 1
        for (guest, disk), places in self.where.items():
            if guest in rule.guests and (not own or not rule.disks or disk in rule.disks):
                for place in places:
                    at.setdefault(place, set()).add(str(disk) if own else guest)
        return any(len(members) > 1 for members in at.values())

    def _disks(self, move: DiskMove) -> list[Disk]:
        return [disk for disk in self.guests[move.guest.id].disks if disk.id in move.disks]

    def _growth(self, disk: Disk, used: int) -> int:
        if disk.thin is False:
            return 0
        return -int(-max(0, (disk.size or 0) - used) * self.storage.growth // 100)

    def _room(self, disk: Disk, target: str) -> int:
        thin = self.stores[target].thin and disk.thin is not False and not disk.copied_whole
        if thin and disk.used is not None:
            return disk.used + self._growth(disk, disk.used)
        return max(disk.size or 0, disk.used or 0)


def random_defects(
    snapshot: Snapshot,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    plan: StoragePlan,
    rng: Random,
) -> list[str]:
    """What goes wrong in one random execution."""
    run = Replay(snapshot, storage, rules, plan)
    running: list[DiskMove] = []
    waiting, ended = list(plan.moves), set[int]()
    while waiting or running:
        ready = [move for move in waiting if set(move.after) <= ended]
        if ready and (not running or rng.random() < 0.7):
            move = rng.choice(ready)
            waiting.remove(move)
            running.append(move)
            run.start(move)
        elif running:
            move = running.pop(rng.randrange(len(running)))
            run.end(move)
            ended.add(move.step)
        else:
            return [*run.found, "nothing can start"]
    return run.found


def every_defect(
    snapshot: Snapshot, storage: StoragePolicy, rules: Sequence[StorageRule], plan: StoragePlan
) -> set[str]:
    """What goes wrong in any execution at all: for few moves."""
    found: set[str] = set()
    for sequence in _sequences(plan.moves, frozenset(), frozenset()):
        run = Replay(snapshot, storage, rules, plan)
        for move, starts in sequence:
            if starts:
                run.start(move)
            else:
                run.end(move)
        found.update(run.found)
    return found


def _sequences(
    moves: Sequence[DiskMove], started: frozenset[int], ended: frozenset[int]
) -> Iterator[list[tuple[DiskMove, bool]]]:
    """Every order of starts and ends that is allowed."""
    if len(ended) == len(moves):
        yield []
        return
    for move in moves:
        if move.step not in started and set(move.after) <= ended:
            for rest in _sequences(moves, started | {move.step}, ended):
                yield [(move, True), *rest]
        elif move.step in started and move.step not in ended:
            for rest in _sequences(moves, started, ended | {move.step}):
                yield [(move, False), *rest]
