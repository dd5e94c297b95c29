# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The books of a run: what is under way, what has come along, and for how long an end is fresh."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.migration_tracker import (
    MigrationTracker,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    MigrationOutcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration

from .slow import HandClock

AT = "2026-01-01T00:00:00Z"


def move(step: int, guest: str, source: str, target: str, after: Sequence[int] = ()) -> Migration:
    return Migration(
        step=step,
        wave=1,
        guest=GuestRef(id=guest, name=guest),
        source=source,
        target=target,
        kind="balance",
        why="",
        after=tuple(after),
        cost=Cost(memory=8, seconds=1),
        storage={"s": "t"},
    )


def along(guest: str, source: str = "a", memory: int = 3) -> CoMigrated:
    return CoMigrated(guest=GuestRef(id=guest, name=guest), source=source, memory=memory)


def ledger(*migrations: Migration) -> tuple[MigrationTracker, HandClock, list[MigrationOutcome]]:
    heard: list[MigrationOutcome] = []
    clock = HandClock()
    return MigrationTracker(migrations, Journal(None, "p"), clock, heard.append), clock, heard


def start(books: MigrationTracker, migration: Migration, *moved: CoMigrated) -> str:
    at = books.begin(migration, moved)
    books.started(migration, f"t{migration.step}", at)
    return f"t{migration.step}"


def test_each_is_pending_running_or_ended() -> None:
    one, two = move(1, "g", "a", "b"), move(2, "h", "a", "b", [1])
    books, clock, heard = ledger(one, two)
    assert (books.pending, books.underway, books.open) == ((one, two), (), True)
    assert [books.is_ready(each) for each in (one, two)] == [True, False]
    task = start(books, one)
    assert (books.pending, books.underway, books.open) == ((two,), (one,), True)
    clock.sleep(2.5004)
    books.end_running(task, "migrated")
    assert (books.underway, books.is_ready(two), books.blocking_failure(two)) == ((), True, None)
    books.end_pending(two, "skipped", "stop")
    assert (books.open, books.counts(), books.failures) == (False, {"migrated": 1, "skipped": 1}, 0)
    first, second = books.outcomes()
    assert (first.started_at, first.ended_at, first.seconds) == (AT, "2026-01-01T00:00:02Z", 2.5)
    assert (second.started_at, second.seconds, second.task, second.why) == (None, None, None, "stop")
    assert heard == [first, second]


@pytest.mark.parametrize(
    ("result", "hinders", "fails"),
    [
        ("migrated", False, 0),
        ("already_there", False, 0),
        ("failed", True, 1),
        ("cancelled", True, 1),
        ("skipped", True, 0),
        ("refused", True, 0),
    ],
)
def test_what_did_not_end_well_hinders_what_comes_after_it(result: str, hinders: bool, fails: int) -> None:
    one, two = move(1, "g", "a", "b"), move(2, "h", "a", "b", [1])
    books, _clock, _heard = ledger(one, two)
    books.end_pending(one, result)  # type: ignore[arg-type]
    assert (books.blocking_failure(two) is not None, books.failures) == (hinders, fails)
    assert books.blocking_failure(one) is None


def test_what_moves_along_is_under_way_once_with_its_own_memory_and_no_disks() -> None:
    one, two = move(1, "g", "a", "b"), move(2, "h", "a", "b")
    books, _clock, _heard = ledger(one, two)
    start(books, one, along("h", memory=5), along("p", "c"))
    assert books.is_co_migrated(two)
    assert not books.is_co_migrated(move(3, "h", "a", "c"))
    assert not books.is_co_migrated(move(3, "x", "a", "b"))
    seen = {
        each.guest.id: (each.source, each.target, each.cost.memory, each.storage) for each in books.moving
    }
    assert seen == {"g": ("a", "b", 8, {"s": "t"}), "h": ("a", "b", 5, {}), "p": ("c", "b", 3, {})}
    assert books.running["t1"].request.along == ("h", "p")
    # Planned and started by itself, it is there as planned.
    start(books, two)
    assert sorted((each.guest.id, each.cost.memory) for each in books.moving) == [
        ("g", 8),
        ("h", 8),
        ("p", 3),
    ]


def test_an_outcome_tells_of_those_who_came_along_and_no_step_tells_of() -> None:
    one, two = move(1, "g", "a", "b"), move(2, "h", "a", "b")
    books, _clock, heard = ledger(one, two)
    books.end_running(start(books, one, along("h"), along("p"), along("q")), "migrated", along=["h", "p"])
    assert heard[-1].along == (along("p"),)
    assert books.co_migrated_with(two) == 1
    assert books.co_migrated_with(move(3, "h", "a", "c")) is None
    assert books.co_migrated_with(move(3, "x", "a", "b")) is None
    # Of one that is planned to another host no step tells.
    three, four = move(1, "g", "a", "b"), move(2, "h", "a", "c")
    books, _clock, heard = ledger(three, four)
    books.end_running(start(books, three, along("h")), "migrated", along=["h"])
    assert heard[-1].along == (along("h"),)


def test_those_of_a_failed_step_may_still_come_and_are_told_when_they_have() -> None:
    one = move(1, "g", "a", "b")
    books, _clock, heard = ledger(one)
    task = start(books, one, along("p"), along("q"))
    assert books.expected_co_migrations() == set()
    books.end_running(task, "failed", "no")
    assert books.expected_co_migrations() == {"p", "q"}
    books.record_co_migrated(1, ["x"])
    assert len(heard) == 1
    books.record_co_migrated(1, ["q", "x"])
    assert (heard[-1].result, heard[-1].along, len(heard)) == ("failed", (along("q"),), 2)
    books.record_co_migrated(1, ["q"])
    assert len(heard) == 2
    books.correct(1, "it came")
    assert (heard[-1].result, heard[-1].why, books.failures) == ("migrated", "it came", 0)
    assert books.expected_co_migrations() == set()


def test_an_end_is_fresh_for_less_than_the_time_that_a_platform_takes_to_count_it() -> None:
    one = move(1, "g", "a", "b")
    books, clock, _heard = ledger(one)
    books.end_running(start(books, one, along("p")), "migrated")
    assert [each.guest.id for each in books.recently_ended(10)] == ["g", "p"]
    assert books.recently_ended(0) == ()
    clock.sleep(9.5)
    assert len(books.recently_ended(10)) == 2
    clock.sleep(0.5)
    assert books.recently_ended(10) == ()


def test_where_later_steps_take_a_guest() -> None:
    plan = [move(1, "g", "a", "b"), move(2, "h", "a", "c"), move(3, "g", "b", "c"), move(4, "g", "c", "d")]
    books, _clock, _heard = ledger(*plan)
    assert books.later_targets == {1: {"c", "d"}, 2: set(), 3: {"d"}, 4: set()}
    books.add([move(5, "g", "d", "a")])
    assert books.later_targets[5] == set()
    assert list(books.steps) == [1, 2, 3, 4, 5]
    assert [each.step for each in books.pending] == [1, 2, 3, 4, 5]


def test_one_whose_start_was_not_answered_has_taken_its_partner_along() -> None:
    one, partner, other = move(1, "g", "a", "b"), move(2, "h", "a", "b"), move(3, "i", "a", "b")
    books, _clock, _heard = ledger(one, partner, other)
    assert books.co_migrated_with(partner) is None
    books.begin(one, (along("h"),))
    assert books.co_migrated_with(partner) == 1
    assert books.co_migrated_with(other) is None
