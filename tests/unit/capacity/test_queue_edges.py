# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moments at which somebody is overtaken no more, loses a place, or is taken for gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.backfill_queue import (
    AGEING_SECONDS,
    RESERVATION_SECONDS,
    QueuedRequest,
    backfill,
    in_order,
    shared_by,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import (
    LeaseDiffers,
    LeaseNotHeld,
    NotFulfilled,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.expire_and_grant import (
    end_expired,
    end_without_owner,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.free_capacity import (
    FreeCapacity,
    NetworkBook,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import release, renew
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.repository import Repository
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.reservation_rows import over
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import WaitOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import LEASES

from ...system.capacity.shared import describe, get, give_back, pass_time, pool, request


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db") as opened:
        describe(opened, pool("a"))
        yield opened


def waiting(number: int, at: float = 0.0, **wanted: Any) -> QueuedRequest:
    return QueuedRequest(lease=f"l{number}", number=number, request=request(**wanted), requested_at=at)


@pytest.mark.parametrize(
    ("queue", "now", "order"),
    [
        ([waiting(2, vcpus=1), waiting(1, vcpus=1)], 0, "l1 l2"),
        ([waiting(1, vcpus=1), waiting(2, vcpus=1, priority=1)], 0, "l2 l1"),
        ([waiting(1, vcpus=1, priority=-1), waiting(2, vcpus=1)], 0, "l2 l1"),
        # Ten minutes are worth one in priority, and then the older is first.
        ([waiting(1, vcpus=1), waiting(2, at=600, vcpus=1, priority=1)], 599.9, "l2 l1"),
        ([waiting(1, vcpus=1), waiting(2, at=600, vcpus=1, priority=1)], 600, "l1 l2"),
        ([waiting(1, vcpus=1), waiting(2, at=600, vcpus=1, priority=2)], 1199.9, "l2 l1"),
        # Both grow older.
        ([waiting(1, vcpus=1), waiting(2, at=300, vcpus=1, priority=1)], 900, "l2 l1"),
        # A clock that was set back makes nobody younger than new.
        ([waiting(1, at=9000, vcpus=1), waiting(2, at=9000, vcpus=1)], 0, "l1 l2"),
    ],
)
def test_the_order_of_the_queue(queue: list[QueuedRequest], now: float, order: str) -> None:
    assert AGEING_SECONDS == 600
    assert " ".join(one.lease for one in in_order(queue, now)) == order


@pytest.mark.parametrize(("age", "served"), [(0, True), (RESERVATION_SECONDS - 0.1, True), (300, False)])
def test_after_five_minutes_every_pool_that_will_do_is_kept(age: float, served: bool) -> None:
    """At first only the nearest to having room, so that a small request behind gets the other one."""
    rooms = [FreeCapacity(pool("near"), 4), FreeCapacity(pool("far"), 7)]
    queue = [waiting(1, vcpus=8), waiting(2, at=0, vcpus=3)]
    found = backfill(queue, rooms, NetworkBook(), age)
    assert ("l2" in found.allotments) is served
    assert found.waiting[0].lease == "l1"
    if served:
        assert [one.pool.name for one in found.allotments["l2"]] == ["far"]


def test_what_is_left_of_what_is_kept_may_be_taken() -> None:
    found = backfill(
        [waiting(1, vcpus=8, memory=60), waiting(2, memory=40), waiting(3, memory=1)],
        [FreeCapacity(pool("a"), 4)],
        NetworkBook(),
        0,
    )
    assert set(found.allotments) == {"l2"}
    assert [one.lease for one in found.waiting] == ["l1", "l3"]


@pytest.mark.parametrize(
    ("wanted", "who"),
    [
        ({"vcpus": 1, "group": "g"}, "group g"),
        ({"memory": 1, "group": "g"}, "group g"),
        ({"networks": 1, "group": "g"}, "lease l"),
        ({"storage": 1, "networks": 1, "group": "g"}, "lease l"),
        ({"vcpus": 1}, "lease l"),
    ],
)
def test_who_shares_networks(wanted: dict[str, Any], who: str) -> None:
    assert shared_by("l", request(**wanted)) == who


def phases(database: Database, *names: str) -> list[str]:
    found = [read_transaction(database, lambda books: books.last(name)) for name in names]  # noqa: B023
    return [one.phase for one in found if one is not None]


@pytest.mark.parametrize(("passed", "phase"), [(40_000, "Fulfilled"), (50_001, "Released")])
def test_a_lease_ends_with_its_lifetime(file: Database, passed: float, phase: str) -> None:
    get(file, "l", vcpus=1, lifetime=50_000)
    pass_time(file, passed)
    ended = write_transaction(file, end_expired)
    assert phases(file, "l") == [phase]
    assert [one.reason.partition(" at ")[0] for one in ended] == ["Its lifetime of 50000 s ended"] * len(
        ended
    )


@pytest.mark.parametrize(("passed", "phase"), [(40_000, "Pending"), (50_001, "Failed")])
def test_a_place_in_the_queue_is_kept_for_as_long_as_was_asked(
    file: Database, passed: float, phase: str
) -> None:
    get(file, "first", vcpus=10)
    get(file, "second", WaitOptions(keep=50_000), vcpus=1)
    pass_time(file, passed)
    write_transaction(file, end_expired)
    assert phases(file, "first", "second") == ["Fulfilled", phase]


def test_without_a_place_who_gets_nothing_fails_and_is_told_where_it_stood(file: Database) -> None:
    get(file, "first", vcpus=10)
    get(file, "second", WaitOptions(keep=50_000), vcpus=1)
    with pytest.raises(NotFulfilled, match=r"Not fulfilled within 0 s, at position 2 of the queue: 0 of 1"):
        get(file, "third", vcpus=1)
    give_back(file, "first")
    assert phases(file, "second", "third") == ["Fulfilled", "Failed"]


@pytest.mark.parametrize(
    ("gone", "living", "grace", "ended"),
    [
        ((), None, 0, ""),
        (("me",), None, 0, "mine"),
        ((), ("you",), 0, "mine"),
        ((), ("you",), 99, "mine"),
        ((), ("you",), 9999, ""),
        (("you",), ("me", "you"), 9999, "yours"),
        ((), (), 0, "mine yours"),
    ],
)
def test_whose_leases_end_with_their_owners(
    file: Database, gone: tuple[str, ...], living: tuple[str, ...] | None, grace: float, ended: str
) -> None:
    get(file, "mine", vcpus=1, owner="me")
    get(file, "yours", vcpus=1, owner="you")
    get(file, "nobodys", vcpus=1)
    pass_time(file, 100)
    found = write_transaction(file, lambda books: end_without_owner(books, gone, living, grace))
    assert " ".join(sorted(one.name for one in found)) == ended
    assert {one.phase for one in found} <= {"Released"}


def test_only_what_is_held_is_renewed_and_only_by_whom_it_belongs_to(file: Database) -> None:
    def again(name: str, owner: str | None, lifetime: float | None) -> Any:
        """The lease after it, and for how long it lasts then."""

        def renewed(books: Repository) -> tuple[Lease, float]:
            _before, after = renew(books, name, owner, lifetime)
            assert after.until is not None
            return after, after.until - books.now

        return write_transaction(file, renewed)

    with pytest.raises(LeaseNotHeld, match="there is no lease of that name"):
        again("l", None, None)
    get(file, "l", vcpus=10, owner="me", lifetime=5000)
    get(file, "waits", WaitOptions(keep=90_000), vcpus=1)
    with pytest.raises(LeaseNotHeld, match="it is still in the queue"):
        again("waits", None, None)
    with pytest.raises(LeaseDiffers, match="it belongs to me, not to you"):
        again("l", "you", None)
    pass_time(file, 50)
    assert again("l", "me", None)[1] == pytest.approx(5000)
    pass_time(file, 50)
    assert again("l", None, None)[1] == pytest.approx(5000)
    after, lasts = again("l", "me", 1000)
    assert (after.request.lifetime, lasts) == (1000, pytest.approx(1000))
    with pytest.raises(LeaseDiffers, match="it belongs to nobody, not to you"):
        write_transaction(file, lambda books: release(books, "waits", "you"))
    before, after = write_transaction(file, lambda books: release(books, "waits", None))
    assert (before.phase, after.phase, after.reason) == (
        "Pending",
        "Released",
        "Withdrawn from the queue by a task",
    )
    give_back(file, "l")
    with pytest.raises(LeaseNotHeld, match=r"it ended at .*: Released by a task"):
        again("l", None, None)
    assert write_transaction(file, lambda books: release(books, "nothing", None)) == (None, None)


def test_who_waits_gives_a_sign_of_life_every_forty_seconds_and_writes_nothing_in_between(
    file: Database,
) -> None:
    get(file, "first", vcpus=10)
    seconds = [0.0]
    signs: list[tuple[float, float | None]] = []

    def sleep(nap: float) -> None:
        lease = read_transaction(file, lambda books: books.last("second"))
        assert lease is not None
        if not signs or signs[-1][1] != lease.place_until:
            signs.append((seconds[0], lease.place_until))
        seconds[0] += nap

    patience = WaitOptions(
        wait=100, poll=5, keep=50_000, sleep=sleep, monotonic=lambda: seconds[0], rng=lambda: 0.5
    )
    assert get(file, "second", patience, vcpus=1).phase == "Pending"
    assert [at for at, _until in signs] == [0, 40, 80]
    assert seconds[0] == 100


def test_whatever_happens_has_a_number_of_its_own_in_every_later_transaction(file: Database) -> None:
    get(file, "l1", vcpus=1)
    get(file, "l2", vcpus=1)
    give_back(file, "l1")
    get(file, "l3", vcpus=1)
    columns = (LEASES.c.number, LEASES.c.granted_number, LEASES.c.ended_number)
    rows = file.read(lambda connection: connection.execute(sa.select(*columns)).all())
    numbers = [number for row in rows for number in row if number is not None]
    assert len(numbers) == 7
    assert sorted(set(numbers)) == sorted(numbers)


@pytest.mark.parametrize("column", ["until", "place_until"])
def test_the_moment_at_which_something_is_over_is_too_late(file: Database, column: str) -> None:
    get(file, "l", vcpus=1)
    write = sa.update(LEASES).values({"until": None, "place_until": None, column: 1000.0})
    file.transaction(lambda connection: connection.execute(write))
    seen = [
        file.read(lambda connection: connection.execute(sa.select(over(moment))).scalar())  # noqa: B023
        for moment in (999.5, 1000.0, 1000.5)
    ]
    assert [bool(one) for one in seen] == [False, True, True]
