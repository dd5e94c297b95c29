# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests in the database: each is worked on by one at a time, and ends once, whoever dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.outbox import (
    delivered,
    deliveries,
    drop_unknown,
    take_due,
    undelivered,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.errors import (
    ClaimLost,
    RequestDiffers,
    UnknownRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import (
    dispatch,
    renew_claims,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    Failure,
    accept,
    complete,
    defer,
    fail,
    listed,
    purge,
    start,
    task_named,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.retry_policy import RetryPolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task import Task, Terms
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.request import (
    ParsedRequest,
    parse_request,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import (
    Owner,
    process,
    this_process,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.set_clock import Machine

WORK = Work(running=3)
PLAIN = RetryPolicy(tries=2, first_seconds=50, most_seconds=50)
TROUBLE = Failure(kind="Failed", message="no answer")


def asked(name: str = "a", **more: Any) -> ParsedRequest:
    return parse_request({"id": name, "kind": "lease", "vcpus": 1, **more})


def one(database: Database, desk: Owner, work: Work = WORK) -> Task:
    """The only task that is handed on now."""
    (task,) = dispatch(database, desk, work)
    return task


def claim_of(task: Task) -> str:
    assert task.claim is not None
    return task.claim


def pass_time(database: Database, seconds: float) -> None:
    """Everything happened so much longer ago."""
    columns = {
        "service_request": ("received_at", "due_at", "ended_at", "begun_at", "until"),
        "service_delivery": ("created_at", "due_at", "ended_at"),
    }

    def write(connection: sqlalchemy.Connection) -> None:
        for table, names in columns.items():
            changes = ", ".join(f"{name} = {name} - {seconds}" for name in names)
            connection.execute(sqlalchemy.text(f"UPDATE {table} SET {changes}"))

    database.transaction(write)


@contextmanager
def somebody() -> Iterator[Owner]:
    """A process that is there until the end."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        owner = process(child.pid)
        assert owner is not None
        yield owner
    finally:
        child.kill()
        child.wait()


def test_the_same_request_is_taken_once(database: Database) -> None:
    assert accept(database, asked(), Terms(origin="http")).new
    again = accept(database, asked(), Terms(origin="rabbitmq"))
    assert (again.new, again.task.terms.origin) == (False, "http")
    for other in (
        asked(vcpus=2),
        asked(notify=["x"]),
        parse_request({"id": "a", "kind": "release", "name": "x"}),
    ):
        with pytest.raises(RequestDiffers, match="request a: Another request with this id exists already"):
            accept(database, other, Terms(origin="http"))
    assert [task.id for task in listed(database, 0)] == ["a"]


def test_spelled_otherwise_it_is_the_same(database: Database) -> None:
    accept(database, asked(memory="2G"), Terms(origin="http"))
    assert not accept(database, asked(memory=2 * 1024**3, pools=1, owner=None), Terms(origin="http")).new


def test_as_many_are_handed_on_as_there_are_hands(database: Database) -> None:
    desk, other = this_process(), this_process()
    for number in range(5):
        accept(database, asked(f"r{number}"), Terms(origin="http"))
    first = dispatch(database, desk, WORK)
    assert [task.id for task in first] == ["r0", "r1", "r2"]
    assert dispatch(database, desk, WORK) == []
    assert [task.id for task in dispatch(database, other, WORK)] == ["r3", "r4"]
    complete(database, "r0", claim_of(first[0]), {"x": 1})
    assert dispatch(database, desk, WORK) == []
    found = task_named(database, "r0")
    assert found is not None
    assert (found.status, found.result, found.tries) == ("completed", {"x": 1}, 0)


DESK = """
import sys, time
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.claims import dispatch
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue import repository
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process

with open_database(sys.argv[1]) as database:
    me = this_process()
    while repository.listed(database, 0):
        for task in dispatch(database, me, Work(running=2)):
            repository.start(database, task.id, task.claim, me)
            print(task.id, flush=True)
            repository.complete(database, task.id, task.claim, {})
"""


def test_several_services_at_once_work_on_each_request_once(url: str, database: Database) -> None:
    names = [f"r{number:02}" for number in range(24)]
    for name in names:
        accept(database, asked(name), Terms(origin="http"))
    command = [sys.executable, "-c", DESK, url]
    desks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    done = [name for desk in desks for name in desk.communicate(timeout=PATIENCE_SECONDS)[0].split()]
    assert [desk.returncode for desk in desks] == [0, 0, 0]
    assert sorted(done) == names


def test_only_the_claim_counts(database: Database) -> None:
    desk = this_process()
    accept(database, asked(), Terms(origin="http"))
    task = one(database, desk)
    with pytest.raises(ClaimLost), somebody() as worker:
        start(database, "a", "another", worker)
    with pytest.raises(UnknownRequest, match="request b: No request has this id"):
        start(database, "b", claim_of(task), None)
    with somebody() as worker, somebody() as other:
        begun, left = start(database, "a", claim_of(task), worker)
        assert (begun.tries, left) == (1, 0)
        assert start(database, "a", claim_of(task), worker)[0].tries == 1
        with pytest.raises(ClaimLost):
            start(database, "a", claim_of(task), other)
    # The worker is gone: somebody else has it, and what the first says is not heard.
    assert dispatch(database, desk, WORK) == []
    pass_time(database, 10)
    second = one(database, desk)
    assert (second.tries, second.error and second.error["type"]) == (1, "WorkerGone")
    for tell in (
        lambda: complete(database, "a", claim_of(task), {}),
        lambda: fail(database, "a", claim_of(task), TROUBLE),
        lambda: defer(database, "a", claim_of(task), 1, TROUBLE),
    ):
        with pytest.raises(ClaimLost):
            tell()
    assert complete(database, "a", claim_of(second), {"by": "second"})[1]
    # Said again, it is no news; anything else is refused.
    assert not complete(database, "a", claim_of(second), {"by": "second"})[1]
    with pytest.raises(ClaimLost):
        fail(database, "a", claim_of(second), TROUBLE)


def test_what_a_dead_desk_has_handed_on_is_due_at_once(database: Database) -> None:
    accept(database, asked(), Terms(origin="http", budget=PLAIN))
    for _time in range(5):
        with somebody() as desk:
            assert one(database, desk).tries == 0
    # Its worker may have outlived it, and then goes on.
    with somebody() as desk, somebody() as worker:
        task = one(database, desk)
        start(database, "a", claim_of(task), worker)
        assert dispatch(database, this_process(), WORK) == []
    assert dispatch(database, this_process(), WORK) == []
    pass_time(database, 51)
    assert one(database, this_process()).tries == 1


def test_what_is_elsewhere_shows_signs_of_life(database: Database) -> None:
    """Of a process on another machine only its silence tells."""
    far = Owner(host="far", pid=1, started_at="1", place="another boot", token="t")
    accept(database, asked(), Terms(origin="http"))
    task = one(database, far)
    start(database, "a", claim_of(task), far)
    for _time in range(3):
        pass_time(database, 100)
        renew_claims(database, far, Work(at_most=310))
        assert dispatch(database, this_process(), WORK) == []
    # One try may not take for ever, however often somebody says that it goes on.
    pass_time(database, 100)
    renew_claims(database, far, Work(at_most=310))
    assert dispatch(database, this_process(), WORK) == []
    pass_time(database, 10)
    found = one(database, this_process())
    assert (found.error and found.error["type"], found.tries) == ("TookTooLong", 1)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_set_takes_no_task_from_who_works_on_it(tmp_path: Path, jump: float) -> None:
    machine = Machine()
    far = Owner(host="far", pid=1, started_at="1", place="another boot", token="t")
    with machine.database(tmp_path) as database:
        accept(database, asked(), Terms(origin="http", receivers=("ci",)))
        task = one(database, far)
        start(database, "a", claim_of(task), far)
        machine.wall += jump
        for _time in range(4):
            machine.passes(40)
            assert dispatch(database, this_process(), WORK) == []
            renew_claims(database, far, WORK)
        assert complete(database, "a", claim_of(task), {})[1]
        # Who calls back is not called back by a second one meanwhile, and a pause has an end.
        [delivery] = take_due(database, far, "callback", "ci", 4, 40)
        machine.wall += jump
        assert take_due(database, this_process(), "callback", "ci", 4, 40) == []
        undelivered(
            database, delivery, "no answer", RetryPolicy(tries=5, first_seconds=100, most_seconds=100)
        )
        machine.passes(210)
        assert [one.id for one in take_due(database, far, "callback", "ci", 4, 40)] == [delivery.id]


def test_a_playbook_that_never_begins_ends_as_a_failure(database: Database) -> None:
    desk = this_process()
    accept(database, asked(), Terms(origin="http", budget=PLAIN))
    for _time in range(2):
        one(database, desk)
        pass_time(database, WORK.begin_within + 1)
        assert dispatch(database, desk, WORK) == []
        pass_time(database, 51)
    found = task_named(database, "a")
    assert found is not None
    assert (found.status, found.error) == (
        "failed",
        {
            "type": "NotBegun",
            "message": "Failed after 2 tries; the last error was: The playbook did not begin the request"
            " in time",
        },
    )


def test_tries_have_an_end(database: Database) -> None:
    desk = this_process()
    accept(database, asked(), Terms(origin="http", budget=PLAIN, receivers=("ci",)))
    for expected in ("processing", "failed"):
        pass_time(database, 51)
        task = one(database, desk)
        start(database, "a", claim_of(task), None)
        ended, _changed = fail(database, "a", claim_of(task), TROUBLE)
        assert ended.status == expected
        assert ended.error is not None
    assert ended.error["message"] == "Failed after 2 tries; the last error was: no answer"
    (told,) = deliveries(database, "a")
    assert json.loads(told.body) == {"type": "request.failed", "request": ended.to_json()}


@pytest.mark.parametrize("kind", ["InputError", "Impossible", "UnknownPool", "LeaseDiffers", "LeaseNotHeld"])
def test_what_would_fail_again_is_not_tried_again(database: Database, kind: str) -> None:
    accept(database, asked(wait=1000), Terms(origin="http", wait=1000))
    task = one(database, this_process())
    start(database, "a", claim_of(task), None)
    ended, _changed = fail(database, "a", claim_of(task), Failure(kind=kind, message="no"))
    assert (ended.status, ended.error) == ("failed", {"type": kind, "message": "no"})


def test_room_is_waited_for_as_long_as_was_asked(database: Database) -> None:
    desk = this_process()
    accept(
        database, asked(), Terms(origin="http", budget=RetryPolicy(first_seconds=1, most_seconds=5), wait=100)
    )
    full = Failure(kind="NoRoom", message="0 of 4 hosts fit")
    for left in (100, 90, 80, 70, 60):
        task = one(database, desk)
        assert start(database, "a", claim_of(task), None)[1] == pytest.approx(left, abs=5)
        assert fail(database, "a", claim_of(task), full)[0].status == "processing"
        pass_time(database, 10)
    # Waiting at a place in the queue is no try at all.
    task = one(database, desk)
    tries = start(database, "a", claim_of(task), None)[0].tries
    assert defer(database, "a", claim_of(task), 1, full)[0].tries == tries - 1
    pass_time(database, 200)
    task = one(database, desk)
    assert start(database, "a", claim_of(task), None)[1] == 0
    ended, _changed = fail(database, "a", claim_of(task), full)
    assert (ended.status, ended.error) == ("failed", full.to_json())


def test_everybody_is_told_by_one_at_a_time(database: Database) -> None:
    budget = RetryPolicy(tries=3, first_seconds=10, most_seconds=15)
    accept(database, asked(), Terms(origin="rabbitmq", receivers=("ci", "old"), message='{"a": 1}'))
    task = one(database, this_process())
    fail(database, "a", claim_of(task), Failure(kind="InputError", message="no"))
    assert {(each.channel, each.receiver) for each in deliveries(database, "a")} == {
        ("callback", "ci"),
        ("callback", "old"),
        ("dead_letter", "rabbitmq"),
    }
    far = Owner(host="far", pid=1, started_at="1", place="another boot", token="t")

    def due(desk: Owner) -> list[str]:
        return [each.id for each in take_due(database, desk, "callback", "ci", 4, 40)]

    (name,) = due(far)
    assert due(this_process()) == []
    pass_time(database, 41)
    with somebody() as desk:
        # Whoever had it is silent, and whoever is known to be dead is not waited for.
        assert due(desk) == [name]
    (mine,) = take_due(database, this_process(), "callback", "ci", 4, 40)
    undelivered(database, mine, "it answered 503", budget, rng=lambda: 1.0)
    assert due(far) == []
    pass_time(database, 11)
    (mine,) = take_due(database, far, "callback", "ci", 4, 40)
    assert (mine.id, mine.tries, mine.error) == (name, 1, "it answered 503")
    undelivered(database, mine, "it answered 503", budget)
    pass_time(database, 16)
    (mine,) = take_due(database, far, "callback", "ci", 4, 40)
    undelivered(database, mine, "it answered 500", budget)
    pass_time(database, 10_000)
    assert due(far) == []
    (letter,) = take_due(database, far, "dead_letter", "rabbitmq", 4, 40)
    assert json.loads(letter.body)["message"] == '{"a": 1}'
    delivered(database, letter)
    drop_unknown(database, ["ci"])
    states = {each.receiver: (each.status, each.tries, each.error) for each in deliveries(database, "a")}
    assert states == {
        "ci": ("failed", 3, "it answered 500"),
        "old": ("failed", 0, "no receiver of that name is configured any more"),
        "rabbitmq": ("delivered", 1, None),
    }


def test_what_is_long_over_is_forgotten(database: Database) -> None:
    for name, receivers in (("told", ()), ("untold", ("ci",)), ("open", ())):
        accept(database, asked(name), Terms(origin="http", receivers=receivers))
    for task in dispatch(database, this_process(), WORK):
        if task.id != "open":
            complete(database, task.id, claim_of(task), {})
    assert purge(database, 1) == 0
    pass_time(database, 90_000)
    assert purge(database, 1) == 1
    assert [task.id for task in listed(database, 1e9)] == ["open", "untold"] or [
        task.id for task in listed(database, 1e9)
    ] == ["untold", "open"]
