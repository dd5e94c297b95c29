# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking again: whether a planned move of disks still makes sense in the cluster as it is now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..._model.plan import DiskMove, DiskMoveKind
from ..._platforms.storage_protocol import DisksNow, StorageNow
from ..preflight import GO, MIB, THERE, PreflightResult
from .job import DiskMoveJob

# Moves that may fill a datastore beyond `utilisation`: back to where the disks were, or as a person wants it.
_UNLIMITED: frozenset[DiskMoveKind] = frozenset({"manual", "rollback"})


def disks_elsewhere(move: DiskMove, guest: DisksNow) -> tuple[str, ...]:
    """Those of its disks that are not on the target."""
    return tuple(disk for disk in move.disks if guest.disks.get(disk) != move.target)


def disk_preflight(
    move: DiskMove,
    now: StorageNow,
    job: DiskMoveJob,
    taking_room: Sequence[DiskMove],
    later: Collection[str] = (),
) -> PreflightResult:
    """The decision about a move that may start now. `taking_room` are the moves under way, and those that
    ended so recently that the platform may not count them yet; `later` are the datastores that later steps
    take its disks to.
    """
    guest = now.guests.get(move.guest.id)
    if guest is None:
        return PreflightResult("drop", "the guest no longer exists")
    if guest.busy is not None:
        return PreflightResult("busy", f"the guest is busy: {guest.busy}")
    missing = [disk for disk in move.disks if disk not in guest.disks]
    if missing:
        return PreflightResult("drop", f"the guest has no disk {', '.join(missing)} any more")
    if all(guest.disks[disk] == move.target for disk in move.disks):
        return THERE
    if all(guest.disks[disk] in later for disk in move.disks if guest.disks[disk] != move.target):
        return THERE
    for disk in move.disks:
        if guest.disks[disk] not in (move.source, move.target):
            return PreflightResult(
                "drop", f"disk {disk} is on {guest.disks[disk]}, not on {move.source} as planned"
            )
    for place in (move.target, move.source):
        if guest.host not in job.reach.get(place, (guest.host,)):
            return PreflightResult(
                "drop", f"the guest is on {job.name(guest.host)}, which does not have datastore {place}"
            )
    target = now.datastores.get(move.target)
    if target is None:
        return PreflightResult("drop", f"there is no datastore {move.target} any more")
    if target.closed_because is not None:
        return PreflightResult("drop", f"datastore {move.target} takes no disks now: {target.closed_because}")
    return _free_space(move, disks_elsewhere(move, guest), now, job, taking_room)


def _free_space(
    move: DiskMove,
    disks: Collection[str],
    now: StorageNow,
    job: DiskMoveJob,
    taking_room: Sequence[DiskMove],
) -> PreflightResult:
    """Whether the target has room for the copy, with all that is on its way to it.

    What is on its way counts in full though some of it is there already: rather wait than fill a datastore.
    """
    target = now.datastores[move.target]
    if target.capacity is None or target.free is None:
        # A storage that does not answer for a moment reports no size.
        return PreflightResult("busy", f"the free space of datastore {move.target} is not reported")
    percent = 100.0 if move.kind in _UNLIMITED else job.utilisation
    ceiling = min(int(target.capacity * percent / 100), target.capacity - job.reserve)
    arriving = sum(other.room for other in taking_room if other.target == move.target)
    in_use, room = target.capacity - target.free + arriving, job.room_for(move, disks)
    if in_use + room <= ceiling:
        return GO
    touching = any(move.target in (other.source, other.target) for other in taking_room)
    return PreflightResult(
        "wait" if touching else "drop",
        f"datastore {move.target} has too little free space: {in_use / MIB:.0f} MiB in use or arriving,"
        f" {room / MIB:.0f} MiB needed, {max(0, ceiling) / MIB:.0f} MiB allowed",
    )
