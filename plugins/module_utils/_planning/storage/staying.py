# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a disk stays on its datastore, whatever there is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from ..._model.blockers import in_words
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Disk, Guest
from ..model.cooldown import PauseAfterFailure
from .disk_index import DiskIndex
from .problem import Barred, Place
from .rules import NO_DATA

LEFT_OUT = "its move is left out by choice"
# Blockers of a guest that keep its disks where they are, too.
OF_DISKS = frozenset(
    {
        "being_migrated",
        "disconnected",
        "inaccessible",
        "invalid",
        "locked",
        "not_readable",
        "orphaned",
        "template",
        "vsphere_pod",
    }
)


class Staying:
    """Each answer is a text, empty for disks that may move."""

    def __init__(
        self, index: DiskIndex, storage: StoragePolicy, barred: Barred, pause: PauseAfterFailure | None
    ) -> None:
        self.index, self.barred, self.allowed = index, barred, storage.allow_blockers
        self.pause = pause

    def guest_stays(self, guest: Guest, place: Place) -> str:
        """Why no disk of a guest may leave this datastore."""
        if guest.id in self.barred.guests:
            return "storage.exclude.guests selects it"
        if not place.gives:
            if place.alone:
                return f"its datastore is left alone: {place.alone}"
            return "storage.exclude.sources selects its datastore"
        if guest.platform_managed:
            return "the platform runs it for its own sake"
        if guest.migrating_to is not None:
            return "it is being migrated at this moment"
        if guest.power == "unknown":
            return "its power state is not known"
        host = self.index.hosts[guest.host]
        if host.status != "online":
            return f"its host {host.name} is not online"
        return in_words([name for name in guest.blockers if name in OF_DISKS and name not in self.allowed])

    def disk_stays(self, guest: Guest, disk: Disk) -> str:
        """Why this one may not leave its datastore, where others of its guest may."""
        if disk.id is None:
            return "the platform does not report by which name it could be moved"
        if is_unsized(disk):
            return "its size is not reported"
        blockers = in_words([name for name in disk.blockers if name not in self.allowed])
        if not blockers and (guest.id, disk.id) in self.barred.kept:
            return LEFT_OUT
        return blockers

    def lot_stays(self, disks: Iterable[Disk], place: Place) -> str:
        """Why disks that move in one step may not leave their datastore yet."""
        return rests(disks, place, self.pause)


def rests(disks: Iterable[Disk], place: Place, pause: PauseAfterFailure | None) -> str:
    """That a move of one of these disks failed a short while ago; an empty text where none did, or where they
    have to leave their datastore because it is to be emptied.
    """
    if pause is None or place.leaves:
        return ""
    failures = [disk.last_failed_at for disk in disks if disk.last_failed_at is not None]
    return pause.reason("a move of it", max(failures, default=None)) or ""


def is_unsized(disk: Disk) -> bool:
    """Whether it is not known what a copy of a disk would take."""
    return disk.size is None and not (disk.id in NO_DATA and disk.used is not None)
