# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs did is found again, and joins what the platform itself remembers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    MigrationOutcome,
    Result,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Refusal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import read_moment, written
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, now
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.history import (
    GuestMove,
    MigrationRecord,
    Refused,
    forget_old,
    moves_since,
    recall,
    record,
    refusals,
    with_history,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import HISTORY
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

NOW = "2026-11-20T22:30:00Z"


def seconds(moment: str) -> float:
    return read_moment(moment).timestamp()


def outcome(guest: str, result: Result, ended_at: str | None = "2026-11-20T22:00:21Z") -> MigrationOutcome:
    return MigrationOutcome(
        step=1,
        guest=GuestRef(id=guest, name=f"name of {guest}"),
        source="a",
        target="b",
        result=result,
        why="" if result == "migrated" else "no space left",
        ended_at=ended_at,
    )


def test_the_newest_end_of_each_kind_is_recalled(database: Database) -> None:
    record(
        database,
        "c",
        [
            outcome("1", "failed"),
            outcome("1", "migrated", "2026-11-20T22:10:21Z"),
            outcome("1", "migrated", "2026-11-20T21:00:00Z"),
            outcome("2", "failed", NOW),
            outcome("2", "migrated", None),
            outcome("3", "cancelled"),
        ],
    )
    database.transaction(lambda connection: connection.execute(sa.update(HISTORY).values(recorded_at=None)))
    # Rows of before the database kept its own moment have that of their run.
    assert recall(database, "c") == {
        "1": MigrationRecord(
            migrated_at=seconds("2026-11-20T22:10:21Z"), failed_at=seconds("2026-11-20T22:00:21Z")
        ),
        "2": MigrationRecord(migrated_at=None, failed_at=seconds(NOW)),
        "3": MigrationRecord(migrated_at=None, failed_at=None),
    }


def test_moments_are_those_of_the_databases_clock(database: Database) -> None:
    before = database.read(now)
    record(database, "c", [outcome("1", "migrated", "1999-01-01T00:00:00Z")])
    at = recall(database, "c")["1"].migrated_at
    assert at is not None
    assert before - 0.001 <= at <= database.read(now) + 0.001


def test_refusals_are_remembered_until_the_guest_got_there(database: Database) -> None:
    record(database, "c", [outcome("1", "refused", "2026-11-20T22:00:00Z"), outcome("2", "refused", NOW)])
    assert [(one.guest, one.host, one.why) for one in refusals(database, "c")] == [
        ("1", "b", "no space left"),
        ("2", "b", "no space left"),
    ]
    assert recall(database, "c") == {}, "a refusal is no failure"
    time.sleep(0.005)
    record(database, "c", [outcome("1", "migrated", "2026-11-20T22:10:00Z")])
    assert [one.guest for one in refusals(database, "c")] == ["2"]
    assert refusals(database, "d") == []


def test_what_was_remembered_under_an_older_key_counts(database: Database) -> None:
    record(database, "proxmox:prod", [outcome("1", "migrated"), outcome("2", "refused")])
    record(database, "proxmox:abc:prod", [outcome("3", "migrated")])
    keys = ("proxmox:abc:prod", "proxmox:prod")
    assert recall(database, *keys).keys() == {"1", "3"}
    assert [one.guest for one in refusals(database, *keys)] == ["2"]


def test_what_came_along_is_remembered_too(database: Database) -> None:
    partner = CoMigrated(guest=GuestRef(id="2", name="cache"), source="c", memory=4096)
    moment = database.read(now)
    # Also where the guest itself stayed: the partner has gone all the same.
    record(database, "c", [replace(outcome("1", "failed", NOW), along=(partner,))])
    past = recall(database, "c")
    assert (past["1"].migrated_at, past["2"].failed_at) == (None, None)
    assert past["1"].failed_at is not None
    assert past["2"].migrated_at is not None
    assert moves_since(database, "c", moment) == {"2": GuestMove("c", "b")}


def test_what_was_never_begun_is_not_kept(database: Database) -> None:
    record(database, "c", [outcome("1", "skipped"), outcome("2", "already_there"), outcome("3", "planned")])
    assert recall(database, "c") == {}


def rows(database: Database) -> int:
    count = sa.select(sa.func.count()).select_from(HISTORY)
    return int(database.transaction(lambda connection: connection.execute(count).scalar_one()))


def test_an_end_that_is_recorded_again_changes_nothing(database: Database) -> None:
    first: Mapping[str, MigrationRecord] = {}
    for _ in range(2):
        record(database, "c", [outcome("1", "migrated"), outcome("1", "migrated")])
        first = first or recall(database, "c")
    assert recall(database, "c") == first
    assert rows(database) == 1


def test_an_end_that_turned_out_otherwise_is_corrected(database: Database) -> None:
    record(database, "c", [outcome("1", "failed"), outcome("2", "failed")])
    record(database, "c", [outcome("1", "migrated")])
    past = recall(database, "c")
    assert [(one.migrated_at is None, one.failed_at is None) for one in past.values()] == [
        (False, True),
        (True, False),
    ]
    assert rows(database) == 2


def moved(guest: str, source: str, target: str, minute: int) -> MigrationOutcome:
    done = outcome(guest, "migrated", f"2026-11-20T22:{minute:02}:00Z")
    return replace(done, source=source, target=target)


def test_where_guests_went_since_a_moment(database: Database) -> None:
    record(database, "c", [moved("old", "a", "b", 1), outcome("late", "failed")])
    moment = database.read(now)
    time.sleep(0.005)
    record(database, "c", [moved("old", "a", "b", 1), outcome("late", "failed")])
    assert moves_since(database, "c", moment) == {}, "what is told again is no news"
    record(
        database,
        "c",
        [
            moved("far", "b", "c", 3), moved("far", "a", "b", 2),
            moved("back", "a", "b", 4), moved("back", "b", "a", 5),
            replace(outcome("late", "migrated"), why="it arrived after all"),
            outcome("stays", "failed"), outcome("stays too", "cancelled"),
        ],
    )  # fmt: skip
    record(database, "d", [moved("elsewhere", "a", "b", 6)])
    assert moves_since(database, "c", moment) == {"far": GuestMove("a", "c"), "late": GuestMove("a", "b")}
    time.sleep(0.005)
    assert moves_since(database, "c", database.read(now)) == {}


def test_what_was_recorded_at_the_very_moment_may_have_come_after_it(database: Database) -> None:
    record(database, "c", [moved("1", "a", "b", 1)])
    moment = database.read(now)
    database.transaction(lambda connection: connection.execute(sa.update(HISTORY).values(recorded_at=moment)))
    assert moves_since(database, "c", moment) == {"1": GuestMove("a", "b")}


def test_rows_of_before_there_was_such_a_moment_are_no_news(database: Database) -> None:
    record(database, "c", [moved("1", "a", "b", 1)])
    database.transaction(lambda connection: connection.execute(sa.update(HISTORY).values(recorded_at=None)))
    assert moves_since(database, "c", 0) == {}


def test_clusters_do_not_share_their_past(database: Database) -> None:
    record(database, "c", [outcome("1", "migrated")])
    assert recall(database, "d") == {}


def test_what_is_very_old_is_thrown_away(database: Database) -> None:
    days = [written(datetime.now(UTC) - timedelta(days=days)) for days in (402, 398)]
    for cluster in ("c", "d"):
        record(database, cluster, [outcome("1", "migrated", days[0]), outcome("2", "migrated", days[1])])
    forget_old(database, "c")
    assert recall(database, "c").keys() == {"1", "2"}, "by the clock of the database they are new"
    database.transaction(lambda connection: connection.execute(sa.update(HISTORY).values(recorded_at=None)))
    forget_old(database, "c")
    assert recall(database, "c").keys() == {"2"}
    assert recall(database, "d").keys() == {"1", "2"}


def test_a_snapshot_takes_the_newer_of_both_memories() -> None:
    snapshot = generate(Shape(hosts=2, guests=4))
    known = replace(
        snapshot,
        guests=tuple(replace(guest, last_migrated_at="2026-11-20T22:00:00Z") for guest in snapshot.guests),
    )
    one, two, three, four = (guest.id for guest in snapshot.guests)
    at = 1_000_000.0
    # The snapshot was taken at 22:30 by the platform's clock, and at `at` by the database's.
    known = replace(known, taken_at="2026-11-20T22:30:00Z")
    merged = with_history(
        known,
        {
            one: MigrationRecord(migrated_at=at - 60, failed_at=None),
            two: MigrationRecord(migrated_at=at - 5400, failed_at=at - 9000),
            three: MigrationRecord(migrated_at=None, failed_at=None),
            "gone": MigrationRecord(migrated_at=at, failed_at=None),
        },
        [Refused(one, "b", "no such device", at - 120)],
        at,
    )
    assert [(guest.last_migrated_at, guest.last_failed_at) for guest in merged.guests] == [
        ("2026-11-20T22:29:00Z", None),
        ("2026-11-20T22:00:00Z", "2026-11-20T20:00:00Z"),
        ("2026-11-20T22:00:00Z", None),
        ("2026-11-20T22:00:00Z", None),
    ]
    assert four not in {one, two, three}
    assert merged.refusals == (Refusal(guest=one, host="b", why="no such device", at="2026-11-20T22:28:00Z"),)
    assert with_history(snapshot, {}, (), at) == snapshot


def test_an_end_is_kept_as_it_was_told(database: Database) -> None:
    told = replace(outcome("1", "cancelled"), started_at="2026-11-20T22:00:00Z")
    record(database, "c", [told])
    (row,) = database.read(lambda connection: connection.execute(sa.select(HISTORY)).all())
    assert row[:8] == (
        "c", "1", "2026-11-20T22:00:21Z", "a", "b", "cancelled", "no space left", "2026-11-20T22:00:00Z",
    )  # fmt: skip
    record(database, "c", [replace(told, result="migrated", why="it arrived after all")])
    (row,) = database.read(lambda connection: connection.execute(sa.select(HISTORY)).all())
    assert (row.result, row.why) == ("migrated", "it arrived after all")


def test_whoever_came_along_is_kept_with_a_reason_and_only_when_it_has_ended(database: Database) -> None:
    partner = CoMigrated(guest=GuestRef(id="2", name="cache"), source="c", memory=4096)
    record(database, "c", [replace(outcome("1", "migrated", None), along=(partner,))])
    assert rows(database) == 0
    # One that was skipped was not tried, but whoever came along with it has moved.
    record(database, "c", [replace(outcome("1", "skipped"), along=(partner,))])
    (row,) = database.read(lambda connection: connection.execute(sa.select(HISTORY)).all())
    assert (row.guest, row.source, row.target, row.result, row.why) == (
        "2", "c", "b", "migrated", "migrated by the platform together with name of 1",
    )  # fmt: skip


def at_moments(database: Database, moments: Mapping[str, float]) -> None:
    """As if the rows of each end had been written then."""
    for ended_at, moment in moments.items():
        change = sa.update(HISTORY).where(HISTORY.c.ended_at == ended_at).values(recorded_at=moment)
        database.transaction(lambda connection: connection.execute(change))  # noqa: B023


def test_the_newest_refusal_of_each_guest_and_host_counts(database: Database) -> None:
    first, second, third = (f"2026-11-20T22:00:0{number}Z" for number in range(3))
    refused = outcome("1", "refused", first)
    record(
        database,
        "c",
        [
            refused,
            replace(refused, ended_at=second, why="no such network"),
            replace(refused, ended_at=third, target="d", why="another host"),
            # Migrated elsewhere, and once to where it was refused, but before.
            replace(refused, ended_at=third, target="e", result="migrated"),
            replace(refused, ended_at=first, source="f", result="migrated"),
            outcome("9", "migrated", third),
        ],
    )
    at_moments(database, {first: 10, second: 20, third: 30})
    assert sorted(refusals(database, "c"), key=lambda one: one.at) == [
        Refused("1", "b", "no such network", 20),
        Refused("1", "d", "another host", 30),
    ]
    # Of the same moment, that the guest got there counts.
    at_moments(database, {first: 20, second: 20, third: 20})
    assert [one.host for one in refusals(database, "c")] == ["d"]


def test_the_newest_of_several_ends_is_recalled(database: Database) -> None:
    first, second = "2026-11-20T22:00:00Z", "2026-11-20T22:00:01Z"
    record(database, "c", [outcome("1", "failed", first), outcome("1", "failed", second)])
    at_moments(database, {first: 50, second: 40})
    assert recall(database, "c") == {"1": MigrationRecord(migrated_at=None, failed_at=50)}


def test_how_long_an_end_is_kept(database: Database) -> None:
    first, second, third = (f"2026-11-20T22:00:0{number}Z" for number in range(3))
    record(database, "c", [outcome(name, "migrated", name) for name in (first, second, third)])
    year = 400 * 86_400
    moment = database.read(now)
    at_moments(database, {first: moment - year - 60, second: moment - year + 60, third: moment + 60})
    forget_old(database, "c")
    left = database.read(lambda connection: connection.execute(sa.select(HISTORY.c.ended_at)).all())
    assert sorted(left) == [(second,), (third,)]


def test_what_was_recorded_a_tick_before_counts_and_what_was_before_that_does_not(database: Database) -> None:
    record(database, "c", [moved("1", "a", "b", 1)])
    at_moments(database, {"2026-11-20T22:01:00Z": 100.0})
    assert moves_since(database, "c", 100.0009) == {"1": GuestMove("a", "b")}
    assert moves_since(database, "c", 100.0011) == {}


def test_no_past_lies_in_the_future() -> None:
    """A row that was written while the snapshot was read is as old as the snapshot."""
    snapshot = replace(generate(Shape(hosts=2, guests=2)), taken_at=NOW)
    one = snapshot.guests[0].id
    merged = with_history(
        replace(snapshot, refusals=(Refusal(guest=one, host="x", why="known", at=NOW),)),
        {one: MigrationRecord(migrated_at=100, failed_at=160)},
        [Refused(one, "b", "new", 170)],
        130,
    )
    assert merged.guests[0].last_migrated_at == "2026-11-20T22:29:30Z"
    assert merged.guests[0].last_failed_at == NOW
    assert [(refusal.why, refusal.at) for refusal in merged.refusals] == [("known", NOW), ("new", NOW)]
    assert merged.guests[1:] == snapshot.guests[1:]
