# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of adapters that move disks between datastores. Errors and threads as in protocol.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from .protocol import Objection


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMoveRequest:
    """Disks of one guest, by id as in the snapshot, from one datastore to another (ids of datastores)."""

    guest: str
    host: str
    disks: tuple[str, ...]
    source: str
    target: str


def breach_of(request: DiskMoveRequest, broken: Sequence[tuple[str, str]]) -> str | None:
    """What `policy_breach` returns where the target does not comply with these policies, each of a disk."""
    if not broken:
        return None
    policies = ", ".join(f"storage policy {policy} of disk {disk}" for policy, disk in broken)
    return f"datastore {request.target} does not comply with {policies}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreNow:
    """A datastore at this moment; `closed_because` is why it takes no disk, or None."""

    capacity: int | None
    free: int | None
    closed_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisksNow:
    """The disks of a guest at this moment: by id the id of the datastore. `busy` names the task or lock that
    holds the guest; `unused` are volumes that belong to it and that it does not use.
    """

    host: str
    disks: Mapping[str, str]
    busy: str | None = None
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageNow:
    """Where disks are at this moment; a guest that is gone is not there. `cluster` as in ClusterNow."""

    cluster: str
    guests: Mapping[str, DisksNow]
    datastores: Mapping[str, DatastoreNow]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDiskMove:
    """The platform's answer about one move: why it would not be started, or None."""

    request: DiskMoveRequest
    objection: Objection | None = None
    details: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMoveState:
    """The state of a started move. `migrated` only when each disk has been seen on the target. `moved`: the
    disks that are there; `left_behind`: copies that no guest uses, once it has ended. `copied`: bytes, where
    the platform reports them.
    """

    state: Literal["running", "migrated", "failed", "cancelled"]
    percent: float | None = None
    copied: int | None = None
    why: str = ""
    moved: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


@runtime_checkable
class StoragePlatform(Protocol):
    """Moves disks of one cluster. A platform that can't has no such part."""

    def look_at_storage(self, guests: Collection[str]) -> StorageNow:
        """The present place of the disks of these guests, and all datastores, in few calls."""

    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        """Why the target does not comply with the storage policies of the disks as they are now, or None.
        Always None on a platform without such policies.
        """

    def prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        """Ask the platform whether it would run this move. Changes nothing."""

    def start_disk_move(self, prepared: PreparedDiskMove) -> str:
        """Start a move that was just prepared; returns the name by which `poll_disk_moves` and
        `cancel_disk_move` know it. Raises StartRefused. Where the platform moves one disk at a time, the
        first is started, and `poll_disk_moves` starts the next.
        """

    def find_disk_move(self, request: DiskMoveRequest) -> str | None:
        """The running move of any of these disks, no matter who started it; None when there is none."""

    def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
        """The state of every given move."""

    def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
        """Copies of these disks on `source`, as `host` has it, that the guest does not use: what a migration
        which took them along, or was to, has left behind. Empty where that can't be read.
        """

    def cancel_disk_move(self, task: str) -> None:
        """Ask the platform to stop a running move; `poll_disk_moves` reports its end."""
