# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What metrics tell of datastores and of the moves of disks between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._model.plan import DatastoreState, StoragePlan
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot
from ..reports.outcome import storage_state

Sample = tuple[Sequence[str], float]


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """A family of samples, each with the values of `labels`."""

    name: str
    text: str
    samples: Sequence[Sample]
    labels: Sequence[str] = ()


def datastore_gauges(
    plan: StoragePlan | None, snapshot: Snapshot | None, summaries: Sequence[Mapping[str, Any]]
) -> Iterator[Gauge]:
    """Each datastore when the run read it, and its use after the run; nothing where none was read. A plan
    counts growth that the policy expects as in use, so that it only stands in for a snapshot.
    """
    if snapshot is not None and snapshot.datastores:
        found: Mapping[str, DatastoreState] = storage_state(snapshot).datastores
    elif plan is not None:
        found = plan.before.datastores
    else:
        return
    before = next(
        (one["datastores_before"] for one in summaries if one.get("datastores_before")),
        {place: one.percent for place, one in found.items()},
    )
    # A run that moves no disk leaves them as they were, and one that could not read the cluster again says
    # nothing of them.
    after = next(
        (one["datastores_after"] or {} for one in reversed(summaries) if "datastores_after" in one), before
    )
    for name, text, percents in (
        ("datastore_used_before_ratio", "Part of a datastore in use before the last run.", before),
        ("datastore_used_ratio", "Part of a datastore in use after the last run.", after),
    ):
        used = [((place,), value / 100) for place, value in percents.items() if value is not None]
        yield Gauge(name=name, text=text, samples=used, labels=("datastore",))
    yield Gauge(
        name="datastore_capacity_bytes",
        text="Capacity of a datastore.",
        samples=[((place,), one.capacity) for place, one in found.items() if one.capacity is not None],
        labels=("datastore",),
    )
    yield Gauge(
        name="datastore_latency_seconds",
        text="Latency of a datastore before the last run, as the platform reports it.",
        samples=[((place,), one.latency / 1000) for place, one in found.items() if one.latency is not None],
        labels=("datastore",),
    )
    yield Gauge(
        name="datastore_disks",
        text="Disks on a datastore before the last run.",
        samples=[((place,), one.disks) for place, one in found.items()],
        labels=("datastore",),
    )


def plan_gauges(plan: StoragePlan, policy: StoragePolicy | None) -> Iterator[Gauge]:
    """The part of a plan that is about datastores, and the limits of its policy."""
    if policy is not None:
        yield Gauge(
            name="datastore_used_max_ratio",
            text="Part of a datastore in use above which disks are moved off it.",
            samples=[((), policy.utilisation / 100)],
        )
        yield Gauge(
            name="datastore_latency_max_seconds",
            text="Latency of a datastore above which disks are moved off it.",
            samples=[] if policy.latency is None else [((), policy.latency / 1000)],
        )
    for name, text, value in (
        ("plan_disk_moves", "Moves of disks in the plan of the last run.", len(plan.moves)),
        ("plan_copied_bytes", "Bytes that the moves of disks in the plan copy.", plan.proof.bytes),
        (
            "plan_copied_bytes_lower_bound",
            "Fewest bytes that any plan copies, as far as is proven.",
            plan.proof.bytes_lower_bound,
        ),
        (
            "plan_storage_optimal",
            "Whether the plan is proven to copy the fewest bytes.",
            float(plan.proof.optimal),
        ),
    ):
        yield Gauge(name=name, text=text, samples=[((), value)])


def disk_gauges(snapshot: Snapshot) -> Iterator[Gauge]:
    """The disks that stay where they are."""
    reasons = Counter(
        blocker for guest in snapshot.guests for disk in guest.disks for blocker in disk.blockers
    )
    yield Gauge(
        name="disks_not_movable",
        text="Disks that cannot be moved, by reason. A disk with two reasons counts twice.",
        samples=[((reason,), count) for reason, count in sorted(reasons.items())],
        labels=("reason",),
    )
