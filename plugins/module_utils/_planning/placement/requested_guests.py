# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests that a request means, one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._model.errors import InputError
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.snapshot import Guest, Snapshot

NEW = "new:"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGuest:
    """One guest that is wanted. `guest` is what it will be, on no host yet; `known` what there is of it
    already, a guest of its name that exists or that capacity is held for.
    """

    request: int
    wanted: WantedVm
    guest: Guest
    known: Guest | None


def requested_guests(snapshot: Snapshot, request: PlacementRequest) -> tuple[NewGuest, ...]:
    """Every guest in the order of the request. Raises InputError for a name that comes twice, in the request
    or in the cluster.
    """
    found: list[NewGuest] = []
    seen: set[str] = set()
    named: list[tuple[int, str, WantedVm]] = []
    for index, wanted in enumerate(request.vms):
        for name in names_of(wanted):
            if name in seen:
                raise InputError(f"request.vms[{index}].name", name, "unique among the guests of the request")
            seen.add(name)
            named.append((index, name, wanted))
    there = _present(snapshot, seen)
    for index, name, wanted in named:
        same = there.get(name, [])
        if len(same) > 1:
            ids = ", ".join(guest.id for guest in same[:10])
            raise InputError(
                f"request.vms[{index}].name",
                name,
                "a name that at most one guest has",
                hint=f"In cluster {snapshot.cluster.name} there are {ids}",
            )
        known = same[0] if same else None
        found.append(NewGuest(request=index, wanted=wanted, guest=_guest(name, wanted), known=known))
    return tuple(found)


def names_of(wanted: WantedVm) -> list[str]:
    """Its name, or with a count of more than one its numbered names."""
    digits = re.search("#+", wanted.name)
    if digits is None and wanted.count == 1:
        return [wanted.name]
    numbers = range(wanted.first, wanted.first + wanted.count)
    if digits is None:
        return [f"{wanted.name}{number}" for number in numbers]
    start, end = digits.span()
    return [f"{wanted.name[:start]}{str(number).zfill(end - start)}{wanted.name[end:]}" for number in numbers]


def _present(snapshot: Snapshot, names: set[str]) -> Mapping[str, Sequence[Guest]]:
    found: dict[str, list[Guest]] = {}
    for guest in snapshot.guests:
        if guest.name in names:
            found.setdefault(guest.name, []).append(guest)
        elif guest.id in names:
            found.setdefault(guest.id, []).append(guest)
    return found


def _guest(name: str, wanted: WantedVm) -> Guest:
    return Guest(
        id=f"{NEW}{name}",
        name=name,
        kind="vm",
        host=NEW,
        power="running",
        assigned={"cpu": wanted.cpu, "memory": wanted.memory},
        used=dict(wanted.used),
        networks=wanted.networks,
        tags=wanted.tags,
        migratable=False,
        blockers=("new",),
    )
