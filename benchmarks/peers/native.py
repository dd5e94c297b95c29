# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the built-in balancer of Proxmox VE (HA's automatic rebalance, 9.2) with plans of Even Keel:

    .venv/bin/python benchmarks/peers/native.py [--markdown] [SNAPSHOT.json ...]

Without a snapshot it compares generated clusters. It follows the published rule: the load of a node is the
mean of its CPU and memory in use, as shares; the imbalance is the standard deviation of the loads divided by
their mean, as a share of its maximum. Above the threshold for some rounds in a row, one guest, or one group
that is kept together, moves to the node that leaves the least imbalance, if that is lower by the margin. Then
the balancer waits until the guest has arrived, and the count of rounds restarts.

All guests count as HA resources. Features that HA does not have are left out on both sides: other kinds of
rules, rules that are preferences, guests that can't be migrated.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from ansible_collections.evenkeel.cluster.benchmarks.peers import report
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Host, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

ROUND_SECONDS: Final = 10
# Weights of the TOPSIS method: mean and highest CPU, mean and highest memory; less is better in each.
WEIGHTS: Final = tuple(weight / 18 for weight in (1, 2, 5, 10))
# Digits of the imbalance that count; what differs less is equal, and the names decide.
DIGITS: Final = 12
KINDS: Final = ("affinity", "anti_affinity", "host_affinity")
SPREAD: Final = 20
COMMON: Final = Shape(skew=12.0, broken=0.0, fixed=0.0)
CLUSTERS: Final = (
    replace(COMMON, hosts=3, guests=24, seed=4, fill=0.5),
    replace(COMMON, hosts=4, guests=60, seed=6, fill=0.4),
    replace(COMMON, hosts=8, guests=120, seed=1, fill=0.5),
    replace(COMMON, hosts=8, guests=200, seed=2, fill=0.5),
    replace(COMMON, hosts=8, guests=200, seed=7, fill=0.5, mixed=True),
    replace(COMMON, hosts=16, guests=500, seed=3, fill=0.5),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The datacenter's crs options, with the defaults of 9.2.

    scaled: the imbalance is a share of its maximum. Versions before 9.2 do not scale it.
    """

    threshold: float = 0.3
    margin: float = 0.1
    hold_rounds: int = 3
    method: Literal["bruteforce", "topsis"] = "bruteforce"
    load: Literal["dynamic", "static"] = "dynamic"
    scaled: bool = True

    @classmethod
    def of(cls, crs: Mapping[str, Any], *, scaled: bool = True) -> Settings:
        """Returns settings from the crs options of a datacenter; threshold and margin may be shares or
        percent.
        """
        name, usual = "ha-auto-rebalance", cls()
        return cls(
            threshold=_share(crs.get(f"{name}-threshold", usual.threshold)),
            margin=_share(crs.get(f"{name}-margin", usual.margin)),
            hold_rounds=int(crs.get(f"{name}-hold-duration", usual.hold_rounds)),
            method="topsis" if crs.get(f"{name}-method") == "topsis" else "bruteforce",
            load="static" if crs.get("ha") == "static" else "dynamic",
            scaled=scaled,
        )


def _share(value: object) -> float:
    number = float(str(value))
    return number / 100 if number > 1 else number


@dataclass(frozen=True, slots=True)
class Move:
    """Guests that go from one node to another together, the first by name leading."""

    guests: tuple[str, ...]
    source: str
    target: str
    imbalance: float


@dataclass(frozen=True, slots=True)
class Run:
    """All moves until the balancer rests, in order; one move at a time."""

    moves: tuple[Move, ...]
    before: float
    after: float

    @property
    def migrations(self) -> int:
        return sum(len(move.guests) for move in self.moves)


@dataclass(frozen=True, slots=True)
class Load:
    """The use of a node or a group of guests."""

    cpu: float
    memory: float

    def plus(self, other: Load, sign: int = 1) -> Load:
        return Load(max(0.0, self.cpu + sign * other.cpu), max(0.0, self.memory + sign * other.memory))


class Cluster:
    """The hosts of the guests while the balancer moves them."""

    def __init__(self, snapshot: Snapshot, settings: Settings) -> None:
        self.settings = settings
        self.hosts = {host.id: host for host in snapshot.hosts if host.status == "online"}
        self.guests = {guest.id: guest for guest in snapshot.guests if guest.power == "running"}
        self.places = {guest.id: guest.host for guest in self.guests.values()}
        self.rules = [rule for rule in snapshot.rules if rule.strict and rule.kind in KINDS]
        self.usable = [
            host.id for host in self.hosts.values() if not host.maintenance and host.capacity.get("memory")
        ]
        self.together = self._groups()
        self.loads = {host: self._load_of(self.hosts[host]) for host in self.usable}

    def _load_of(self, host: Host) -> Load:
        if self.settings.load == "dynamic":
            return Load(host.used.get("cpu") or 0.0, host.used.get("memory") or 0.0)
        here = [guest for guest in self.guests.values() if guest.host == host.id]
        return self.load([guest.id for guest in here])

    def load(self, guests: Sequence[str]) -> Load:
        """Returns the total use of these guests."""
        parts = [self._weights(self.guests[guest]) for guest in guests]
        return Load(
            sum(part.get("cpu") or 0.0 for part in parts), sum(part.get("memory") or 0.0 for part in parts)
        )

    def _weights(self, guest: Guest) -> Mapping[str, float | None]:
        return guest.used if self.settings.load == "dynamic" else guest.assigned

    def _groups(self) -> dict[str, frozenset[str]]:
        """Returns for each guest the group that is kept together; rules that share a guest form one group."""
        groups = {guest: frozenset({guest}) for guest in self.guests}
        for rule in self.rules:
            if rule.kind != "affinity":
                continue
            whole = frozenset().union(*(groups[guest] for guest in rule.guests if guest in groups))
            groups.update(dict.fromkeys(whole, whole))
        return groups

    def allowed(self, group: Sequence[str]) -> list[str]:
        """Returns the hosts that the rules of a group allow, by name."""
        members = set(group)
        targets = set(self.usable)
        for rule in self.rules:
            if not members & set(rule.guests):
                continue
            if rule.kind == "host_affinity":
                targets &= set(rule.hosts)
            elif rule.kind == "anti_affinity":
                targets -= {self.places[g] for g in rule.guests if g in self.places and g not in members}
        return sorted(targets)

    def candidates(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Yields every move that the rules allow: group, source, target. Free memory is not checked."""
        for leader in sorted(self.guests):
            group = tuple(sorted(self.together[leader]))
            if group[0] != leader or not all(self.guests[guest].migratable for guest in group):
                continue
            places = {self.places[guest] for guest in group}
            source = self.places[leader]
            if len(places) > 1 or source not in self.loads:
                continue
            for target in self.allowed(group):
                if target != source:
                    yield group, source, target

    def share(self, host: str, load: Load) -> tuple[float, float]:
        capacity = self.hosts[host].capacity
        return load.cpu / (capacity.get("cpu") or 1.0), load.memory / (capacity.get("memory") or 1.0)

    def imbalance(self, changed: Mapping[str, Load] | None = None) -> float:
        """Returns 0 if all nodes are equal, 1 if all but one are idle; not above 1 if it is scaled."""
        loads = {**self.loads, **(changed or {})}
        values = [sum(self.share(host, load)) / 2 for host, load in loads.items()]
        if len(values) < 2 or not sum(values):
            return 0.0
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        return deviation / mean / (math.sqrt(len(values) - 1) if self.settings.scaled else 1.0)

    def changed(self, group: Sequence[str], source: str, target: str) -> dict[str, Load]:
        """Returns the loads of both nodes after a move."""
        load = self.load(group)
        return {source: self.loads[source].plus(load, -1), target: self.loads[target].plus(load)}

    def best(self) -> Move | None:
        """Returns the next move of the balancer, regardless of threshold and margin."""
        moves = list(self.candidates())
        if not moves:
            return None
        if self.settings.method == "topsis":
            found = moves[_closest([self._criteria(self.changed(*move)) for move in moves])]
            return Move(*found, imbalance=self.imbalance(self.changed(*found)))
        scored = [
            (_cut(self.imbalance(self.changed(*move))), move[0][0], move[1], move[2], move) for move in moves
        ]
        imbalance, *_names, found = min(scored)
        return Move(*found, imbalance=imbalance)

    def _criteria(self, changed: Mapping[str, Load]) -> tuple[float, float, float, float]:
        """Mean (by squares) and highest share of CPU, then of memory, plus one each."""
        shares = [self.share(host, load) for host, load in {**self.loads, **changed}.items()]
        result = []
        for values in zip(*shares, strict=True):
            result += [1 + math.sqrt(sum(value**2 for value in values) / len(values)), 1 + max(values)]
        return result[0], result[1], result[2], result[3]

    def make(self, move: Move) -> None:
        self.loads.update(self.changed(move.guests, move.source, move.target))
        self.places.update(dict.fromkeys(move.guests, move.target))


def _cut(value: float) -> float:
    """Returns the number without the digits that depend on the order of a sum."""
    return math.trunc(value * 10**DIGITS) / 10**DIGITS


def _closest(rows: Sequence[Sequence[float]]) -> int:
    """TOPSIS: returns the row that is nearest to the best of every column and farthest from the worst."""
    sizes = [math.sqrt(sum(value**2 for value in column)) or 1.0 for column in zip(*rows, strict=True)]
    scaled = [
        [weight * value / size for value, size, weight in zip(row, sizes, WEIGHTS, strict=True)]
        for row in rows
    ]
    columns = list(zip(*scaled, strict=True))
    best, worst = [min(column) for column in columns], [max(column) for column in columns]

    def score(row: Sequence[float]) -> float:
        good, bad = math.dist(row, best), math.dist(row, worst)
        return bad / (good + bad) if good + bad else 0.0

    scores = [score(row) for row in scaled]
    return scores.index(max(scores))


def balance(snapshot: Snapshot, settings: Settings | None = None, most: int = 1000) -> Run:
    """Runs the balancer until it rests, with constant loads."""
    settings = settings or Settings()
    cluster = Cluster(snapshot, settings)
    before = now = cluster.imbalance()
    moves: list[Move] = []
    while now > settings.threshold and len(moves) < most:
        move = cluster.best()
        # Where nothing gets better it would go on for ever with a margin of 0.
        if move is None or move.imbalance >= _cut(now) or now - move.imbalance < settings.margin * now:
            break
        cluster.make(move)
        moves.append(move)
        now = cluster.imbalance()
    return Run(tuple(moves), before, now)


def seconds(snapshot: Snapshot, run: Run, settings: Settings, bandwidth: float) -> float:
    """Returns the seconds of the moves one after the other: the rounds before each, and the memory copies."""
    memory = {guest.id: guest.used.get("memory") or 0.0 for guest in snapshot.guests}
    copied = sum(memory[guest] for move in run.moves for guest in move.guests)
    return len(run.moves) * settings.hold_rounds * ROUND_SECONDS + copied / bandwidth


def comparable(snapshot: Snapshot) -> Snapshot:
    """Returns the cluster with the features of HA: strict rules of its kinds."""
    return replace(
        snapshot, rules=tuple(rule for rule in snapshot.rules if rule.strict and rule.kind in KINDS)
    )


def spread(snapshot: Snapshot, places: Mapping[str, str] | None = None) -> float:
    """Returns the points between the fullest and the emptiest host, of CPU or memory, whichever is larger."""
    moved = places or {}
    widest = 0.0
    for resource in ("cpu", "memory"):
        used = {host.id: host.used.get(resource) or 0.0 for host in snapshot.hosts}
        for guest in snapshot.guests:
            if guest.id in moved:
                used[guest.host] -= guest.used.get(resource) or 0.0
                used[moved[guest.id]] += guest.used.get(resource) or 0.0
        shares = [100 * used[host.id] / (host.capacity[resource] or 1) for host in snapshot.hosts]
        widest = max(widest, max(shares) - min(shares))
    return widest


@dataclass(frozen=True, slots=True)
class Beside:
    """Both balancers on one cluster."""

    name: str
    before: float
    defaults: Run
    defaults_spread: float
    forced: Run
    forced_spread: float
    forced_seconds: float
    until: int | None
    ours: Plan
    ours_spread: float


def beside(name: str, snapshot: Snapshot) -> Beside:
    """Returns the balancer with its defaults, the balancer that continues while any move is an improvement,
    and a plan.

    until: migrations after which the balancer that continues is first within the band of the plan.
    """
    known = comparable(snapshot)
    policy = Policy.from_json({"metrics": ["cpu", "memory"], "max_spread": SPREAD})
    ours = plan(known, policy)
    onward = Settings(threshold=0.0, margin=0.0)
    defaults, forced = balance(known), balance(known, onward)
    places: dict[str, str] = {}
    count, until = 0, 0 if spread(known) <= SPREAD else None
    for move in forced.moves:
        places.update(dict.fromkeys(move.guests, move.target))
        count += len(move.guests)
        if until is None and spread(known, places) <= SPREAD:
            until = count
    first = {guest: move.target for move in defaults.moves for guest in move.guests}
    return Beside(
        name=name,
        before=spread(known),
        defaults=defaults,
        defaults_spread=spread(known, first),
        forced=forced,
        forced_spread=spread(known, places),
        forced_seconds=seconds(known, forced, onward, policy.migration_bandwidth),
        until=until,
        ours=ours,
        ours_spread=spread(snapshot_after(known, ours)),
    )


def lines(found: Sequence[Beside]) -> str:
    """Returns a table with one row for each cluster."""
    text = [
        f"| cluster | spread | imbalance | with its defaults | until it rests | until {SPREAD} points "
        "| Even Keel |",
        "|---|---|---|---|---|---|---|",
    ]
    text += [
        f"| {row.name} | {row.before:.0f} | {row.defaults.before:.2f} "
        f"| {_ending(row.defaults.migrations, row.defaults_spread)} "
        f"| {_ending(row.forced.migrations, row.forced_spread, row.forced_seconds)} "
        f"| {'never' if row.until is None else report.migrations(row.until)} "
        f"| {_ending(len(row.ours.migrations), row.ours_spread, row.ours.proof.seconds)} |"
        for row in found
    ]
    return "\n".join(text) + "\n"


def _ending(migrations: int, points: float, takes: float = 0.0) -> str:
    minutes = f", {takes / 60:.0f} minutes" if takes else ""
    return f"{report.migrations(migrations)}, spread {points:.0f}{minutes}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "snapshots", nargs="*", type=Path, metavar="SNAPSHOT", help="as cluster_facts wrote it"
    )
    parser.add_argument("--markdown", action="store_true", help="replace the table in docs/peers.md")
    asked = parser.parse_args()
    given = [(path.stem, Snapshot.from_json(json.loads(path.read_text()))) for path in asked.snapshots]
    clusters = given or [
        (f"{shape.hosts} × {shape.guests}{', hosts of three sizes' if shape.mixed else ''}", generate(shape))
        for shape in CLUSTERS
    ]
    table = lines([beside(name, snapshot) for name, snapshot in clusters])
    print(table, end="")
    if asked.markdown:
        report.write("native", table)


if __name__ == "__main__":
    main()
