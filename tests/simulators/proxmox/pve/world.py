# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster in memory, its clock, and what is due to happen.

Nothing runs in the background: events wait in a heap, and every request first lets those happen that are due,
in their order and at their own moments. Nobody can tell the difference, and a test can bring its own clock.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from .errors import died
from .faults import Switches
from .ha import HaState
from .state import Change, Guest, Node, Storage
from .tasks import TaskBook

Action = Callable[[float], None]


@dataclass(slots=True)
class Move:
    """A migration under way: both ends hold the guest's memory."""

    guest: Guest
    source: str
    target: str
    started: float
    ends: float
    change: Change
    fail: Callable[[float, str, str], None]
    lose: Callable[[float], None]
    """The node that runs it is gone: nobody ends its task, and nothing is cleaned up."""

    def progress(self, now: float) -> float:
        span = self.ends - self.started
        return 1.0 if span <= 0 else min(max((now - self.started) / span, 0.0), 1.0)


class DiskMove(Protocol):
    """A move of a disk under way, which holds the configuration of its guest."""

    guest: Guest

    def lose(self, moment: float) -> None:
        """The node that runs it is gone."""


@dataclass
class World:
    """Everything that the API shows. Use it only with `lock` held."""

    name: str
    version: str
    nodes: dict[str, Node]
    guests: dict[int, Guest]
    """Those too whose node was removed from the cluster."""
    storages: dict[str, Storage]
    ha: HaState
    switches: Switches
    clock: Callable[[], float]
    tasks: TaskBook
    lock: threading.RLock = field(default_factory=threading.RLock)
    moves: dict[int, Move] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    disk_moves: dict[int, DiskMove] = field(default_factory=dict)
    disk_changes: list[Change] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    peak_memory: dict[str, int] = field(default_factory=dict)
    node_history: dict[str, list[tuple[float, Load]]] = field(default_factory=dict)
    """Since when a node has had which load, oldest first."""
    _events: list[tuple[float, int, Action]] = field(default_factory=list)
    _sequence: Iterator[int] = field(default_factory=itertools.count)

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def release(self) -> str:
        return ".".join(self.version.split(".")[:2])

    def major_of(self, node: str) -> int:
        """The major version that runs on a node: while a cluster is upgraded they differ."""
        own = self.nodes[node].version.partition(".")[0] if node in self.nodes else ""
        return int(own) if own.isdigit() else self.major

    @property
    def local_node(self) -> str:
        """The node whose daemon answers: the first that is up."""
        return next((node.name for node in self.nodes.values() if node.online), next(iter(self.nodes)))

    @property
    def quorate(self) -> bool:
        """More than half of the nodes see each other, and no switch says otherwise."""
        online = sum(node.online for node in self.nodes.values())
        return self.switches.quorate and online * 2 > len(self.nodes)

    def at(self, moment: float, action: Action) -> None:
        heapq.heappush(self._events, (moment, next(self._sequence), action))

    def advance(self) -> float:
        """Let happen what is due, and return the present moment."""
        now = self.clock()
        while self._events and self._events[0][0] <= now:
            moment, _, action = heapq.heappop(self._events)
            action(moment)
        return now

    def guest_on(self, node: str, kind: str, vmid: int) -> Guest:
        """The guest whose configuration lies on this node."""
        guest = self.guests.get(vmid)
        if guest is None or guest.kind != kind or guest.node != node:
            folder = "qemu-server" if kind == "qemu" else "lxc"
            raise died(f"Configuration file 'nodes/{node}/{folder}/{vmid}.conf' does not exist")
        return guest

    def demand_quorum(self) -> None:
        if not self.quorate:
            raise died("cluster not ready - no quorum?")

    def demand_node(self, name: str) -> Node:
        if name not in self.nodes:
            raise died(f"no such cluster node '{name}'")
        return self.nodes[name]

    def node_loads(self, now: float) -> dict[str, Load]:
        """The load of every node: its own, its guests', and what has arrived of those on their way to it."""
        sums = {name: [0.0, 0, 0.0, 0.0] for name in self.nodes}
        for guest in self.guests.values():
            if guest.running and guest.node in sums:
                total, load = sums[guest.node], guest.load
                total[0] += load.cpu or 0.0
                total[1] += load.memory or 0
                total[2] += load.network_io or 0.0
                total[3] += load.disk_io or 0.0
        for move in self.moves.values():
            if move.guest.running:
                sums[move.target][1] += int((move.guest.load.memory or 0) * move.progress(now))
        return {
            name: node.own.plus(
                Load(sums[name][0], int(sums[name][1]), sums[name][2], sums[name][3])
            ).at_least_nothing()
            for name, node in self.nodes.items()
        }

    def note_peak(self, *names: str) -> None:
        """Remember the most memory these nodes ever held, a migrating guest counted in full at both ends."""
        held = {name: self.nodes[name].own.memory or 0 for name in names}
        for guest in self.guests.values():
            if guest.node in held:
                held[guest.node] += guest.present_load.memory or 0
        for move in self.moves.values():
            if move.target in held:
                held[move.target] += move.guest.present_load.memory or 0
        for name, memory in held.items():
            self.peak_memory[name] = max(self.peak_memory.get(name, 0), memory)

    def remember(self, now: float) -> None:
        """Note what every node's load is from now on."""
        for name, load in self.node_loads(now).items():
            self.node_history.setdefault(name, []).append((now, load))

    def reported(self, name: str, now: float) -> bool:
        """Whether the figures that a node reported last are still shown (fact 16)."""
        node = self.nodes.get(name)
        if node is None or name in self.switches.daemon_silent:
            return False
        return node.online or now - node.left < self.switches.stale_seconds

    def remove_node(self, name: str) -> None:
        """Take a node out of the cluster; the guests on it keep their configurations."""
        del self.nodes[name]
        for storage in self.storages.values():
            storage.spaces.pop(name, None)

    def set_node_status(self, name: str, status: str, now: float) -> None:
        """A node goes or comes. Migrations to a node that goes fail; those from it are not heard of again
        until it is back, and finds that they were cut off.
        """
        if self.nodes[name].online and status != "online":
            self.nodes[name].left = now
        self.nodes[name].status = status
        if status == "online":
            for task in self.tasks.newest_first():
                if task.node == name and task.lost:
                    task.cut(now)
            return
        for move in list(self.moves.values()):
            if name == move.target:
                move.fail(
                    now, "online migrate failure - unable to reach the target node", "migration problems"
                )
            elif name == move.source:
                move.lose(now)
        for copy in list(self.disk_moves.values()):
            if copy.guest.node == name:
                copy.lose(now)


def node_own_load(used: Load, guests: Iterable[Guest]) -> Load:
    """What is left of a node's measured load without its guests."""
    rest = used
    for guest in guests:
        rest = rest.minus(guest.present_load)
    return rest
