# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the datastores: how full each is, was and may be, and every disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .._model.plan import StoragePlan
from .._model.policy.storage import StoragePolicy
from .disk_scene import disk_scene
from .given import Given
from .pictures.hosts import MANY
from .section import Section
from .storage import PlaceView, StorageView, storage_of
from .texts import count, percent, size

# More datastores than these are in the table only, and more disks are counted.
MAX_PLACES: Final = 60
MAX_DISKS: Final = 500
# Up to here they stand in the order of the cluster; above, what changes or is wrong comes first.
FEW: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """The bar of one datastore: positions in percent of its width, None for unknown ones. limit: where the
    allowed use ends; grown: where it would be if all thin disks had grown.
    """

    place: PlaceView
    before: float | None
    after: float | None
    limit: float | None
    grown: float | None
    change: str
    details: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastores:
    """more_meters: datastores that are in the table only; more_disks: disks that are not listed; drawn:
    whether the script draws each disk on its datastore.
    """

    lead: str
    limits: str
    proof: str
    meters: tuple[Meter, ...]
    more_meters: int
    changes: bool
    has_limit: bool
    has_growth: bool
    heads: tuple[object, ...]
    rows: tuple[tuple[str, ...], ...]
    disk_heads: tuple[object, ...]
    disks: tuple[tuple[str, ...], ...]
    more_disks: int
    label: str
    drawn: bool
    size: str


def datastores(given: Given) -> Section | None:
    storage = storage_of(given)
    if storage is None:
        return None
    changes = storage.changes != "none"
    meters = [_meter(place, storage, changes) for place in _in_order(storage)]
    disks = tuple(_disk_rows(storage))
    scene = disk_scene(given, storage)
    return Section(
        id="datastores",
        title="Datastores, before and after" if changes else "Datastores",
        template="datastores.j2",
        data=Datastores(
            lead=_lead(storage),
            limits=_limits(storage.policy),
            proof=proof_in_words(given.plan.storage) if given.plan and given.plan.storage else "",
            meters=tuple(meters[:MAX_PLACES]),
            more_meters=max(0, len(meters) - MAX_PLACES),
            changes=changes,
            has_limit=any(meter.limit is not None for meter in meters),
            has_growth=any(meter.grown is not None for meter in meters),
            heads=_heads(changes),
            rows=tuple(_rows(storage, changes)),
            disk_heads=("Guest", "Disk", "Datastore", ("Size", "num"), ("Takes", "num"), "Why it stays"),
            disks=disks[:MAX_DISKS],
            more_disks=max(0, len(disks) - MAX_DISKS),
            label="after" if changes else "now",
            drawn=scene is not None,
            size="many" if len(storage.places) > MANY else "few",
        ),
        script=scene,
    )


def proof_in_words(plan: StoragePlan) -> str:
    """How few bytes the plan copies, against what is proven."""
    proof = plan.proof
    if not plan.moves:
        return ""
    copied = f"The plan copies {size(proof.bytes)}"
    if proof.optimal:
        return f"{copied}, and no plan can reach as much with fewer bytes: this is proven ({proof.method})."
    if proof.bytes_lower_bound:
        more = 100.0 * (proof.bytes - proof.bytes_lower_bound) / proof.bytes_lower_bound
        return (
            f"{copied}, the fewest that were found. Any plan needs at least {size(proof.bytes_lower_bound)}, "
            f"so this is at most {more:.1f} % above the fewest ({proof.method})."
        )
    return f"{copied}. {proof.method[:1].upper()}{proof.method[1:]}."


def _lead(storage: StorageView) -> str:
    unknown = [place for place in storage.places if place.percent[0] is None]
    parts = ["Each bar is a datastore, filled as far as it is in use."]
    if storage.changes == "run":
        parts.append("After is where the run has left the disks, by what was seen of each.")
    if storage.policy is not None and storage.policy.growth:
        parts.append(
            f"{storage.policy.growth:g} % of what thin disks may still grow count as in use (storage.growth)."
        )
    if unknown:
        what = f"{count(len(unknown), 'datastore')} {'has' if len(unknown) == 1 else 'have'}"
        parts.append(f"{what} no known capacity or free space.")
    return " ".join(parts)


def _limits(policy: StoragePolicy | None) -> str:
    if policy is None:
        return ""
    parts = [f"at most {policy.utilisation:g} % in use"]
    if policy.reserve:
        parts.append(f"{size(policy.reserve)} kept free on each")
    if policy.latency is not None:
        parts.append(f"a latency of at most {policy.latency:g} ms")
    if policy.max_spread is not None:
        parts.append(f"at most {policy.max_spread:g} points between the fullest and the emptiest")
    parts.append(f"at least {policy.min_difference:g} points between source and target of a move for space")
    return f"The policy: {'; '.join(parts)}."


def _in_order(storage: StorageView) -> list[PlaceView]:
    places = [*storage.places]
    if len(places) <= FEW:
        return places

    def matters(place: PlaceView) -> tuple[int, float]:
        fullest = max(value or 0.0 for value in place.percent)
        if any(place.too_full) or place.leaves:
            return 0, -fullest
        if place.percent[0] != place.percent[1] or place.disks[0] != place.disks[1]:
            return 1, -fullest
        return (2 if place.remarks else 3), -fullest

    return sorted(places, key=matters)


def _meter(place: PlaceView, storage: StorageView, changes: bool) -> Meter:
    before, after = place.percent
    grown = place.grown[1 if changes else 0]
    if not changes:
        after = before
    return Meter(
        place=place,
        before=_at(before),
        after=_at(after),
        limit=_at(place.limit) if place.judged else None,
        grown=_at(grown) if grown is not None and after is not None and grown > after + 0.5 else None,
        change=_change(before, after) if changes else percent(before),
        details=tuple(_details(place, changes)),
        tags=tuple(_tags(place, storage, changes)),
    )


def _at(value: float | None) -> float | None:
    return None if value is None else round(max(0.0, min(100.0, value)), 2)


def _change(before: float | None, after: float | None) -> str:
    was, will = percent(before), percent(after)
    return was if was == will else f"{was} → {will}"


def _details(place: PlaceView, changes: bool) -> Iterator[str]:
    used = place.used[1 if changes else 0]
    if place.capacity is None:
        yield "capacity unknown"
    elif used is None:
        yield size(place.capacity)
    else:
        yield f"{size(max(0, place.capacity - used))} of {size(place.capacity)} free"
    before, after = place.disks
    if changes and after is not None and after != before:
        yield f"{before} → {count(after, 'disk')}"
    else:
        yield count(before, "disk")
    if place.latency is not None:
        yield f"{place.latency:g} ms"
    grown = place.grown[1 if changes else 0]
    if grown is not None and grown >= 100.5:
        yield f"{grown:.0f} % if grown"


def _tags(place: PlaceView, storage: StorageView, changes: bool) -> Iterator[tuple[str, str]]:
    before, after = place.too_full
    if before and after:
        yield ("stays above its limit" if changes else "above its limit"), "bad" if changes else "warn"
    elif before and changes and place.percent[1] is not None:
        yield "gets below its limit", "good"
    elif before:
        yield "above its limit", "warn"
    elif after and changes:
        yield "gets above its limit", "bad"
    most = storage.policy.latency if storage.policy else None
    if most is not None and place.latency is not None and place.latency > most:
        yield "too slow", "warn"
    if place.leaves:
        left = place.disks[1] if changes else place.disks[0]
        if not left:
            yield ("becomes empty" if place.disks[0] else "is empty"), "good"
        elif left is not None:
            stays = "to be emptied" if storage.policy else "in maintenance"
            yield f"{count(left, 'disk')} left on it" if changes else stays, "warn"


def _heads(changes: bool) -> tuple[object, ...]:
    ends = ("before", "after") if changes else ("",)

    def both(name: str) -> list[object]:
        return [(f"{name} {end}".strip(), "num") for end in ends]

    return (
        "Datastore",
        "What it is",
        ("Capacity", "num"),
        *both("In use"),
        *both("Percent"),
        ("Limit", "num"),
        *both("If all had grown"),
        *both("Disks"),
        ("Latency before" if changes else "Latency", "num"),
        "Remark",
    )


def _rows(storage: StorageView, changes: bool) -> Iterator[tuple[str, ...]]:
    ends = (0, 1) if changes else (0,)
    for place in storage.places:
        yield (
            place.name,
            place.says,
            _bytes(place.capacity),
            *(_bytes(place.used[end]) for end in ends),
            *(percent(place.percent[end]) for end in ends),
            "" if place.limit is None else f"{place.limit:.1f} %",
            *(percent(place.grown[end]) for end in ends),
            *("unknown" if (disks := place.disks[end]) is None else str(disks) for end in ends),
            "" if place.latency is None else f"{place.latency:g} ms",
            "; ".join(place.remarks),
        )


def _bytes(amount: int | None) -> str:
    return "unknown" if amount is None else size(amount)


def _disk_rows(storage: StorageView) -> Iterator[tuple[str, ...]]:
    """Every disk: those that move, those that can't be moved, and the others."""
    if storage.problem is None or storage.snapshot is None:
        return
    problem = storage.problem
    found: list[tuple[int, tuple[str, ...]]] = []
    ends = storage.ends
    for unit in problem.units:
        home = problem.places[unit.home].datastore
        for part in unit.parts:
            guest = problem.guests[part.guest]
            known = {disk.id or "": disk for disk in guest.disks}
            for name in part.disks:
                disk = known.get(name)
                end = ends.get((guest.id, name), home.id)
                way = storage.name(home.id)
                if end != home.id:
                    way = f"{way} → {storage.name(end)}"
                found.append(
                    (
                        0 if end != home.id else 1 if unit.fixed else 2,
                        (
                            f"{guest.name} ({guest.id})" if guest.id != guest.name else guest.name,
                            name or "without an id",
                            way,
                            _bytes(disk.size if disk else None),
                            _bytes(disk.used if disk else None),
                            unit.fixed if end == home.id else "",
                        ),
                    )
                )
    found.sort(key=lambda row: row[0])
    yield from (row for _rank, row in found)
