# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage policies that the platform keeps for disks: which datastores comply with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..._model.snapshot import Disk, Snapshot
from ..._model.text.wording import listed
from .rules import counts_for_rules

UNKNOWN = "storage_policy_unknown"
MAX_NAMES = 5


def without_storage_policies(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which the platform keeps none, known or not."""

    def freed(disk: Disk) -> Disk:
        if disk.targets is None and UNKNOWN not in disk.blockers:
            return disk
        blockers = tuple(blocker for blocker in disk.blockers if blocker != UNKNOWN)
        return replace(disk, targets=None, storage_policy=None, blockers=blockers)

    guests = tuple(
        replace(guest, disks=tuple(freed(disk) for disk in guest.disks)) for guest in snapshot.guests
    )
    return replace(snapshot, guests=guests)


def datastores_by_policy(snapshot: Snapshot) -> dict[str, frozenset[str] | None]:
    """By name of each storage policy that a disk has: ids of the datastores that comply; None for all."""
    disks: dict[str, list[Disk]] = {}
    for guest in snapshot.guests:
        for disk in guest.disks:
            if disk.storage_policy is not None:
                disks.setdefault(disk.storage_policy, []).append(disk)
    return {policy: complying(found) for policy, found in disks.items()}


def complying(disks: Iterable[Disk]) -> frozenset[str] | None:
    """Ids of the datastores that may have all of these disks; None for any."""
    found: frozenset[str] | None = None
    for disk in disks:
        if disk.targets is not None:
            found = frozenset(disk.targets) if found is None else found.intersection(disk.targets)
    return found


def violated(disks: Iterable[Disk], place: str) -> str:
    """The storage policies of these disks with which a datastore (by id) does not comply, in words; an empty
    text for none.
    """
    found = [
        disk
        for disk in disks
        if disk.targets is not None and place not in disk.targets and counts_for_rules(disk)
    ]
    if not found:
        return ""
    names = sorted({disk.storage_policy for disk in found if disk.storage_policy})
    if not names:
        return "the storage policy of the disk"
    return f"storage {'policy' if len(names) == 1 else 'policies'} {listed(names, MAX_NAMES)}"
