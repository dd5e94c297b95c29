# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on which disks only seem to be moved: check mode runs the same executor over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..._model.plan import DiskMove
from ..._platforms.storage_protocol import (
    DatastoreNow,
    DiskMoveRequest,
    DiskMoveState,
    PreparedDiskMove,
    StorageNow,
    StoragePlatform,
)
from .job import DiskMoveJob


class DryRunStorage:
    """Datastores that are only read. `hosts` are where guests have seemed to be migrated to, by guest."""

    def __init__(
        self,
        platform: StoragePlatform,
        job: DiskMoveJob,
        hosts: Mapping[str, str],
        relocated: Sequence[DiskMove] = (),
    ) -> None:
        self._platform = platform
        self._hosts = hosts
        self._reach = job.reach
        self._room = {(move.guest.id, move.disks, move.target): move.room for move in job.moves}
        # A disk of unknown use frees nothing, as in plans.
        self._taken = dict(job.taken)
        self._places: dict[tuple[str, str], str] = {}
        self._gained: dict[str, int] = {}
        self._left: set[str] = set()
        self._real_hosts: dict[str, str] = {}
        self._prepared: dict[DiskMoveRequest, PreparedDiskMove] = {}
        for move in relocated:
            self._seem_to_move(move.guest.id, move.disks, move.source, move.target, move.room)

    def look_at_storage(self, guests: Collection[str]) -> StorageNow:
        now = self._platform.look_at_storage(guests)
        self._real_hosts.update({guest: state.host for guest, state in now.guests.items()})
        return replace(
            now,
            guests={
                guest: replace(
                    state,
                    host=self._hosts.get(guest, state.host),
                    disks={
                        disk: self._places.get((guest, disk), place) for disk, place in state.disks.items()
                    },
                )
                for guest, state in now.guests.items()
            },
            datastores={place: self._with_gain(place, state) for place, state in now.datastores.items()},
        )

    def _with_gain(self, place: str, state: DatastoreNow) -> DatastoreNow:
        gained = self._gained.get(place, 0)
        return state if state.free is None else replace(state, free=max(0, state.free - gained))

    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        return self._platform.policy_breach(request)

    def prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        """The platform's answer, as far as it can judge of what has only seemed to happen."""
        if any((request.guest, disk) in self._places for disk in request.disks):
            return PreparedDiskMove(request=request)
        here = self._real_hosts.get(request.guest, request.host)
        if here not in self._reach.get(request.target, (here,)):
            return PreparedDiskMove(request=request)
        real = replace(request, host=here)
        # Here no time passes: what is asked again would be answered the same.
        if real not in self._prepared:
            self._prepared[real] = self._platform.prepare_disk_move(real)
        objection = self._prepared[real].objection
        if objection is not None and objection.passing and request.target in self._left:
            # It has more space by then.
            objection = None
        return PreparedDiskMove(request=request, objection=objection)

    def start_disk_move(self, prepared: PreparedDiskMove) -> str:
        request = prepared.request
        key = request.guest, request.disks, request.target
        self._seem_to_move(
            request.guest,
            request.disks,
            request.source,
            request.target,
            self._room.get(key, 0),
        )
        return f"dry-run:{request.guest}:{','.join(request.disks)}:{request.target}"

    def _seem_to_move(self, guest: str, disks: Sequence[str], source: str, target: str, room: int) -> None:
        self._places.update({(guest, disk): target for disk in disks})
        self._left.add(source)
        freed = sum(self._taken.pop((guest, disk), 0) for disk in disks)
        self._gained[source] = self._gained.get(source, 0) - freed
        self._gained[target] = self._gained.get(target, 0) + room
        # Disks that have moved together go on together.
        self._taken[guest, disks[0]] = room

    def find_disk_move(self, request: DiskMoveRequest) -> str | None:
        return self._platform.find_disk_move(request)

    def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
        return {
            task: DiskMoveState(state="migrated", percent=100, moved=request.disks)
            for task, request in tasks.items()
        }

    def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
        """None: nothing is copied."""
        return ()

    def cancel_disk_move(self, task: str) -> None:
        """Do nothing: no move is running."""
