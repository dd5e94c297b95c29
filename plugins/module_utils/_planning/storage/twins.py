# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores that may be one place under two names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..._model.disk_moves import taken_by
from ..._model.snapshot import Datastore, Disk


def twins_of(
    datastores: Sequence[Datastore], disks: Mapping[int, Sequence[tuple[int, Disk]]]
) -> dict[str, str]:
    """By id, another datastore that may be the same place under another name: all that is known of both is
    the same, and what is used would hold the disks of both.
    """
    groups: dict[object, list[int]] = {}
    for number, place in enumerate(datastores):
        if place.capacity and place.free is not None and place.free < place.capacity:
            key = (place.capacity, place.free, place.type, place.shared, frozenset(place.hosts))
            groups.setdefault(key, []).append(number)
    found: dict[str, str] = {}
    for group in groups.values():
        if len(group) < 2:
            continue
        used = (datastores[group[0]].capacity or 0) - (datastores[group[0]].free or 0)
        held = {
            number: sum(taken_by(disk) or 0 for _guest, disk in disks.get(number, ())) for number in group
        }
        if not any(disks.get(number) for number in group) or sum(held.values()) > used:
            continue
        for number in group:
            other = next(one for one in group if one != number)
            found[datastores[number].id] = datastores[other].id
    return found
