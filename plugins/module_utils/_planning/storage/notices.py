# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people should know of the disks that a plan is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..._model.disk_moves import taken_by
from ..._model.snapshot import Disk, DiskRefusal
from ..._model.text.wording import counted, listed
from ..model.refusals import RefusedDisks
from .disk_index import DiskIndex
from .problem import Place
from .rules import counts_for_rules
from .staying import is_unsized

MAX_NAMES = 5
MAX_REFUSALS = 10
GIB = 1024**3


def disk_notices(index: DiskIndex, places: Sequence[Place]) -> Iterator[str]:
    """What is estimated, and which disks stay for reasons that the policy does not name."""
    for place in places:
        if place.judged and place.datastore.arriving:
            yield (
                f"datastore {place.datastore.name}: {place.datastore.arriving / GIB:.1f} GiB more count as "
                "in use, because another run is moving disks to it"
            )
    for number, place in enumerate(places):
        if place.estimated is not None and place.judged:
            many = sum(taken_by(disk) is None for _guest, disk in index.on.get(number, ()))
            yield (
                f"datastore {place.datastore.name}: {counted(many, 'disk')} "
                f"{'counts' if many == 1 else 'count'} with {100 * place.estimated:.0f} % of the size, "
                "because the platform does not report what is written; their moves count as the whole size, "
                "and free nothing until they are measured"
            )
    unsized = _names(index, lambda disk: is_unsized(disk) and counts_for_rules(disk))
    if unsized:
        yield f"disks of unknown size stay where they are: {listed(unsized, MAX_NAMES)}"
    lost = [
        f"{disk.datastore} of {guest.name}"
        for guest, homes in zip(index.guests, index.homes, strict=True)
        for disk, home in zip(guest.disks, homes, strict=True)
        if home is None and counts_for_rules(disk)
    ]
    if lost:
        names = listed(lost, MAX_NAMES)
        yield f"disks on datastores that the cluster does not list stay where they are: {names}"
    largest = max((place.capacity for place in places), default=0)
    large = _names(index, lambda disk: (disk.size or 0) > largest > 0)
    if large:
        yield f"disks larger than every datastore: {listed(large, MAX_NAMES)}"


def refusal_notices(index: DiskIndex, refused: RefusedDisks) -> Iterator[str]:
    """What the platform refused to move where a short while ago."""
    guests = {guest.id: guest for guest in index.guests}
    names = {place.id: place.name for place in index.datastores}
    found: dict[DiskRefusal, list[str]] = {}
    for (guest, disk, datastore), refusal in refused.items():
        known = guest in guests and any(one.id == disk for one in guests[guest].disks)
        if known and datastore in names:
            found.setdefault(refusal, []).append(disk)
    texts = [
        f"the platform refuses to move {listed(disks, MAX_NAMES)} of {guests[refusal.guest].name} to"
        f" {names[refusal.datastore]}: {refusal.why}; planned around it"
        for refusal, disks in found.items()
    ]
    yield from texts[:MAX_REFUSALS]
    if len(texts) > MAX_REFUSALS:
        yield f"{len(texts) - MAX_REFUSALS} more refusals to move disks are planned around"


def _names(index: DiskIndex, is_meant: Callable[[Disk], bool]) -> list[str]:
    return [
        f"{disk.id or disk.datastore} of {guest.name}"
        for guest in index.guests
        for disk in guest.disks
        if is_meant(disk)
    ]
