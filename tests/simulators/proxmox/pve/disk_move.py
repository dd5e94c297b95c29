# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that copies a volume of a guest to another storage (facts 42, 43).

A copy takes its space from its start where the storage is thick, and as it grows where it is thin. The source
gives its space back once its volume has been deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from .config import guest_config
from .faults import DiskMoveFault
from .state import Change, Disk, Guest, Orphan, Storage
from .tasks import Task
from .world import World

STEPS = 10
KILL_SECONDS = 5.0
"""How long a task that is stopped has for cleaning up."""
MODIFIED = "detected modified configuration - file changed by other user? Try again."
_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@dataclass(frozen=True, slots=True)
class DiskRequest:
    """What the caller asked for."""

    slot: str
    target: str
    delete: bool = False
    digest: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A volume as a storage lists it."""

    volume: str
    vmid: int
    size: int
    used: int


def stored(world: World, storage: Storage, node: str) -> Iterator[Stored]:
    """The volumes of a storage that this node sees, with and without a guest that names them."""
    for guest in world.guests.values():
        if not storage.shared and guest.node != node:
            continue
        for disk in disks_of(guest):
            if disk.storage == storage.name:
                size = disk.size or 0
                yield Stored(disk.volume, guest.vmid, size, size if disk.used is None else disk.used)
    for orphan in storage.orphans:
        if storage.shared or orphan.node == node:
            yield Stored(orphan.volume, orphan.vmid, orphan.size, orphan.used)


def disks_of(guest: Guest) -> list[Disk]:
    """Those too that only its further configuration names."""
    slots = {disk.slot for disk in guest.disks if guest.config.get(disk.slot, "") is not None}
    found = [disk for disk in guest.disks if disk.slot in slots]
    for slot, value in guest.config.items():
        disk = _parsed(slot, value)
        if disk is not None and slot not in slots:
            found.append(disk)
    return found


def disk_in(guest: Guest, slot: str) -> Disk | None:
    return next((disk for disk in disks_of(guest) if disk.slot == slot), None)


def _parsed(slot: str, value: object) -> Disk | None:
    """A volume of the configuration, such as `unused0: ceph:vm-100-disk-3`."""
    place, _, rest = str(value).partition(",")
    storage, colon, volume = place.partition(":")
    if not colon or not volume or "media=cdrom" in rest or "=" in place or storage.startswith("/"):
        return None
    sizes = dict(part.partition("=")[::2] for part in rest.split(","))
    return Disk(slot, storage, volume, _bytes(sizes.get("size", "")))


def _bytes(text: str) -> int | None:
    units = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
    if text[-1:] in units and text[:-1].isdigit():
        return int(text[:-1]) * units[text[-1]]
    return int(text) if text.isdigit() else None


def machine_version(world: World, guest: Guest) -> str:
    """Of a machine that runs: the newest one, unless its configuration names another."""
    pinned = re.search(r"-(\d+\.\d+)", str(guest.config.get("machine") or ""))
    return pinned[1] if pinned else qemu_version(world)


def qemu_version(world: World) -> str:
    """Of the processes that run."""
    return "10.1" if world.major >= 9 else "9.2"


def _has_block_devices(world: World, guest: Guest) -> bool:
    return int(machine_version(world, guest).partition(".")[0]) >= 10


def _written(world: World, guest: Guest, disk: Disk) -> int | None:
    """What a copy of a disk writes; None for all of it. The mirror of a machine that runs writes zeros as
    data, unless the source is a qcow2 file, or the target looks for zeros: with machines from version 10.0,
    and only where `detect_zeroes` is on.
    """
    if guest.kind != "qemu" or not guest.running or _format(disk) == "qcow2":
        return disk.used
    value = str(guest_config(guest).get(disk.slot))
    detects = "detect_zeroes=0" not in value.split(",")
    return disk.used if _has_block_devices(world, guest) and detects else None


def _io_uring_refused(world: World, guest: Guest, disk: Disk, target: Storage) -> bool:
    """Whether a drive that uses io_uring would be mirrored to where that hangs: machines before 10.0 keep it,
    newer ones only where their configuration says so.
    """
    value = str(guest_config(guest).get(disk.slot))
    options = dict(part.partition("=")[::2] for part in value.split(",")[1:])
    direct = options.get("cache", "none") in ("off", "none", "directsync")
    if _takes_io_uring(target, direct):
        return False
    if "aio" in options:
        return options["aio"] == "io_uring"
    return not _has_block_devices(world, guest) and _takes_io_uring(world.storages[disk.storage], direct)


def _takes_io_uring(storage: Storage, direct: bool) -> bool:
    krbd = storage.type == "rbd" and storage.settings.get("krbd") == 1
    return storage.type not in ("cifs", "lvm") and not (krbd and not direct)


def is_moving(world: World, guest: Guest) -> bool:
    """Whether the configuration is held by a move of a disk."""
    return guest.vmid in world.disk_moves


def refusal(world: World, guest: Guest, request: DiskRequest) -> tuple[str, bool] | None:
    """Why Proxmox VE would not move it, in its order; true where that is about the parameter `storage`."""
    kind = "VM" if guest.kind == "qemu" else "CT"
    if guest.lock:
        return f"{kind} is locked ({guest.lock})", False
    return (_vm_refusal if guest.kind == "qemu" else _container_refusal)(world, guest, request)


def _vm_refusal(world: World, guest: Guest, request: DiskRequest) -> tuple[str, bool] | None:
    if request.digest not in (None, guest_config(guest)["digest"]):
        return MODIFIED, False
    value = guest_config(guest).get(request.slot)
    if value is None:
        return f"disk '{request.slot}' does not exist", False
    if "media=cdrom" in str(value) and "cloudinit" not in str(value):
        return "you can't move a cdrom", False
    disk = disk_in(guest, request.slot)
    source = str(value).partition(":")[0]
    if source == request.target and (disk is None or request.format in (None, _format(disk))):
        return "you can't move to the same storage with same format", False
    target = world.storages.get(request.target)
    if target is None:
        return f"storage '{request.target}' does not exist", False
    if target.disabled:
        return f"storage '{request.target}' is disabled", False
    if not target.on(guest.node):
        return f"storage '{request.target}' is not available on node '{guest.node}'", False
    if "images" not in target.content.split(","):
        return f"storage '{request.target}' does not support vm images", True
    if guest.snapshots and request.delete and not request.slot.startswith("unused"):
        return "you can't move a disk with snapshots and delete the source", False
    return None


def _container_refusal(world: World, guest: Guest, request: DiskRequest) -> tuple[str, bool] | None:
    """What is wrong with the target is only found in the task."""
    if guest.running:
        return "cannot move volumes of a running container", False
    if request.slot.startswith("unused"):
        return (
            f"cannot move volume '{request.slot}', only configured volumes can be moved to another storage",
            False,
        )
    if guest.snapshots and request.delete:
        return "you can't move a volume with snapshots and delete the source", False
    if request.digest not in (None, guest_config(guest)["digest"]):
        return MODIFIED, False
    return None


def _format(disk: Disk) -> str:
    suffix = disk.volume.rpartition(".")[2]
    return suffix if suffix in ("qcow2", "vmdk") else "raw"


def start(world: World, guest: Guest, request: DiskRequest, user: str, now: float) -> Task:
    """Start the worker. A container is locked from here on, a machine's configuration is only held."""
    kind = "qmmove" if guest.kind == "qemu" else "move_volume"
    task = world.tasks.start(guest.node, kind, str(guest.vmid), user, now)
    disk = disk_in(guest, request.slot)
    source = disk.storage if disk is not None else ""
    change = Change(str(guest.vmid), source, request.target, "running", now, disk=request.slot)
    world.disk_changes.append(change)
    if guest.kind == "lxc":
        guest.lock = "disk"
    worker = _Worker(world, guest, request, task, change)
    if is_moving(world, guest) or str(guest.vmid) in map(str, world.switches.held_configs):
        worker.wait_for_config(now)
    else:
        worker.begin(now)
    return task


class _Worker:
    """One volume from one storage to another."""

    def __init__(self, world: World, guest: Guest, request: DiskRequest, task: Task, change: Change) -> None:
        self.world = world
        self.guest = guest
        self.request = request
        self.task = task
        self.change = change
        self.live = guest.kind == "qemu" and guest.running
        # The name of the block job, since machines of version 10.0 no longer that of the drive.
        self.job = f"{'mirror' if _has_block_devices(world, guest) else 'drive'}-{request.slot}"
        self.over = False
        self.taken = 0
        self.source: Disk | None = None
        self.copy: Disk | None = None

    def wait_for_config(self, now: float) -> None:
        """Something else holds the configuration: the task waits for it for ten seconds (fact 42)."""
        self.task.on_abort = self.abort
        seconds = self.world.switches.held_seconds
        late = f"can't lock file '/var/lock/qemu-server/lock-{self.guest.vmid}.conf' - got timeout"

        def look(moment: float) -> None:
            held = str(self.guest.vmid) in map(str, self.world.switches.held_configs)
            if self.over:
                return
            if not held and not is_moving(self.world, self.guest):
                self.begin(moment)
            elif moment - now >= seconds:
                self.fail(moment, late)
            else:
                self.world.at(moment + max(seconds / 20, 0.01), look)

        look(now)

    def begin(self, now: float) -> None:
        world, guest, request, task = self.world, self.guest, self.request, self.task
        task.on_abort = self.abort
        refused = _vm_refusal(world, guest, request) if guest.kind == "qemu" else self._trouble()
        if refused is not None:
            self.fail(now, refused[0])
            return
        source = disk_in(guest, request.slot)
        if source is None:
            self.fail(now, f"unable to parse volume ID of '{request.slot}'")
            return
        target = world.storages[request.target]
        why = self._cannot_mirror(source, target) if self.live else None
        if why is not None:
            self.fail(now, f"storage migration failed: {why}")
            return
        kind = request.format or _format(source)
        name = self._free_name(target, kind)
        self.source = source
        written = _written(world, guest, source)
        self.copy = Disk(source.slot, target.name, name, source.size, written)
        world.disk_moves[guest.vmid] = self
        seconds = world.switches.disk_move_seconds
        if guest.kind == "qemu":
            task.plain(
                f"copying volume '{source.volid}' from current storage '{source.storage}' to target storage "
                f"'{target.name}'"
            )
            task.plain(f"create full clone of drive {source.slot} ({source.volid})")
        if not target.active(guest.node):
            self.fail(now, f"storage migration failed: storage '{target.name}' is not online")
            return
        whole = target.takes(source.size, written)
        if not self._take(0 if target.thin else whole):
            self.fail(now, f"storage migration failed: {target.name}: insufficient free space")
            return
        if self.live:
            task.plain(f"drive mirror is starting for drive-{source.slot}")
        fault = world.switches.disk_move_fault(str(guest.vmid), source.slot)
        stop_at = None if fault is None else fault.at_percent / 100
        for step in range(1, STEPS):
            if stop_at is None or step / STEPS < stop_at:
                moment = now + seconds * step / STEPS
                world.at(moment, partial(self.report, step=step, whole=whole, began=now))
        if fault is not None:
            world.at(now + seconds * fault.at_percent / 100, partial(self._break, fault=fault))
            if fault.error != "OK":
                return
        world.at(now + seconds, partial(self.finish, whole=whole))

    def _cannot_mirror(self, source: Disk, target: Storage) -> str | None:
        if source.slot == "tpmstate0":
            return "cannot move TPM state while VM is running"
        if _io_uring_refused(self.world, self.guest, source, target):
            return "target storage is known to cause issues with aio=io_uring (used by current drive)"
        return None

    def _trouble(self) -> tuple[str, bool] | None:
        """What a container's task finds of its target (fact 43)."""
        name, node = self.request.target, self.guest.node
        target = self.world.storages.get(name)
        if target is None:
            return f"storage '{name}' does not exist", False
        if target.disabled:
            return f"storage '{name}' is disabled", False
        if not target.on(node):
            return f"storage '{name}' is not available on node '{node}'", False
        if target.type != "zfspool" and "rootdir" not in target.content.split(","):
            return f"content type 'rootdir' is not available or configured on storage '{name}'", False
        return None

    def _free_name(self, target: Storage, suffix: str) -> str:
        taken = {volume.volume for volume in stored(self.world, target, self.guest.node)}
        numbers = (target.volume_name(self.guest.kind, self.guest.vmid, n, suffix) for n in range(1000))
        return next(name for name in numbers if name not in taken)

    def report(self, moment: float, *, step: int, whole: int, began: float) -> None:
        """Write how far it is, and take what has been written."""
        if self.over or self.source is None:
            return
        target = self.world.storages[self.request.target]
        if target.thin and not self._take(whole * step // STEPS - self.taken):
            self.fail(moment, self._no_space())
            return
        if self.guest.kind == "lxc":
            return
        total = self.source.size or 0
        sizes = f"{_human(total * step // STEPS)} of {_human(total)} ({100 * step / STEPS:.2f}%)"
        if self.live:
            self.task.plain(f"{self.job}: transferred {sizes} in {round(moment - began)}s")
        else:
            self.task.plain(f"transferred {sizes}")

    def _no_space(self) -> str:
        if self.live:
            why = f"block job (mirror) error: {self.job}: No space left on device (io-status: nospace)"
            return f"storage migration failed: {why}"
        return "storage migration failed: copy failed: No space left on device"

    def _take(self, size: int) -> bool:
        if size <= 0:
            return True
        if not self.world.storages[self.request.target].take(self.guest.node, size):
            return False
        self.taken += size
        return True

    def finish(self, moment: float, *, whole: int) -> None:
        if self.over or self.source is None or self.copy is None:
            return
        guest, world, source = self.guest, self.world, self.source
        if not self._take(whole - self.taken):
            self.fail(moment, self._no_space())
            return
        if self.live:
            self.task.plain(f"{self.job}: Completing block job...")
            self.task.plain(f"{self.job}: Completed successfully.")
        self._replace(source, self.copy)
        self._release()
        kept = world.switches.keeps_source(str(guest.vmid))
        if not self.request.delete or (kept and guest.kind == "lxc"):
            self._add_unused(source)
        elif kept:
            # Only a warning of the task: no configuration names the volume any more (fact 42).
            self.task.plain(f"removing source volume failed: '{source.volid}' is still in use")
            self._leave(world.storages[source.storage], source)
        else:
            world.storages[source.storage].give_back(
                guest.node, world.storages[source.storage].takes(source.size, source.used)
            )
        self.task.end(moment, "OK")
        self.change.state, self.change.ended = "done", moment

    def _replace(self, source: Disk, copy: Disk) -> None:
        """The slot names the copy; what else it says stays."""
        guest = self.guest
        value = guest.config.get(source.slot)
        for index, disk in enumerate(guest.disks):
            if disk.slot == source.slot:
                guest.disks[index] = copy
        if value is not None:
            guest.config[source.slot] = str(value).replace(source.volid, copy.volid, 1)

    def _add_unused(self, source: Disk) -> None:
        number = next(n for n in range(256) if f"unused{n}" not in guest_config(self.guest))
        self.guest.disks.append(
            Disk(f"unused{number}", source.storage, source.volume, source.size, source.used)
        )

    def _leave(self, storage: Storage, disk: Disk) -> None:
        size = disk.size or 0
        used = size if disk.used is None else disk.used
        if disk is self.copy:
            used = min(used, self.taken)
        storage.orphans.append(Orphan(disk.volume, self.guest.vmid, size, used, self.guest.node))

    def _break(self, moment: float, *, fault: DiskMoveFault) -> None:
        """A failure in the middle; with `leaves` the copy stays. Error OK: it ends well, nothing moves."""
        if self.over:
            return
        if fault.error == "OK":
            self._free()
            self._release()
            self.task.end(moment, "OK")
            self.change.state, self.change.ended = "failed", moment
            return
        text = fault.error or f"storage migration failed: aborting at {fault.at_percent:g} %"
        self.fail(moment, text, leaves=fault.leaves)

    def abort(self) -> float:
        """Somebody stops the task: it frees the copy, for 5 s at most, and is killed then (fact 32)."""
        world, now = self.world, self.world.clock()
        if world.switches.late_cancels:
            self.task.cut(now)
            return 0.0
        self.task.on_abort = None
        wanted = world.switches.abort_seconds
        if wanted > KILL_SECONDS:
            world.at(now + KILL_SECONDS, self.kill)
            return KILL_SECONDS
        text = "received interrupt"
        if self.guest.kind == "qemu" and self.source is not None:
            text = "storage migration failed: interrupted by signal"

        def stop(moment: float) -> None:
            self.fail(moment, text, stopped=True)

        if wanted:
            world.at(now + wanted, stop)
        else:
            stop(now)
        return wanted

    def kill(self, moment: float) -> None:
        """The copy stays as it is, and a container stays locked."""
        self._cut(moment, "cancelled")
        self.task.cut(moment)

    def lose(self, moment: float) -> None:
        """The node that runs it is gone."""
        self._cut(moment, "failed")
        self.task.lost = True
        self.task.on_abort = None

    def _cut(self, moment: float, state: str) -> None:
        if self.over:
            return
        lock = self.guest.lock
        if self.copy is not None:
            self._leave(self.world.storages[self.copy.storage], self.copy)
        self._release()
        self.guest.lock = lock
        self.change.state, self.change.ended = state, moment

    def fail(self, moment: float, text: str, *, stopped: bool = False, leaves: bool = False) -> None:
        if self.over:
            return
        if leaves and self.copy is not None:
            self._leave(self.world.storages[self.copy.storage], self.copy)
        else:
            self._free()
        self._release()
        if self.task.running:
            self.task.end(moment, text)
        self.change.state, self.change.ended = "cancelled" if stopped else "failed", moment

    def _free(self) -> None:
        """Give back what the copy has taken."""
        if self.taken:
            self.world.storages[self.request.target].give_back(self.guest.node, self.taken)
            self.taken = 0

    def _release(self) -> None:
        self.over = True
        if self.world.disk_moves.get(self.guest.vmid) is self:
            del self.world.disk_moves[self.guest.vmid]
        if self.guest.kind == "lxc":
            self.guest.lock = None


def _human(size: int) -> str:
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.1f} B"
