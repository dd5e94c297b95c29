# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that move in one step, and parts that go to one datastore together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..._model.snapshot import Disk
from .problem import Part
from .rules import NO_DATA


def lots(disks: Sequence[Disk], *, together: bool) -> Iterator[Sequence[Disk]]:
    """The disks that move in one step; files that are no disk go along with the largest one."""
    if not disks:
        return
    if together:
        yield disks
        return
    files = [disk for disk in disks if disk.id in NO_DATA]
    others = [disk for disk in disks if disk.id not in NO_DATA]
    if not others:
        yield files
        return
    largest = max(range(len(others)), key=lambda number: (others[number].size or 0, -number))
    for number, disk in enumerate(others):
        yield [disk, *files] if number == largest else [disk]


def merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """One part for each guest: its disks move in one step."""
    by_guest: dict[int, list[Part]] = {}
    for part in parts:
        by_guest.setdefault(part.guest, []).append(part)
    return tuple(
        group[0]
        if len(group) == 1
        else Part(
            guest=guest,
            disks=tuple(disk for part in group for disk in part.disks),
            bytes=sum(part.bytes for part in group),
            weight=sum(part.weight for part in group),
            frees=sum(part.frees for part in group),
            room_thin=sum(part.room_thin for part in group),
            room_full=sum(part.room_full for part in group),
            io=sum(part.io for part in group),
        )
        for guest, group in by_guest.items()
    )
