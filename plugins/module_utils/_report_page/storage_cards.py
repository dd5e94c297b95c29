# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the datastores add to the answers of the first questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from .._model.outcome import Outcome
from .._model.plan import StoragePlan
from .._planning.report.unresolved import is_complete
from .disk_timeline import DiskTimeline
from .given import Given
from .storage import PlaceView, StorageView, disk_steps
from .texts import count, duration, listed, percent, size

# What a card says of datastores one by one, the first few.
MOST: Final = 4
KINDS: Final[Mapping[str, str]] = {
    "rule": "to restore rules for disks",
    "evacuate": "to empty datastores",
    "placement": "to where storage.placement allows",
    "space": "off datastores that are too full",
    "latency": "off datastores that are too slow",
    "level": "to level the datastores",
    "parking": "to another datastore for a while",
    "manual": "by hand",
    "rollback": "to undo earlier ones",
}
Said = tuple[str, str]
"""A figure and its words."""


def wrong_datastores(storage: StorageView) -> Iterator[Said]:
    """What is out of order now."""
    full = [place for place in storage.places if place.too_full[0]]
    full.sort(key=lambda place: -(place.percent[0] or 0.0))
    for place in full[:MOST]:
        yield place.name, f"is at {percent(place.percent[0])}, above its limit of {percent(place.limit)}"
    if len(full) > MOST:
        yield count(len(full) - MOST, "more datastore"), "above the limit"
    leaving = [place for place in storage.places if place.leaves and place.disks[0]]
    for place in leaving[:MOST]:
        yield place.name, f"to be emptied, with {count(place.disks[0], 'disk')}: {place.leaves}"
    if len(leaving) > MOST:
        yield count(len(leaving) - MOST, "more datastore"), "to be emptied"
    yield from _wrong_io(storage)
    most = storage.policy.max_spread if storage.policy else None
    for before, _after in storage.spread:
        if most is not None and before > most:
            yield f"{before:.1f} points", f"of space between datastores; {most:g} are allowed"
    broken = [violation.rule for violation in storage.before.violations if violation.strict]
    if broken:
        yield count(len(broken), "rule for disks", "rules for disks"), f"violated: {listed(broken)}"
    soft = [violation.rule for violation in storage.before.violations if not violation.strict]
    if soft:
        yield count(len(soft), "soft rule for disks", "soft rules for disks"), f"not kept: {listed(soft)}"
    unknown = [place.name for place in storage.places if place.percent[0] is None]
    if unknown:
        text = f"without a known capacity or free space: {listed(unknown)}"
        yield count(len(unknown), "datastore"), text


def _wrong_io(storage: StorageView) -> Iterator[Said]:
    most = storage.policy.latency if storage.policy else None
    if most is None:
        return
    slow = [place for place in storage.places if place.latency is not None and place.latency > most]
    if slow:
        names = listed([f"{place.name} ({place.latency:g} ms)" for place in slow])
        yield count(len(slow), "datastore"), f"slower than {most:g} ms: {names}"


def work_lines(plan: StoragePlan, timeline: DiskTimeline | None) -> Iterator[Said]:
    """What is to be done with disks."""
    for kind, number in Counter(move.kind for move in plan.moves).most_common():
        yield str(number), KINDS.get(kind, kind)
    waves = len({move.wave for move in plan.moves})
    yield size(plan.proof.bytes), f"of disks are copied, in {count(waves, 'wave')}"
    if timeline is not None and timeline.estimated is not None:
        yield duration(timeline.estimated), "is the estimated time of the disk moves"


def result_lines(given: Given, outcome: Outcome) -> Iterator[Said]:
    """What became of the disk moves of `outcome`, those that were undone left out."""
    words = {
        "migrated": ("disk move done", "disk moves done"),
        "already_there": ("disk move was done before", "disk moves were done before"),
        "failed": ("disk move failed", "disk moves failed"),
        "refused": ("disk move refused by the platform", "disk moves refused by the platform"),
        "cancelled": ("disk move cancelled", "disk moves cancelled"),
        "skipped": ("disk move skipped", "disk moves skipped"),
        "planned": ("disk move not started", "disk moves not started"),
    }
    planned, _ended = disk_steps(given)
    for result, (one, many) in words.items():
        found = [move for move in outcome.disk_moves if move.result == result]
        if not found:
            continue
        copied = sum(planned[move.step].bytes for move in found if move.step in planned)
        tail = f", {size(copied)} copied" if result == "migrated" and copied else ""
        yield str(len(found)), f"{one if len(found) == 1 else many}{tail}"


def left_behind(outcome: Outcome) -> list[str]:
    """Copies that no guest uses any more, by their exact names."""
    return [name for move in outcome.disk_moves for name in move.left_behind]


def gains(storage: StorageView) -> Iterator[Said]:
    """What changes for the datastores that were wrong, and for the fullest one."""
    shown = 0
    for place in storage.places:
        if place.leaves and place.disks[0]:
            yield _arrow(place.disks[0], place.disks[1]), f"disks on {place.name}"
            shown += 1
    full = [place for place in storage.places if place.too_full[0] and not place.leaves]
    full.sort(key=lambda place: -(place.percent[0] or 0.0))
    for place in full[: max(1, MOST - shown)]:
        was, will = map(percent, place.percent)
        if was == will:
            yield was, f"of {place.name} in use, as before"
        else:
            yield f"{was} → {will}", f"of {place.name} in use"
    rest = len(full) - max(1, MOST - shown)
    if rest > 0:
        done = sum(not place.too_full[1] for place in full)
        yield f"{done} of {len(full)}", "datastores that were above their limit get below it"
    if not full:
        yield from _fullest(storage)
    for before, after in storage.spread:
        yield f"{before:.1f} → {_number(after)}", "points of space between datastores"
    if storage.before.violations or storage.after.violations:
        broken = f"{len(storage.before.violations)} → {len(storage.after.violations)}"
        yield broken, "violated rules for disks"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"


def _arrow(before: int, after: int | None) -> str:
    return f"{before} → {'unknown' if after is None else after}"


def _fullest(storage: StorageView) -> Iterator[Said]:
    ends = []
    for end in (0, 1):
        known: list[tuple[float, PlaceView]] = [
            (value, place) for place in storage.places if (value := place.percent[end]) is not None
        ]
        ends.append(max(known, key=lambda one: one[0], default=None))
    before, after = ends
    if before is not None and after is not None:
        text = f"of the fullest datastore in use ({before[1].name}"
        text += ")" if before[1] is after[1] else f", then {after[1].name})"
        yield f"{percent(before[0])} → {percent(after[0])}", text


def verdict(storage: StorageView, plan: StoragePlan | None) -> tuple[bool, str]:
    """Whether the datastores are in order in the end, and in words what counts most."""
    if any(place.leaves and place.disks[1] for place in storage.places):
        left = sum(place.disks[1] or 0 for place in storage.places if place.leaves)
        return False, f"{count(left, 'disk')} left on datastores to be emptied"
    if any(place.disks[1] is None or (place.judged and place.percent[1] is None) for place in storage.places):
        return False, "Not known without the snapshot"
    full = [place.name for place in storage.places if place.too_full[1]]
    if full:
        return False, f"{listed(full)} still above {'its' if len(full) == 1 else 'their'} limit"
    broken = len(storage.after.violations)
    if broken:
        return False, f"{count(broken, 'rule')} for disks still violated"
    most = storage.policy.max_spread if storage.policy else None
    if most is not None and any(after is None or after > most for _before, after in storage.spread):
        return False, "The datastores are still uneven"
    if plan is not None and storage.changes == "planned" and not is_complete(plan.unresolved):
        return False, "Not everything in order"
    emptied = [place.name for place in storage.places if place.leaves and place.disks[0]]
    if emptied:
        return True, f"{listed(emptied)} empty"
    return True, "Every datastore within its limit"


PROMISES: Final[tuple[Said, ...]] = (
    (
        "Space",
        "no datastore that takes disks gets above its limit at any moment: a copy counts from its "
        "start, and the old one until it is deleted",
    ),
    ("Disks", "each goes to a datastore that the host of its guest has and that may hold it"),
)


def proof_lines(plan: StoragePlan) -> Iterator[Said]:
    """How few bytes are copied, against what is proven."""
    proof = plan.proof
    if proof.optimal:
        yield size(proof.bytes), "copied: no plan can do it with fewer bytes"
    elif proof.bytes_lower_bound:
        yield size(proof.bytes), "copied are the fewest that were found"
        yield size(proof.bytes_lower_bound), "at least are needed by any plan: this is proven"
    else:
        yield "No bound", "on the bytes copied: something, or a preference, stays out of order"
        return
    yield "Proof:", proof.method
