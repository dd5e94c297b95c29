# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform in memory, its clock, and what is due to happen.

Nothing runs in the background: events wait in a heap, and every request first lets those happen that are due,
in their order and at their own moments.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from .errors import not_found
from .state import Change, Cluster, Node, Task, Vm
from .switches import Switches

Action = Callable[[float], None]
FIRST_CONSUL = 7000


@dataclass(slots=True)
class Move:
    """A migration under way: both ends hold the guest's memory."""

    vm: Vm
    target: int
    started: float
    ends: float
    fail: Callable[..., None]
    abandon: Callable[[], None]

    def progress(self, now: float) -> float:
        span = self.ends - self.started
        return 1.0 if span <= 0 else min(max((now - self.started) / span, 0.0), 1.0)


@dataclass
class World:
    """Everything that the API shows. Use it only with `lock` held."""

    clusters: dict[int, Cluster]
    nodes: dict[int, Node]
    vms: dict[int, Vm]
    switches: Switches
    clock: Callable[[], float]
    tasks: list[Task] = field(default_factory=list)
    moves: dict[int, Move] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    peak_memory: dict[int, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _orphans: dict[int, list[Task]] = field(default_factory=dict)
    _events: list[tuple[float, int, Action]] = field(default_factory=list)
    _sequence: Iterator[int] = field(default_factory=itertools.count)

    def at(self, moment: float, action: Action) -> None:
        heapq.heappush(self._events, (moment, next(self._sequence), action))

    def advance(self) -> float:
        """Let happen what is due, and return the present moment."""
        now = self.clock()
        while self._events and self._events[0][0] <= now:
            moment, _, action = heapq.heappop(self._events)
            action(moment)
        return now

    def told(self, moment: float) -> float:
        """A moment by the platform's own clock."""
        return moment + self.switches.skew_seconds

    def vm(self, number: int) -> Vm:
        if number not in self.vms:
            raise not_found("host", number)
        return self.vms[number]

    def add_task(
        self, name: str, vm: int, now: float, listed: float | None = None, *, node: int | None = None
    ) -> Task:
        number = len(self.tasks) + 1
        wait = self.switches.listing_seconds
        task = Task(
            id=number,
            consul=FIRST_CONSUL + number,
            name=name,
            vm=vm,
            created=now,
            listed=now + wait if listed is None else listed,
            node=node,
        )
        self.tasks.append(task)
        return task

    def listed_tasks(self, now: float) -> list[Task]:
        return [task for task in self.tasks if task.listed <= now]

    def unfinished(self, vm: int) -> Task | None:
        """What holds a guest, listed or not."""
        return next((task for task in reversed(self.tasks) if task.vm == vm and task.unfinished), None)

    def node_loads(self, now: float) -> dict[int, Load]:
        """The load of every node: its own, its guests', and what has arrived of those on their way to it."""
        result = {}
        for number, node in self.nodes.items():
            here = [vm.load for vm in self.vms.values() if vm.node == number and vm.running]
            arriving = sum(
                int((move.vm.load.memory or 0) * move.progress(now))
                for move in self.moves.values()
                if move.target == number and move.vm.running
            )
            total = Load(
                sum(load.cpu or 0.0 for load in here),
                sum(load.memory or 0 for load in here) + arriving,
                sum(load.network_io or 0.0 for load in here),
                sum(load.disk_io or 0.0 for load in here),
            )
            result[number] = node.own.plus(total).at_least_nothing()
        return result

    def held_memory(self, number: int) -> int:
        """What a node holds with both ends of every migration counted in full."""
        held = self.nodes[number].own.memory or 0
        held += sum(vm.present_load.memory or 0 for vm in self.vms.values() if vm.node == number)
        return held + sum(
            move.vm.present_load.memory or 0 for move in self.moves.values() if move.target == number
        )

    def note_peak(self, *numbers: int) -> None:
        for number in numbers:
            self.peak_memory[number] = max(self.peak_memory.get(number, 0), self.held_memory(number))

    def set_node_status(self, number: int, status: str, now: float) -> None:
        """A node goes or comes; migrations from or to a node that goes fail, or with `stale_tasks` never end
        until it is back.
        """
        self.nodes[number].status = status
        if status == "online":
            for task in filter(lambda task: task.unfinished, self._orphans.pop(number, [])):
                task.status, task.ended = self.switches.fail_word, now
                task.output = "the node was not available"
            return
        for move in list(self.moves.values()):
            if number not in (move.target, move.vm.node):
                continue
            task = self.unfinished(move.vm.id)
            if self.switches.stale_tasks and task is not None:
                self._orphans.setdefault(number, []).append(task)
                move.abandon()
            else:
                move.fail(now, f"node {self.nodes[number].name} is not available")
