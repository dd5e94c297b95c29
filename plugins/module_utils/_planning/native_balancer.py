# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves of the built-in balancer of Proxmox VE (HA's automatic rebalance, 9.2), by its published rule.

The load of a node is the mean of its CPU and memory in use, as shares; the imbalance is the standard
deviation of the loads divided by their mean, as a share of its maximum. Above the threshold for some rounds
in a row, one guest, or one group that is kept together, moves to the node that leaves the least imbalance, if
that is lower by the margin. Then the balancer waits until the guest has arrived, and the count of rounds
restarts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .._model.native_balancer import NativeBalancer
from .._model.snapshot import Guest, Host, Snapshot
from .._model.text.wording import listed

ROUND_SECONDS: Final = 10
# Weights of the TOPSIS method: mean and highest CPU, mean and highest memory; less is better in each.
WEIGHTS: Final = tuple(weight / 18 for weight in (1, 2, 5, 10))
# Digits of the imbalance that count; what differs less is equal, and the names decide.
DIGITS: Final = 12
# By how much a rough imbalance may be wrong.
ROUGH: Final = 1e-6
MAX_SHOWN: Final = 10
KINDS: Final = ("affinity", "anti_affinity", "host_affinity")


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

    @classmethod
    def from_native(cls, native: NativeBalancer) -> Settings:
        return cls(
            threshold=native.threshold,
            margin=native.margin,
            hold_rounds=native.hold_rounds,
            method=native.method,
            load="static" if native.scheduler == "static" else "dynamic",
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

    def __init__(
        self, snapshot: Snapshot, settings: Settings, movable: Collection[str] | None = None
    ) -> None:
        self.settings = settings
        self.hosts = {host.id: host for host in snapshot.hosts if host.status == "online"}
        self.guests = {
            guest.id: guest
            for guest in snapshot.guests
            if guest.power == "running" and (movable is None or guest.id in movable)
        }
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
        rough = self._rough_imbalances(moves)
        least = min(rough)
        scored = [
            (_cut(self.imbalance(self.changed(*move))), move[0][0], move[1], move[2], move)
            for move, value in zip(moves, rough, strict=True)
            if value <= least + ROUGH
        ]
        imbalance, *_names, found = min(scored)
        return Move(*found, imbalance=imbalance)

    def _rough_imbalances(self, moves: Sequence[tuple[tuple[str, ...], str, str]]) -> list[float]:
        """Returns the imbalance after each move, but for rounding: a move changes two terms of the sums."""
        values = {host: sum(self.share(host, load)) / 2 for host, load in self.loads.items()}
        count, total = len(values), sum(values.values())
        squares = sum(value**2 for value in values.values())
        scale = math.sqrt(count - 1) if self.settings.scaled else 1.0
        result = []
        for move in moves:
            ours, others = total, squares
            for host, load in self.changed(*move).items():
                value = sum(self.share(host, load)) / 2
                ours += value - values[host]
                others += value**2 - values[host] ** 2
            mean = ours / count
            result.append(math.sqrt(max(0.0, others / count - mean**2)) / mean / scale if mean else 0.0)
        return result

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


def balance(
    snapshot: Snapshot,
    settings: Settings | None = None,
    most: int = 1000,
    movable: Collection[str] | None = None,
) -> Run:
    """Runs the balancer until it rests, with constant loads. It may move the guests `movable`, or all."""
    settings = settings or Settings()
    cluster = Cluster(snapshot, settings, movable)
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


def native_notice(snapshot: Snapshot) -> str:
    """Returns what the platform's own balancer would do here, or an empty text if it has none."""
    native = snapshot.native_balancer
    if native is None:
        return ""
    settings = Settings.from_native(native)
    run = balance(snapshot, settings, MAX_SHOWN, native.guests)
    who = (
        f"The balancer of Proxmox VE (crs: ha={native.scheduler}, threshold {100 * native.threshold:g} %, "
        f"margin {100 * native.margin:g} %)"
    )
    state = "is on, and would" if native.enabled else "is off. If it were on, it would"
    return f"{who} {state} migrate {_would_migrate(snapshot, native, run)}"


def _would_migrate(snapshot: Snapshot, native: NativeBalancer, run: Run) -> str:
    if not native.guests:
        return "nothing: no guest is an HA resource that it may migrate"
    if run.before <= native.threshold:
        return f"nothing: the imbalance of {run.before:.2f} is not above its threshold"
    if not run.moves:
        return f"nothing: no migration lowers the imbalance of {run.before:.2f} by its margin"
    names = {host.id: host.name for host in snapshot.hosts}
    names.update({guest.id: guest.name for guest in snapshot.guests})
    moves = [
        f"{' and '.join(names[guest] for guest in move.guests)}"
        f" from {names[move.source]} to {names[move.target]}"
        for move in run.moves
    ]
    more = "at least " if len(run.moves) == MAX_SHOWN else ""
    count = f"{more}{run.migrations} of {len(native.guests)} HA guests, one at a time"
    return f"{count}: {listed(moves, MAX_SHOWN)}; imbalance {run.before:.2f} → {run.after:.2f}"
