# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks that failed in earlier runs, as a snapshot says it by disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import DiskMoveOutcome, Result
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    DiskRefusal,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, now
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.disk_history import (
    DiskMoveRecord,
    RefusedDisks,
    disk_refusals,
    forget_old,
    recall_disk_moves,
    record,
    with_disk_refusals,
    with_failed_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import DISK_HISTORY
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

TAKEN_AT = "2026-11-20T22:30:00Z"
# Moments of the database's clock: five minutes, one minute and half a minute before the snapshot.
FIRST, SECOND, THIRD, MOMENT = 700.0, 940.0, 970.0, 1000.0
AT = {FIRST: "2026-11-20T22:25:00Z", SECOND: "2026-11-20T22:29:00Z", THIRD: "2026-11-20T22:29:30Z"}


def with_disks(*disks: Disk) -> Snapshot:
    """A guest "1" with these disks on a host that has three datastores."""
    snapshot = generate(Shape(hosts=2, guests=2))
    place = HostDatastore(kind="nfs", shared=True, capacity=None, free=None)
    hosts = tuple(replace(host, datastores=dict.fromkeys("abc", place)) for host in snapshot.hosts)
    one, two = snapshot.guests
    return replace(
        snapshot,
        hosts=hosts,
        guests=(replace(one, id="1", disks=disks), replace(two, disks=(disk("scsi0"),))),
        datastores=(),
        taken_at=TAKEN_AT,
    )


def disk(name: str, datastore: str = "a", last_failed_at: str | None = None) -> Disk:
    return Disk(id=name, datastore=datastore, size=1, last_failed_at=last_failed_at)


def end(
    result: Result, *disks: str, moved: tuple[str, ...] = (), source: str = "a", target: str = "b"
) -> DiskMoveOutcome:
    return DiskMoveOutcome(
        step=1,
        guest=GuestRef(id="1", name="web"),
        disks=disks,
        source=source,
        target=target,
        result=result,
        moved=moved,
        ended_at=TAKEN_AT,
    )


def past(database: Database, ends: Mapping[float, DiskMoveOutcome], cluster: str = "c") -> None:
    """Each end as if it had been recorded then."""
    for number, (moment, outcome) in enumerate(ends.items()):
        ended_at = f"2026-11-20T21:00:{number:02}Z"
        record(database, cluster, [replace(outcome, ended_at=ended_at)], None, {})
        change = sa.update(DISK_HISTORY).where(DISK_HISTORY.c.ended_at == ended_at)
        database.transaction(lambda connection: connection.execute(change.values(recorded_at=moment)))  # noqa: B023


def failed(database: Database, snapshot: Snapshot) -> dict[str | None, str | None]:
    merged = with_failed_disk_moves(snapshot, recall_disk_moves(database, "c"), MOMENT)
    one, two = merged.guests
    assert two == snapshot.guests[1]
    assert one.last_failed_at is None
    return {disk.id: disk.last_failed_at for disk in one.disks}


def test_the_last_failure_of_each_disk_counts_by_the_clock_of_the_platform(database: Database) -> None:
    past(database, {SECOND: end("failed", "scsi0", "scsi1"), FIRST: end("failed", "scsi0")})
    snapshot = with_disks(disk("scsi0"), disk("scsi1"), disk("scsi2"), replace(disk("x"), id=None))
    assert failed(database, snapshot) == {"scsi0": AT[SECOND], "scsi1": AT[SECOND], "scsi2": None, None: None}
    assert recall_disk_moves(database, "other") == {}
    assert recall_disk_moves(database, "other", "c").keys() == {"1"}


def test_disks_that_arrived_all_the_same_have_not_failed(database: Database) -> None:
    past(database, {FIRST: end("failed", "scsi0", "scsi1", moved=("scsi1",))})
    assert failed(database, with_disks(disk("scsi0"), disk("scsi1", "b"))) == {
        "scsi0": AT[FIRST],
        "scsi1": None,
    }


@pytest.mark.parametrize("result", ["cancelled", "refused"])
def test_a_move_that_was_cancelled_or_refused_has_not_failed(result: Result, database: Database) -> None:
    past(database, {FIRST: end(result, "scsi0")})
    assert recall_disk_moves(database, "c") == {}


@pytest.mark.parametrize(
    "later", [end("migrated", "scsi0", moved=("scsi0",)), end("cancelled", "scsi0", "x", moved=("scsi0",))]
)
def test_a_move_that_succeeded_since_ends_it_for_its_disks(
    later: DiskMoveOutcome, database: Database
) -> None:
    past(database, {FIRST: end("failed", "scsi0", "scsi1"), SECOND: later})
    # Back on its first datastore, by a move that nothing knows of.
    snapshot = with_disks(disk("scsi0"), disk("scsi1"))
    assert failed(database, snapshot) == {"scsi0": None, "scsi1": AT[FIRST]}
    past(database, {THIRD: replace(end("failed", "scsi0"), target="c")})
    assert failed(database, snapshot)["scsi0"] == AT[THIRD]


def test_a_disk_that_has_left_its_datastore_has_not_failed_to(database: Database) -> None:
    past(database, {FIRST: end("failed", "scsi0", "scsi1", "scsi2")})
    snapshot = with_disks(disk("scsi0", "b"), disk("scsi1", "c"), disk("scsi2", "gone"))
    assert failed(database, snapshot) == {"scsi0": None, "scsi1": None, "scsi2": None}


def test_the_newer_of_both_memories_counts(database: Database) -> None:
    early, late = "2026-11-20T22:20:00Z", "2026-11-20T22:29:40Z"
    past(
        database,
        {
            FIRST: end("failed", "scsi0", "scsi1"),
            SECOND: end("migrated", "scsi2", "scsi3", moved=("scsi2", "scsi3")),
        },
    )
    snapshot = with_disks(
        disk("scsi0", last_failed_at=early),
        disk("scsi1", last_failed_at=late),
        disk("scsi2", "b", last_failed_at=early),
        disk("scsi3", "b", last_failed_at=late),
        disk("scsi4", last_failed_at=early),
    )
    assert failed(database, snapshot) == {
        "scsi0": AT[FIRST],
        "scsi1": late,
        # What the platform says only of the guest is not about disks that have arrived since.
        "scsi2": None,
        "scsi3": late,
        "scsi4": early,
    }


def test_no_past_lies_in_the_future() -> None:
    known = {"1": {"scsi0": DiskMoveRecord(failed_at=MOMENT + 60, failed_from="a")}}
    merged = with_failed_disk_moves(with_disks(disk("scsi0")), known, MOMENT)
    assert merged.guests[0].disks[0].last_failed_at == TAKEN_AT


def test_what_the_platform_refused_is_remembered_by_disk_and_datastore(database: Database) -> None:
    no = replace(end("refused", "scsi0", "scsi1"), why="no")
    past(
        database,
        {
            FIRST: no,
            SECOND: replace(end("refused", "scsi1", target="c"), why="too large"),
            THIRD: replace(no, disks=("scsi1",), why="still no"),
        },
    )
    assert set(disk_refusals(database, "other", "c")) == {
        RefusedDisks("1", ("scsi0",), "b", "no", FIRST),
        RefusedDisks("1", ("scsi1",), "c", "too large", SECOND),
        RefusedDisks("1", ("scsi1",), "b", "still no", THIRD),
    }
    assert disk_refusals(database, "other") == []


def test_a_refusal_is_over_once_the_disk_is_there_all_the_same(database: Database) -> None:
    past(
        database,
        {
            FIRST: end("refused", "scsi0", "scsi1", "scsi2", moved=("scsi2",)),
            SECOND: end("failed", "scsi0", "scsi1", moved=("scsi1",)),
            THIRD: end("migrated", "scsi0", moved=("scsi0",), target="c"),
        },
    )
    assert disk_refusals(database, "c") == [RefusedDisks("1", ("scsi0",), "b", "", FIRST)]


def test_a_snapshot_has_refusals_by_its_own_clock() -> None:
    known = DiskRefusal(guest="2", disks=("scsi0",), datastore="c", why="known", at=TAKEN_AT)
    snapshot = replace(with_disks(disk("scsi0")), disk_refusals=(known,))
    found = with_disk_refusals(snapshot, [RefusedDisks("1", ("scsi0",), "b", "no", SECOND)], MOMENT)
    new = DiskRefusal(guest="1", disks=("scsi0",), datastore="b", why="no", at=AT[SECOND])
    assert found == replace(snapshot, disk_refusals=(known, new))
    assert Snapshot.from_json(found.to_json()) == found


def test_nothing_remembered_changes_nothing() -> None:
    snapshot = with_disks(disk("scsi0", last_failed_at=TAKEN_AT))
    assert with_failed_disk_moves(snapshot, {}, MOMENT) == snapshot
    unknown: Mapping[str, Mapping[str | None, DiskMoveRecord]] = {"gone": {"scsi0": DiskMoveRecord()}}
    assert with_failed_disk_moves(snapshot, unknown, MOMENT) == snapshot


def test_an_end_is_kept_for_as_long_as_a_policy_may_reach_back(database: Database) -> None:
    moment = database.read(now)
    year = 400 * 86_400
    past(database, {moment - year - 60: end("failed", "scsi0"), moment - year + 60: end("failed", "scsi1")})
    forget_old(database, "c", days=1)
    assert recall_disk_moves(database, "c")["1"].keys() == {"scsi1"}
