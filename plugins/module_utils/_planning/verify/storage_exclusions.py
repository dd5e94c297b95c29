# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy excludes, empties, keeps or ignores, as verifiers of plans for datastores take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Disk, Snapshot
from ..._model.text.moments import later

# What a datastore must be able to hold for a guest of a kind, where it says what it may hold.
CONTENT: Mapping[str, str] = {"vm": "images", "container": "rootdir"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageExclusions:
    """Ids that the policy names. emptied: datastores that it wants empty; alone: those that take no part;
    allowed: by guest, where its disks may lie; kept: disks that stay by choice, by guest and id; kept_from:
    those that do not go to one datastore, its id last; retry_refused_after: for how many seconds a move that
    the platform refused is not planned again.
    """

    sources: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    guests: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept: frozenset[tuple[str, str]] = frozenset()
    kept_from: frozenset[tuple[str, str, str]] = frozenset()
    retry_refused_after: float = 0


def refused_moves(snapshot: Snapshot, barred: StorageExclusions) -> frozenset[tuple[str, str, str]]:
    """What does not go to a datastore, because the platform refused to move it there so recently: guest, disk
    and datastore, by id.
    """
    if not barred.retry_refused_after or not snapshot.disk_refusals:
        return frozenset()
    since = later(snapshot.taken_at, -barred.retry_refused_after)
    return frozenset(
        (refusal.guest, disk, refusal.datastore)
        for refusal in snapshot.disk_refusals
        if refusal.at > since
        for disk in refusal.disks
    )


def complies(storage: StoragePolicy, disk: Disk, place: str) -> bool:
    """Whether a datastore complies with the storage policy of a disk, where that counts."""
    return not storage.platform_rules or disk.targets is None or place in disk.targets


def ignored_blockers(storage: StoragePolicy) -> frozenset[str]:
    """The blockers of disks that do not count."""
    unknown = () if storage.platform_rules else ("storage_policy_unknown",)
    return frozenset((*storage.allow_blockers, *unknown))
