# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that is moved: which nodes suit, how long it takes, how it ends."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import ApiError
from .state import Change, Disk, Node, Storage, Task, Vm
from .world import Move, World


def is_suitable(world: World, vm: Vm, node: Node) -> bool:
    """Whether a node could take a guest, as the platform judges."""
    barred = [*world.switches.unsuitable.get(str(vm.id), []), *world.switches.unsuitable.get("*", [])]
    return (
        str(node.id) not in map(str, barred)
        and not vm.marks & {"passthrough_device", "iso_mounted", "snapshot"}
        and vm.run_state is None
        and node.online
        and not node.maintenance
        and not node.blocked
        and (node.limit <= 0 or count_on(world, node) < node.limit)
        and node.memory - world.held_memory(node.id) >= (vm.present_load.memory or 0)
        and all(node.id in disk.storage.nodes for disk in vm.disks if disk.storage.shared)
        and not (vm.running and _numbers(node.qemu) < _numbers(world.nodes[vm.node].qemu))
    )


def count_on(world: World, node: Node) -> int:
    return sum(vm.node == node.id for vm in world.vms.values())


def start(world: World, vm: Vm, node: Node, disks: Iterable[tuple[Disk, Storage]], now: float) -> Task:
    """Raises ApiError for what the platform does not even begin."""
    holder = world.unfinished(vm.id)
    if holder is not None:
        raise ApiError(4004, "the virtual machine is locked by a task", value={"task": holder.name})
    if node.id == vm.node or not world.nodes[vm.node].online or not is_suitable(world, vm, node):
        raise ApiError(4010, "the node is not suitable", value={"node": node.id})
    return _Worker(world, vm, node, list(disks), now).task


class _Worker:
    """One migration from its start to its end."""

    def __init__(
        self, world: World, vm: Vm, node: Node, disks: list[tuple[Disk, Storage]], now: float
    ) -> None:
        switches = world.switches
        self.world, self.vm, self.node, self.disks = world, vm, node, disks
        self.task = world.add_task("host_migrate", vm.id, now, node=node.id)
        self.change = Change(str(vm.id), str(vm.node), str(node.id), "running", now)
        world.changes.append(self.change)
        begins = now + switches.defer_seconds
        move = Move(vm, node.id, begins, begins + switches.migration_seconds, self.fail, self.abandon)
        world.moves[vm.id] = move
        world.note_peak(vm.node, node.id)
        self.task.status = "deferred" if switches.defer_seconds else "running"
        self.fault = switches.migration_fault(str(vm.id))
        world.at(begins, self.run)
        if self.fault is not None and self.fault.error is None:
            share = self.fault.at_percent / 100
            moment = begins + switches.migration_seconds * share
            world.at(moment, lambda when: self.fail(when, "migration failed"))
        world.at(move.ends, self.finish)

    def run(self, moment: float) -> None:
        if self.task.unfinished:
            self.task.status = "running"
            self.task.started = moment

    def fail(self, moment: float, why: str, word: str | None = None) -> None:
        if self.task.unfinished and self.change.state == "running":
            self._end(moment, word or self.world.switches.fail_word, why)
            self.change.state = "failed"

    def finish(self, moment: float) -> None:
        if self.change.state != "running":
            return
        outcome = self.fault.error if self.fault is not None else None
        if outcome == "OK":
            self.change.state = "failed"
        else:
            self.vm.node = self.node.id
            for disk, storage in self.disks:
                disk.storage = storage
            self.change.state = "done"
            if outcome in ("STOPPED", "MOVED_STOPPED"):
                self.vm.power = "stopped"
            if outcome in ("PAUSED", "MOVED_PAUSED"):
                self.vm.run_state = "paused"
        if outcome is not None and outcome.startswith("MOVED"):
            self._end(moment, self.world.switches.fail_word, "failed to clean up after the migration")
        else:
            self._end(moment, "complete", "")

    def abandon(self) -> None:
        """A node is away: the task never ends by itself, and the guest stays where it is."""
        self.world.moves.pop(self.vm.id, None)
        self.change.state = "failed"

    def _end(self, moment: float, status: str, output: str) -> None:
        self.world.moves.pop(self.vm.id, None)
        self.change.ended = moment
        if self.task.unfinished:
            self.task.status, self.task.output, self.task.ended = status, output, moment


def abort(world: World, task: Task, now: float) -> None:
    """Somebody wants a task to end. Raises ApiError for one that has ended."""
    if not task.unfinished:
        raise ApiError(4005, "the task can't be aborted", value={"status": task.status})
    move = world.moves.get(task.vm)
    if move is None or world.switches.late_cancels:
        task.status, task.output, task.ended = world.switches.abort_word, "aborted by the user", now
        return
    move.fail(now, "aborted by the user", world.switches.abort_word)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
