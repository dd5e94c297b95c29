# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that moves a guest: what it refuses, how long it takes, what it writes and leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from .state import MIB, Change, Guest
from .tasks import Task
from .world import Move, World

GIB = 1024 * MIB
STEPS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for. `storages` maps a storage to the one on the target; "" is all others."""

    target: str
    online: bool = False
    restart: bool = False
    with_local_disks: bool = False
    storages: Mapping[str, str] = field(default_factory=dict)

    def storage_for(self, name: str) -> str:
        return self.storages.get(name, self.storages.get("", name))


def start(
    world: World,
    guest: Guest,
    request: Request,
    user: str,
    now: float,
    on_end: Callable[[float, bool], None] = lambda moment, success: None,
) -> Task:
    """Start the worker. It fails at once with a task of its own when the guest can't be moved as asked."""
    kind = "qmigrate" if guest.kind == "qemu" else "vzmigrate"
    task = world.tasks.start(guest.node, kind, str(guest.vmid), user, now)
    what = "VM" if guest.kind == "qemu" else "CT"
    address = world.nodes[request.target].address
    change = Change(str(guest.vmid), guest.node, request.target, "running", now)
    world.changes.append(change)
    trouble = _trouble(world, guest, request)
    if trouble:
        for line in trouble:
            task.log(now, line)
        task.log(now, "aborting phase 1 - cleanup resources")
        task.log(now, f"ERROR: migration aborted (duration 00:00:00): {trouble[-1]}")
        task.end(now, "migration aborted")
        change.state, change.ended = "failed", now
        on_end(now, False)
        return task
    task.log(now, f"starting migration of {what} {guest.vmid} to node '{request.target}' ({address})")
    _Worker(world, guest, request, task, change, on_end).begin(now)
    return task


class _Worker:
    """One migration from its start to its end."""

    def __init__(
        self,
        world: World,
        guest: Guest,
        request: Request,
        task: Task,
        change: Change,
        on_end: Callable[[float, bool], None],
    ) -> None:
        self.world = world
        self.guest = guest
        self.request = request
        self.task = task
        self.change = change
        self.on_end = on_end
        self.power_before = guest.power
        self.over = False

    def begin(self, now: float) -> None:
        world, guest, task = self.world, self.guest, self.task
        seconds = world.switches.migration_seconds
        move = Move(guest, guest.node, self.request.target, now, now + seconds, self.change, self.fail)
        world.moves[guest.vmid] = move
        guest.lock = "migrate"
        world.note_peak(guest.node, self.request.target)
        live = guest.kind == "qemu" and guest.running
        if live:
            task.log(now, f"starting VM {guest.vmid} on remote node '{self.request.target}'")
            task.log(now, "start remote tunnel")
            task.log(now, f"starting online/live migration on unix:/run/qemu-server/{guest.vmid}.migrate")
            for step in range(1, STEPS):
                world.at(now + seconds * step / STEPS, partial(self.report, step=step, seconds=seconds))
        elif guest.kind == "lxc" and guest.running:
            task.log(now, f"shutdown CT {guest.vmid}")
            guest.power = "stopped"
        for disk in guest.disks:
            if world.storages[disk.storage].shared:
                task.log(now, f"volume '{disk.volid}' is on shared storage '{disk.storage}'")
        missing = [name for name in guest.bridges if name not in world.nodes[self.request.target].bridges]
        if missing and guest.running:
            task.log(now, f"[{self.request.target}] bridge '{missing[0]}' does not exist")
            self.fail(now, "online migrate failure - remote command failed", "migration aborted")
            return
        fault = world.switches.migration_fault(str(guest.vmid))
        if fault is not None:
            error = fault.error or ("migration problems" if live else "migration aborted")
            text = f"{'online migrate failure - ' if live else ''}aborting at {fault.at_percent:g} %"
            world.at(now + seconds * fault.at_percent / 100, lambda moment: self.fail(moment, text, error))
        task.on_abort = self.abort
        world.at(move.ends, self.finish)

    def abort(self) -> None:
        now = self.world.clock()
        if self.world.switches.late_cancels:
            self.task.end(now, "interrupted by signal")
        else:
            self.fail(now, "received interrupt", "interrupted by signal")

    def report(self, moment: float, step: int, seconds: float) -> None:
        """Write how far it is; `step` of STEPS."""
        if self.over:
            return
        total = self.guest.maxmem
        done = total * step / STEPS
        speed = done / max(seconds * step / STEPS, 0.001)
        sizes = f"{done / GIB:.1f} GiB of {total / GIB:.1f} GiB"
        self.task.log(moment, f"migration active, transferred {sizes} VM-state, {speed / MIB:.1f} MiB/s")

    def finish(self, moment: float) -> None:
        if self.over:
            return
        guest, world, target = self.guest, self.world, self.request.target
        self._release()
        guest.node = target
        for disk in guest.disks:
            if not world.storages[disk.storage].shared or self.request.storages:
                disk.storage = self.request.storage_for(disk.storage)
        guest.restart_counters(moment)
        if guest.kind == "lxc" and self.power_before == "running":
            guest.power = "running"
            guest.started = moment
            self.task.log(moment, "start container on target node")
        elif guest.running:
            self.task.log(moment, "average migration speed: 1.1 GiB/s - downtime 50 ms")
            self.task.log(moment, "migration status: completed")
        self.task.log(
            moment, f"migration finished successfully (duration {_duration(moment - self.task.started)})"
        )
        if self.task.running:
            self.task.end(moment, "OK")
        self._close(moment, "done")
        world.note_peak(self.change.source, target)
        world.remember(moment)
        self.on_end(moment, True)

    def fail(self, moment: float, text: str, exitstatus: str) -> None:
        if self.over:
            return
        self._release()
        if self.guest.kind == "lxc":
            self.guest.power = self.power_before
        duration = _duration(moment - self.task.started)
        self.task.log(moment, f"ERROR: {text}")
        self.task.log(moment, "aborting phase 2 - cleanup resources")
        self.task.log(moment, f"ERROR: migration finished with problems (duration {duration})")
        if self.task.running:
            self.task.end(moment, exitstatus)
        self._close(moment, "cancelled" if exitstatus == "interrupted by signal" else "failed")
        self.on_end(moment, False)

    def _release(self) -> None:
        self.over = True
        self.world.moves.pop(self.guest.vmid, None)
        self.guest.lock = None

    def _close(self, moment: float, state: str) -> None:
        self.change.state = state
        self.change.ended = moment


def local_disks(world: World, guest: Guest) -> list[str]:
    """The volumes that only their node sees."""
    return [disk.volid for disk in guest.disks if not world.storages[disk.storage].shared]


def _trouble(world: World, guest: Guest, request: Request) -> list[str]:
    """Why the worker gives up before it starts, as its log has it; the last line is the reason."""
    target = world.nodes[request.target]
    if not target.online:
        return [
            f"ssh: connect to host {target.address} port 22: No route to host",
            "Can't connect to destination address using public key",
        ]
    if guest.passthrough:
        device = "hostpci0" if guest.kind == "qemu" else "dev0"
        return [f"can't migrate {'VM' if guest.kind == 'qemu' else 'CT'} which uses local devices: {device}"]
    if guest.kind == "lxc" and guest.running and not request.restart:
        return ["lxc live migration is currently not implemented"]
    lines = []
    if guest.iso is not None:
        lines.append(f"can't migrate local disk '{guest.iso}': local cdrom image")
    for volid in local_disks(world, guest):
        storage = request.storage_for(volid.partition(":")[0])
        if storage not in world.storages or not world.storages[storage].on(request.target):
            lines.append(f"storage '{storage}' is not available on node '{request.target}'")
        elif guest.snapshots:
            lines.append(f"can't migrate local disk '{volid}': non-migratable snapshot exists")
        elif guest.kind == "qemu" and guest.running and not request.with_local_disks:
            lines.append(f"can't live migrate attached local disks without with-local-disks option: {volid}")
    return [*lines, "Problem found while scanning volumes - can't migrate VM - check log"] if lines else []


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
