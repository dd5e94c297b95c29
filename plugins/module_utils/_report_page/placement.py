# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section with new guests: where they go, what else would have done, and what has no place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._model.placement import Placement, Search, Unplaced
from .given import Given
from .section import Section
from .texts import count, size


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Hosts that do not fit for one reason: how many, and in percent of all."""

    reason: str
    hosts: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlace:
    """A guest without a place."""

    name: str
    says: str
    refused: tuple[Refused, ...]
    hosts: tuple[tuple[str, ...], ...]
    largest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    heads: tuple[object, ...]
    rows: tuple[tuple[str, ...], ...]
    unplaced: tuple[NoPlace, ...]
    clusters: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def placement(given: Given) -> Section | None:
    found = given.placement
    if found is None:
        return None
    return Section(
        id="placement",
        title="New guests",
        template="placement.j2",
        data=Placements(
            heads=("Guest", "Host", ("vCPUs", "num"), ("Memory", "num"), "State", "Datastores", "As good"),
            rows=tuple(_rows(found)),
            unplaced=tuple(_without_place(unplaced) for unplaced in found.unplaced),
            clusters=tuple(
                (tried.cluster.name, f"{tried.placed} of {tried.wanted}", str(tried.migrations), tried.says)
                for tried in found.clusters
            )
            if len(found.clusters) > 1
            else (),
            notes=found.notes,
        ),
    )


def _rows(found: Placement) -> Iterator[tuple[str, ...]]:
    for placed in found.placements:
        yield (
            placed.name,
            placed.host.name,
            f"{placed.cpu:g}",
            size(placed.memory),
            {"held": "held by a reservation", "present": "exists already"}.get(placed.state, "new"),
            ", ".join(dict.fromkeys(disk.datastore for disk in placed.disks)),
            ", ".join(runner.host.name for runner in placed.runners_up),
        )


def _without_place(unplaced: Unplaced) -> NoPlace:
    search = unplaced.search
    return NoPlace(
        name=unplaced.name,
        says=search.says,
        refused=tuple(_refused(search)),
        hosts=tuple((refusal.name, refusal.reason, refusal.detail) for refusal in search.refusals),
        largest=_largest(unplaced),
    )


def _refused(search: Search) -> Iterator[Refused]:
    for reason, hosts in sorted(search.refused.items(), key=lambda item: (-item[1], item[0])):
        yield Refused(reason=reason, hosts=hosts, share=round(100.0 * hosts / max(1, search.hosts), 1))


def _largest(unplaced: Unplaced) -> str:
    largest = unplaced.largest
    if largest is None:
        return ""
    parts = []
    if largest.memory is not None:
        parts.append(f"with its vCPUs, {size(largest.memory)} of memory")
    if largest.cpu is not None:
        parts.append(f"with its memory, {count(round(largest.cpu), 'vCPU')}")
    return f"The largest guest of its kind that fits has {' or, '.join(parts)}." if parts else ""
