# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks weigh, in bytes: where they are, on the way, and on a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._model.disk_moves import copied_bytes, taken_by
from ..._model.snapshot import Disk
from .problem import Part


@dataclass(frozen=True, slots=True)
class DiskSizes:
    """Disks in bytes. `growth` is the share of what a thin disk has not taken yet that counts as in use."""

    growth: float
    estimated: Mapping[int, float]
    """By place, the share of their size that disks of unknown use take there."""

    def part(self, guest: int, disks: Sequence[Disk], place: int) -> Part:
        """Disks of a guest on a datastore that move in one step, with what they take there and elsewhere."""
        sizes = [self._size(disk) for disk in disks]
        takes = [self.taken(disk, place) for disk in disks]
        return Part(
            guest=guest,
            disks=tuple(disk.id or "" for disk in disks),
            bytes=sum(copied_bytes(disk) for disk in disks),
            weight=sum(take + self.rest(disk, take) for disk, take in zip(disks, takes, strict=True)),
            frees=sum(
                0 if (sure := taken_by(disk)) is None else sure + self.rest(disk, sure) for disk in disks
            ),
            room_thin=sum(
                size
                if disk.used is None or disk.thin is False or disk.copied_whole
                else disk.used + self.rest(disk, disk.used)
                for disk, size in zip(disks, sizes, strict=True)
            ),
            room_full=sum(sizes),
            io=round(sum(disk.disk_io or 0.0 for disk in disks)),
        )

    def taken(self, disk: Disk, place: int) -> int:
        """What a disk takes on a datastore, estimated where that is not reported."""
        sure = taken_by(disk)
        return round((disk.size or 0) * self.estimated.get(place, 1.0)) if sure is None else sure

    def rest(self, disk: Disk, taken: int) -> int:
        """The growth of a disk that counts as in use."""
        if disk.thin is False or not self.growth:
            return 0
        return math.ceil(max(0, (disk.size or 0) - taken) * self.growth / 100)

    def _size(self, disk: Disk) -> int:
        return max(disk.size or 0, disk.used or 0)
