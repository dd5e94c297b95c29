# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves of disks of a run, and the conditions under which they are run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..._model.datastores import datastores_of
from ..._model.disk_moves import taken_by
from ..._model.plan import DiskMove, Plan
from ..._model.snapshot import ClusterRef, Snapshot, StorageRule
from ..._platforms.storage_protocol import DiskMoveRequest
from ..job import DISK_PATIENCE
from .policy_check import PoliciesKept, policies_kept

# The space of datastores is measured more often than the memory of hosts.
MAX_SETTLING_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMoveJob:
    """Moves of disks of one cluster in a safe order, and how full a datastore may get. `reach` are the hosts
    that have a datastore, by its id, `sizes` the sizes of disks by guest and disk, `taken` the bytes that
    they take where they are, as far as they are known, and `names` say how people know hosts, by id.
    `timeout` is the time limit of one move, None for one that its estimate suggests. `settling_seconds`: for
    how long after a move the platform may show the space of before it. `rules` must hold; disks that are
    `ignored` by them, by guest and disk, are no disks of the guest's own. `policies`: which storage policies
    of the platform are kept.
    """

    cluster: ClusterRef
    moves: Sequence[DiskMove]
    utilisation: float = 100.0
    reserve: int = 0
    reach: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sizes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    last_step: int = 0
    settling_seconds: float = MAX_SETTLING_SECONDS
    rules: Sequence[StorageRule] = ()
    ignored: frozenset[tuple[str, str]] = frozenset()
    policies: PoliciesKept = "all"

    def name(self, host: str) -> str:
        return self.names.get(host, host)

    def seconds_allowed(self, move: DiskMove, least: float) -> float:
        """After how long a move is cancelled."""
        return self.timeout if self.timeout is not None else max(least, DISK_PATIENCE * move.seconds)

    def room_for(self, move: DiskMove, disks: Collection[str]) -> int:
        """What those of its disks need on the target that are not there yet."""
        sizes = [self.sizes.get((move.guest.id, disk)) for disk in move.disks]
        whole = sum(size or 0 for size in sizes)
        if len(disks) == len(move.disks) or None in sizes or not whole:
            return move.room
        left = sum(size or 0 for disk, size in zip(move.disks, sizes, strict=True) if disk in disks)
        return move.room * left // whole

    def bytes_of(self, move: DiskMove, disks: Collection[str]) -> int:
        """What is copied for those of its disks."""
        return move.bytes * self.room_for(move, disks) // move.room if move.room else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSlots:
    """Moves at the same time off and onto one datastore together, in the whole cluster, and bytes that are
    being copied (None: no limit).
    """

    per_datastore: int
    cluster: int | None = None
    bytes: int | None = None

    def allows(self, move: DiskMove, underway: Collection[DiskMove]) -> bool:
        """Whether a move may start beside those under way. No guest has two."""
        if any(other.guest.id == move.guest.id for other in underway):
            return False
        if self.cluster is not None and len(underway) >= self.cluster:
            return False
        for datastore in (move.source, move.target):
            if sum(datastore in (other.source, other.target) for other in underway) >= self.per_datastore:
                return False
        if self.bytes is None or not underway:
            # One that is larger than the limit on its own must be able to go alone.
            return True
        return sum(other.bytes for other in underway) + move.bytes <= self.bytes


def request_for(move: DiskMove, host: str) -> DiskMoveRequest:
    """`host` is where the guest is now."""
    return DiskMoveRequest(
        guest=move.guest.id, host=host, disks=move.disks, source=move.source, target=move.target
    )


def disk_move_job(
    plan: Plan,
    snapshot: Snapshot,
    names: Mapping[str, str],
    *,
    timeout: float | None,
    last_step: int,
    settling_seconds: float,
    rules: Sequence[StorageRule] = (),
) -> DiskMoveJob | None:
    """The moves of disks of a plan, for the cluster as it is; None when it has none. `rules` are those of the
    cluster as it is now.
    """
    if plan.storage is None or not plan.storage.moves:
        return None
    policy = plan.policy.storage
    return DiskMoveJob(
        cluster=plan.cluster,
        moves=plan.storage.moves,
        utilisation=100.0 if policy is None else policy.utilisation,
        reserve=0 if policy is None else policy.reserve,
        reach={place.id: frozenset(place.hosts) for place in datastores_of(snapshot)},
        sizes={
            (guest.id, disk.id): disk.size
            for guest in snapshot.guests
            for disk in guest.disks
            if disk.id is not None and disk.size is not None
        },
        taken={
            (guest.id, disk.id): taken
            for guest in snapshot.guests
            for disk in guest.disks
            if disk.id is not None and (taken := taken_by(disk)) is not None
        },
        names=names,
        timeout=timeout,
        last_step=last_step,
        settling_seconds=min(settling_seconds, MAX_SETTLING_SECONDS),
        rules=rules,
        ignored=frozenset(
            (guest.id, disk.id)
            for guest in snapshot.guests
            for disk in guest.disks
            if disk.id is not None and "cdrom" in disk.blockers
        ),
        policies=policies_kept(policy),
    )
