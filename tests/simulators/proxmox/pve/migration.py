# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that moves a guest: what it refuses, how long it takes, what it writes and leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from .config import guest_config
from .faults import Break
from .state import MIB, Change, Disk, Guest, Orphan, Storage
from .tasks import Task
from .volumes import Volume, devices, volumes
from .world import Move, World

GIB = 1024 * MIB
STEPS = 10
KILL_SECONDS = 5.0
"""How long a task that is stopped has for cleaning up."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for. `storages` maps a storage to the one on the target; "" is all others."""

    target: str
    online: bool = False
    restart: bool = False
    with_local_disks: bool = False
    force: bool = False
    conntrack: bool = False
    timeout: float = 180.0
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
    change = Change(str(guest.vmid), guest.node, request.target, "running", now)
    world.changes.append(change)
    if _is_held(world, guest):
        _wait_for_config(world, guest, request, task, change, on_end)
    else:
        _go(world, guest, request, task, change, on_end, now)
    return task


def _is_held(world: World, guest: Guest) -> bool:
    """Whether something holds the configuration, such as a move of one of its disks."""
    return guest.vmid in world.disk_moves or str(guest.vmid) in map(str, world.switches.held_configs)


def _go(
    world: World,
    guest: Guest,
    request: Request,
    task: Task,
    change: Change,
    on_end: Callable[[float, bool], None],
    now: float,
) -> None:
    what = "VM" if guest.kind == "qemu" else "CT"
    address = world.nodes[request.target].address
    trouble = _trouble(world, guest, request)
    if trouble:
        for line in trouble:
            task.log(now, line)
        task.log(now, "aborting phase 1 - cleanup resources")
        task.log(now, f"ERROR: migration aborted (duration 00:00:00): {trouble[-1]}")
        task.end(now, "migration aborted")
        change.state, change.ended = "failed", now
        on_end(now, False)
        return
    task.log(now, f"starting migration of {what} {guest.vmid} to node '{request.target}' ({address})")
    _Worker(world, guest, request, task, change, on_end).begin(now)


class _Worker:
    """One migration from its start to its end (facts 53, 54, 57)."""

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
        self.live = guest.kind == "qemu" and guest.running
        self.restart = guest.kind == "lxc" and guest.running
        self.over = False
        # By local disk, where its copy is and what that takes there.
        self.copies: list[tuple[Disk, Storage, int]] = []

    def begin(self, now: float) -> None:
        world, guest, task = self.world, self.guest, self.task
        seconds = world.switches.migration_seconds
        ends = now + seconds
        move = Move(guest, guest.node, self.request.target, now, ends, self.change, self.fail, self.lose)
        world.moves[guest.vmid] = move
        guest.lock = "migrate"
        world.note_peak(guest.node, self.request.target)
        task.on_abort = self.abort
        if self.live:
            task.log(now, f"starting VM {guest.vmid} on remote node '{self.request.target}'")
            if self.request.conntrack:
                task.log(now, "migrating conntrack state")
            task.log(now, "start remote tunnel")
            task.log(now, f"starting online/live migration on unix:/run/qemu-server/{guest.vmid}.migrate")
            for step in range(1, STEPS):
                world.at(now + seconds * step / STEPS, partial(self.report, step=step, seconds=seconds))
        elif self.restart and not self._shut_down(now):
            return
        for disk in guest.disks:
            if world.storages[disk.storage].shared:
                task.log(now, f"volume '{disk.volid}' is on shared storage '{disk.storage}'")
        missing = [name for name in guest.bridges if name not in world.nodes[self.request.target].bridges]
        if missing and guest.running:
            task.log(now, f"[{self.request.target}] bridge '{missing[0]}' does not exist")
            self.fail(now, "online migrate failure - remote command failed", "migration aborted")
            return
        full = self._make_copies()
        if full is not None:
            text = f"no space left on storage '{full.name}'"
            self.fail(now, f"{'online migrate failure - ' if self.live else ''}{text}", "migration aborted")
            return
        fault = world.switches.migration_fault(str(guest.vmid))
        if fault is not None:
            error = fault.error or ("migration problems" if self.live else "migration aborted")
            text = f"{'online migrate failure - ' if self.live else ''}aborting at {fault.at_percent:g} %"
            world.at(now + seconds * fault.at_percent / 100, lambda moment: self.fail(moment, text, error))
        world.at(move.ends, self.finish)

    def _make_copies(self) -> Storage | None:
        """Take the room of the copies of local disks; returns the storage that has too little."""
        for disk in self.guest.disks:
            if self.world.storages[disk.storage].shared:
                continue
            storage = self.world.storages[self.request.storage_for(disk.storage)]
            # The mirror of a machine that runs writes zeros as data.
            size = storage.takes(disk.size, None if self.live else disk.used)
            if not storage.take(self.request.target, size):
                return storage
            self.copies.append((disk, storage, size))
        return None

    def _drop_copies(self) -> None:
        """What a migration that failed cleans up."""
        for _disk, storage, size in self.copies:
            storage.give_back(self.request.target, size)
        self.copies = []

    def _leave_copies(self) -> None:
        """What a migration that was killed leaves behind on the target."""
        for disk, storage, size in self.copies:
            storage.orphans.append(
                Orphan(disk.volume, self.guest.vmid, disk.size or 0, size, self.request.target)
            )
        self.copies = []

    def _shut_down(self, now: float) -> bool:
        """The first step of a restart: the container goes off here, or the migration ends with it on."""
        world, guest = self.world, self.guest
        self.task.log(now, f"shutdown CT {guest.vmid}")
        if str(guest.vmid) in map(str, world.switches.ignore_shutdown):
            late = now + self.request.timeout
            world.at(late, lambda moment: self.fail(moment, "container did not stop", "migration aborted"))
            return False
        guest.power = "stopped"
        if world.switches.to_break(str(guest.vmid), "prepare") is not None:
            # Nobody starts a container again for which `prepare` did not come to its end.
            self.power_before = "stopped"
            self.fail(now, "command 'umount' failed: exit code 32", "migration aborted")
            return False
        return True

    def abort(self) -> float:
        """Somebody stops the task: it cleans up, for 5 s at most, and is killed then (fact 32)."""
        world, now = self.world, self.world.clock()
        if world.switches.late_cancels:
            self.task.cut(now)
            return 0.0
        self.task.on_abort = None
        self.task.log(now, "ERROR: received interrupt - delayed")
        wanted = world.switches.abort_seconds
        if wanted > KILL_SECONDS:
            world.at(now + KILL_SECONDS, self.kill)
            return KILL_SECONDS
        if self.restart and world.moves[self.guest.vmid].progress(now) < 0.5:
            self.power_before = "stopped"
        error = "migration problems" if self.live else "migration aborted"
        text = f"{'online migrate failure - ' if self.live else ''}interrupted by signal"

        def stop(moment: float) -> None:
            self.fail(moment, text, error, stopped=True)

        if wanted:
            world.at(now + wanted, stop)
        else:
            stop(now)
        return wanted

    def kill(self, moment: float) -> None:
        """What it was doing stays as it is: the lock, and a container that was shut down."""
        if self.over:
            return
        lock = self.guest.lock
        self._release()
        self._leave_copies()
        self.guest.lock = lock
        self.task.cut(moment)
        self._close(moment, "cancelled")
        self.on_end(moment, False)

    def lose(self, moment: float) -> None:
        """The node that it runs on is gone. Its task is shown as running until the node is back; only HA
        takes the lock off, when it recovers the guest (fact 67).
        """
        lock = self.guest.lock
        self._release()
        self._leave_copies()
        self.guest.lock = None if self.guest.sid in self.world.ha.resources else lock
        self.task.lost = True
        self.task.on_abort = None
        self._close(moment, "failed")
        self.on_end(moment, False)

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
        broken = world.switches.to_break(str(guest.vmid), "end")
        stays = broken is not None and broken.power not in ("stopped", "paused")
        for disk, new, _size in self.copies:
            old = world.storages[disk.storage]
            taken = old.takes(disk.size, disk.used)
            if stays:
                old.orphans.append(Orphan(disk.volume, guest.vmid, disk.size or 0, taken, self.change.source))
            else:
                old.give_back(self.change.source, taken)
            disk.storage = new.name
            if self.live:
                disk.used = None
        guest.restart_counters(moment)
        if self.restart:
            guest.power = "running"
            guest.started = moment
            self.task.log(moment, "start container on target node")
        elif guest.running:
            # A new process, whose uptime begins now (fact 22).
            guest.started = moment
            self.task.log(moment, "average migration speed: 1.1 GiB/s - downtime 50 ms")
            self.task.log(moment, "migration status: completed")
        if broken is not None:
            self._break(broken, moment)
        else:
            self.task.log(
                moment, f"migration finished successfully (duration {_duration(moment - self.task.started)})"
            )
        if self.task.running:
            self.task.end(moment, "OK")
        self._close(moment, "done")
        world.note_peak(self.change.source, target)
        world.remember(moment)
        self.on_end(moment, broken is None)

    def _break(self, broken: Break, moment: float) -> None:
        """The configuration is on the target, and what comes after it goes wrong (fact 54)."""
        guest, task = self.guest, self.task
        if broken.power == "stopped":
            guest.power = "stopped"
            task.log(moment, "ERROR: command 'pct start' on the target failed: exit code 1")
        elif broken.power == "paused":
            guest.run_state = "paused"
            task.log(moment, "ERROR: resuming the machine on the target failed: got timeout")
        else:
            task.log(moment, "ERROR: removing the local copy of a disk failed")
        if broken.lock:
            guest.lock = "migrate"
            task.log(moment, "ERROR: failed to clear migrate lock: command failed")
        duration = _duration(moment - self.task.started)
        task.log(moment, f"ERROR: migration finished with problems (duration {duration})")
        if task.running and broken.error == "unexpected status":
            task.cut(moment)
        elif task.running:
            task.end(moment, broken.error or "migration problems")

    def fail(self, moment: float, text: str, exitstatus: str, *, stopped: bool = False) -> None:
        if self.over:
            return
        self._release()
        self._drop_copies()
        if self.restart:
            # In phase 1 the container is started again on its node (fact 57).
            self.guest.power = self.power_before
        duration = _duration(moment - self.task.started)
        self.task.log(moment, f"ERROR: {text}")
        if exitstatus == "migration problems":
            self.task.log(moment, "aborting phase 2 - cleanup resources")
            self.task.log(moment, f"ERROR: migration finished with problems (duration {duration})")
        else:
            self.task.log(moment, "aborting phase 1 - cleanup resources")
            self.task.log(moment, f"ERROR: migration aborted (duration {duration}): {text}")
        if self.task.running:
            self.task.end(moment, exitstatus)
        self._close(moment, "cancelled" if stopped else "failed")
        self.on_end(moment, False)

    def _release(self) -> None:
        self.over = True
        self.world.moves.pop(self.guest.vmid, None)
        self.guest.lock = None

    def _close(self, moment: float, state: str) -> None:
        self.change.state = state
        self.change.ended = moment


def _wait_for_config(
    world: World,
    guest: Guest,
    request: Request,
    task: Task,
    change: Change,
    on_end: Callable[[float, bool], None],
) -> None:
    """Something else holds the configuration: the task waits for it, and gives up (facts 42, 52)."""
    folder = "qemu-server" if guest.kind == "qemu" else "lxc"
    seconds = world.switches.held_seconds

    def give_up(moment: float, text: str) -> None:
        if task.running:
            task.end(moment, text)
            change.state, change.ended = "failed", moment
            on_end(moment, False)

    def stop() -> float:
        give_up(world.clock(), "received interrupt")
        return 0.0

    def look(moment: float) -> None:
        if not task.running:
            return
        if not _is_held(world, guest):
            _go(world, guest, request, task, change, on_end, moment)
        elif moment - task.started >= seconds:
            late = f"can't lock file '/var/lock/{folder}/lock-{guest.vmid}.conf' - got timeout"
            give_up(moment, late)
        else:
            world.at(moment + max(seconds / 20, 0.01), look)

    task.on_abort = stop
    look(task.started)


def _trouble(world: World, guest: Guest, request: Request) -> list[str]:
    """Why the worker gives up before it starts, as its log has it; the last line is the reason."""
    target = world.nodes[request.target]
    if not target.online:
        return [
            f"ssh: connect to host {target.address} port 22: No route to host",
            "Can't connect to destination address using public key",
        ]
    if guest.kind == "lxc":
        if guest.lock:
            return [f"CT is locked ({guest.lock})"]
        if guest.running and not request.restart:
            return ["lxc live migration is currently not implemented"]
        lines = []
        for key, value in guest_config(guest).items():
            parts = str(value).split(",")
            if key.startswith("mp") and parts[0].startswith("/") and "shared=1" not in parts:
                lines.append(f"cannot migrate local bind mount point '{key}'")
        return [*lines, *_about_volumes(world, guest, request)]
    local, mapped = devices(world, guest)
    blocking = [key for key in local if key not in mapped]
    if blocking and (guest.running or not request.force):
        return [f"can't migrate VM which uses local devices: {', '.join(blocking)}"]
    fixed = [f"{key}:{about['name']}" for key, about in mapped.items() if not about.get("live-migration")]
    if guest.running and fixed:
        return [f"can't live migrate running VM which uses following mapped devices: {', '.join(fixed)}"]
    if refuses_target(world, guest, request.target) and not request.force:
        return [not_replicated(request.target)]
    lines = _about_volumes(world, guest, request)
    return [*lines, "Problem found while scanning volumes - can't migrate VM - check log"] if lines else []


def refuses_target(world: World, guest: Guest, target: str) -> bool:
    """A running machine with replication jobs goes only where one of them goes."""
    jobs = [job for job in world.switches.replication if str(job["guest"]) == str(guest.vmid)]
    return guest.running and bool(jobs) and all(job["target"] != target for job in jobs)


def not_replicated(target: str) -> str:
    return (
        f"Cannot live-migrate replicated VM to node '{target}' - not a replication target. Use 'force' to"
        " override."
    )


def _about_volumes(world: World, guest: Guest, request: Request) -> list[str]:
    """What is wrong with each volume that only its node sees."""
    replicated = any(
        str(job["guest"]) == str(guest.vmid) and job["target"] == request.target
        for job in world.switches.replication
    )
    found = (_about_volume(world, guest, request, volume, replicated) for volume in volumes(world, guest))
    return [text for text in found if text]


def _about_volume(
    world: World, guest: Guest, request: Request, volume: Volume, replicated: bool
) -> str | None:
    what = f"can't migrate local disk '{volume.volid}'"
    if volume.volid.startswith("/"):
        return None if volume.shared or guest.kind == "lxc" else f"{what}: local file/device"
    if volume.volid == "cdrom":
        return "can't migrate local cdrom drive"
    own = volume.volid.partition(":")[0]
    storage = own if volume.shared else request.storage_for(own)
    if storage not in world.storages or not world.storages[storage].on(request.target):
        return f"storage '{storage}' is not available on node '{request.target}'"
    content = "rootdir" if guest.kind == "lxc" else "images"
    if content not in world.storages[storage].content.split(",") and not volume.cdrom:
        return f"{volume.volid}: content type '{content}' is not available on storage '{storage}'"
    if volume.shared:
        return None
    if volume.cdrom and not volume.cloudinit:
        return f"{what}: local cdrom image"
    live = guest.kind == "qemu" and guest.running
    if volume.snapshots and not volume.vmstate and not replicated:
        if live:
            return f"{what}: online storage migration not possible if non-replicated snapshot exists"
        if world.storages[own].type != "zfspool":
            return f"{what}: non-migratable snapshot exists"
    if live and volume.attached and not request.with_local_disks:
        return f"can't live migrate attached local disks without with-local-disks option: {volume.volid}"
    return None


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
