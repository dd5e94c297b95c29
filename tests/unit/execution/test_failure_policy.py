# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run behaves while migrations take their time: when it waits, gives up, stops and goes home."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import CoMigrated, Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    AuthenticationFailed,
    PlatformError,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    MigrationRequest,
    Objection,
    Prepared,
)

from .slow import HandClock, Run, Slow

GIB = 1024**3


def step(number: int, source: str = "a", target: str = "b", *, guest: str = "", after: Sequence[int] = (),
         memory: int = 10) -> Migration:  # fmt: skip
    name = guest or str(number)
    return Migration(
        step=number, wave=len(after) + 1, guest=GuestRef(id=name, name=f"guest-{name}"), source=source,
        target=target, kind="balance", why="", after=tuple(after), cost=Cost(memory=memory * GIB, seconds=1),
    )  # fmt: skip


def results(outcome: Outcome) -> list[str]:
    return [migration.result for migration in outcome.migrations]


def places(path: Path) -> str:
    """The hosts of the guests, in the order of their ids."""
    return "".join(entry["host"] for entry in json.loads(path.read_text())["guests"])


def unreachable(question: str, since: float, until: float) -> Callable[[str, float], PlatformError | None]:
    """One question that gets no answer for a while, counted from the beginning of the run."""

    def silent(asked: str, now: float) -> PlatformError | None:
        away = asked == question and since <= now - 1000 < until
        return Unreachable("no route to it") if away else None

    return silent


def test_an_outcome_says_when_and_for_how_long(cluster: Path) -> None:
    run = Run(Slow(str(cluster), HandClock(), seconds={"1": 65}), [step(1)], FailurePolicy(poll_interval=5))
    run.platform.clock.sleep(60)
    outcome = run.run()
    only = outcome.migrations[0]
    assert (outcome.started_at, only.started_at) == ("2026-01-01T00:01:00Z",) * 2
    assert outcome.status == "done"
    # It has ended after 65 s, and that was seen at the next look, at most an interval later.
    assert 65 <= only.seconds < 70 <= 5 + outcome.seconds  # type: ignore[operator]
    assert only.ended_at in {f"2026-01-01T00:02:{second:02}Z" for second in range(5, 11)}
    assert (only.task, only.result, only.why) == ("1-1", "migrated", "")


def test_it_asks_soon_after_a_start_and_then_ever_less_often(cluster: Path) -> None:
    run = Run(Slow(str(cluster), HandClock(), seconds={"1": 9}), [step(1)], FailurePolicy(poll_interval=2))
    run.run()
    assert run.platform.clock.naps == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2])


def test_a_platform_in_trouble_is_asked_at_random_moments(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 9}, silent=unreachable("poll", 3, 7))
    Run(slow, [step(1)], FailurePolicy(poll_interval=2), rng=lambda: 0.25).run()
    # Half of the usual pause, and a quarter of the other half, as the random numbers say.
    assert set(slow.clock.naps[5:]) == {2.0, 2 * 0.625}


@pytest.mark.parametrize(
    ("seconds", "result", "why"),
    [(29, "migrated", ""), (32, "failed", "exceeded its timeout of 30 s"), (999, "failed", "exceeded its")],
)
def test_a_migration_that_takes_too_long_is_cancelled(
    cluster: Path, seconds: float, result: str, why: str
) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": seconds})
    outcome = Run(slow, [step(1)], FailurePolicy(timeout=30, poll_interval=1)).run()
    assert results(outcome) == [result]
    assert why in outcome.migrations[0].why
    assert [round(at - 1000) for _task, at in slow.cancels] == ([] if result == "migrated" else [30])
    assert outcome.status == ("done" if result == "migrated" else "partial")


def test_what_can_not_be_cancelled_is_followed_for_a_minute(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 999, "2": 80}, deaf="12")
    outcome = Run(slow, [step(1), step(2)], FailurePolicy(timeout=30, poll_interval=1)).run()
    lost, late = outcome.migrations
    assert (lost.result, lost.why) == (
        "failed",
        "exceeded its timeout of 30 s; cancelled, but still running",
    )
    assert 90 < lost.seconds < 94  # type: ignore[operator]
    assert (late.result, late.why) == ("migrated", "")
    # Each was asked to stop once.
    assert sorted(task for task, _at in slow.cancels) == ["1-1", "2-1"]


def test_a_cancel_that_fails_is_told(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 999}, silent=unreachable("cancel", 0, 9999))
    outcome = Run(slow, [step(1)], FailurePolicy(timeout=30, poll_interval=1)).run()
    assert outcome.migrations[0].why == (
        "exceeded its timeout of 30 s; not cancelled: no route to it; cancelled, but still running"
    )


@pytest.mark.parametrize(
    ("on_stop", "expected", "end"), [("finish", "migrated", "baaa"), ("cancel", "cancelled", "aaaa")]
)
def test_a_run_that_is_stopped(cluster: Path, on_stop: Any, expected: str, end: str) -> None:
    """What runs ends, or is cancelled; nothing else starts."""
    stop = StopSignal()
    slow = Slow(str(cluster), HandClock())
    run = Run(slow, [step(1), step(2, after=[1])], FailurePolicy(on_stop=on_stop, poll_interval=1), stop=stop)
    run.told = lambda progress: stop.request("by hand") if progress.moving else None
    outcome = run.run()
    assert results(outcome) == [expected, "skipped"]
    assert outcome.migrations[1].why == "by hand"
    assert outcome.migrations[0].why == ("" if on_stop == "finish" else "by hand")
    assert (outcome.status, places(cluster)) == ("stopped", end)


@pytest.mark.parametrize(("deadline", "status"), [(1000, "stopped"), (1010, "stopped"), (1030, "done")])
def test_nothing_starts_when_the_time_of_the_run_is_over(cluster: Path, deadline: float, status: str) -> None:
    slow = Slow(str(cluster), HandClock())
    run = Run(slow, [step(1), step(2, after=[1])], FailurePolicy(poll_interval=1))
    run.stop = StopSignal(deadline=deadline)
    outcome = run.run()
    assert outcome.status == status
    assert results(outcome).count("skipped") == {1000: 2, 1010: 1, 1030: 0}[int(deadline)]


def test_the_moment_of_the_deadline_is_too_late() -> None:
    stop = StopSignal(deadline=10)
    assert [stop.reason(now) is None for now in (9.9, 10, 10.1)] == [True, False, False]


@pytest.mark.parametrize(
    ("max_failures", "tolerated"), [(0, 0), (0.5, 2), (0.49, 1), (1, 1), (3, 3), (0.99, 3), (1.5, 1)]
)
def test_failures_that_are_tolerated(max_failures: float, tolerated: int) -> None:
    assert FailurePolicy(max_failures=max_failures).tolerated(4) == tolerated


@pytest.mark.parametrize(
    ("on_failure", "max_failures", "expected", "status"),
    [
        ("continue", 0, ["failed", "failed", "migrated", "migrated"], "partial"),
        ("stop", 0, ["failed", "skipped", "skipped", "skipped"], "stopped"),
        ("stop", 1, ["failed", "failed", "skipped", "skipped"], "stopped"),
        ("stop", 2, ["failed", "failed", "migrated", "migrated"], "partial"),
        ("stop", 0.5, ["failed", "failed", "migrated", "migrated"], "partial"),
    ],
)
def test_more_failures_than_are_tolerated_end_the_run(
    cluster: Path, on_failure: Any, max_failures: float, expected: list[str], status: str
) -> None:
    slow = Slow(str(cluster), HandClock(), fails="12")
    one = ConcurrencyLimits(cluster=1, per_host=1, per_datastore=1)
    failure_policy = FailurePolicy(on_failure=on_failure, max_failures=max_failures)
    outcome = Run(
        slow, [step(1), step(2), step(3, target="c"), step(4, target="c")], failure_policy, one
    ).run()
    assert (results(outcome), outcome.status) == (expected, status)
    failures = expected.count("failed")
    told = {migration.why for migration in outcome.migrations if migration.result == "skipped"}
    assert told <= {f"{failures} migration{'s' * (failures > 1)} failed"}
    assert slow.most == 1


def test_a_rollback_brings_back_what_was_done_and_says_when_it_could_not(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), fails="3")
    plan = [step(1), step(2, target="c", after=[1]), step(3, after=[2])]
    outcome = Run(slow, plan, FailurePolicy(on_failure="rollback")).run()
    assert results(outcome) == ["migrated", "migrated", "failed", "migrated", "migrated"]
    assert (outcome.status, places(cluster)) == ("rolled_back", "aaaa")
    home = [(migration.step, migration.guest.id, migration.target) for migration in outcome.migrations[3:]]
    assert home == [(4, "2", "a"), (5, "1", "a")]
    assert [guest for guest, _at in slow.starts] == ["1", "2", "3", "2", "1"]


class Stuck(Slow):
    """Nobody gets back to a."""

    def prepare(self, request: MigrationRequest) -> Prepared:
        prepared = super().prepare(request)
        return replace(prepared, objection=Objection("a takes nobody")) if request.target == "a" else prepared


def test_a_rollback_that_can_not_bring_all_back_is_partial(cluster: Path) -> None:
    slow = Stuck(str(cluster), HandClock(), fails="2")
    outcome = Run(slow, [step(1), step(2, after=[1])], FailurePolicy(on_failure="rollback")).run()
    assert results(outcome) == ["migrated", "failed", "refused"]
    assert (outcome.status, places(cluster)) == ("partial", "baaa")


def test_a_rollback_that_was_killed_is_gone_on_with(cluster: Path, tmp_path: Path) -> None:
    """Nothing is begun anew, and what the killed run has done is brought home."""
    plan = [step(1), step(2, target="c", after=[1]), step(3, after=[2])]
    first = Run(
        Slow(str(cluster), HandClock(), fails="3"), plan, FailurePolicy(on_failure="rollback"),
        journal=tmp_path / "journal",
    )  # fmt: skip

    def kill(progress: Any) -> None:
        # The first on its way home is under way.
        if any(moving.step == 4 for moving in progress.moving):
            raise KeyboardInterrupt

    first.told = kill
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert places(cluster) == "bcaa"
    second = Run(first.platform, plan, FailurePolicy(on_failure="rollback"), journal=tmp_path / "journal")
    outcome = second.run()
    assert (outcome.status, places(cluster)) == ("rolled_back", "aaaa")
    assert results(outcome) == ["migrated", "migrated", "skipped", "migrated", "migrated"]
    assert outcome.migrations[2].why == "an earlier part of this run was rolling back"
    # The one that was under way was followed, not started again.
    assert [guest for guest, _at in first.platform.starts] == ["1", "2", "3", "2", "1"]
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize("question", ["look", "poll"])
@pytest.mark.parametrize(("seconds", "expected"), [(110, "migrated"), (140, "failed")])
def test_a_platform_that_does_not_answer_is_given_two_minutes(
    cluster: Path, question: str, seconds: float, expected: str
) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 400}, silent=unreachable(question, 5, 5 + seconds))
    outcome = Run(slow, [step(1), step(2, target="c", after=[1])], FailurePolicy(poll_interval=1)).run()
    assert results(outcome) == [expected, "migrated" if expected == "migrated" else "skipped"]
    if expected == "failed":
        assert outcome.migrations[0].why == (
            "Lost contact with the platform; the migration may still be running: no route to it"
        )
        assert outcome.migrations[1].why == "no route to it"
        assert outcome.status == "stopped"
        assert 125 <= outcome.migrations[0].seconds < 130  # type: ignore[operator]


def test_silences_with_an_answer_in_between_do_not_add_up(cluster: Path) -> None:
    silent = [unreachable("poll", 10 + 100 * number, 90 + 100 * number) for number in range(3)]
    slow = Slow(str(cluster), HandClock(), seconds={"1": 400})
    slow.silent = lambda asked, now: next((each(asked, now) for each in silent if each(asked, now)), None)
    assert results(Run(slow, [step(1)], FailurePolicy(poll_interval=1)).run()) == ["migrated"]


def test_what_no_waiting_mends_is_not_waited_for(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 400})
    slow.silent = lambda asked, now: AuthenticationFailed("no") if asked == "poll" and now > 1005 else None
    outcome = Run(slow, [step(1)], FailurePolicy(poll_interval=1)).run()
    assert results(outcome) == ["failed"]
    assert outcome.migrations[0].seconds < 10  # type: ignore[operator]


@pytest.mark.parametrize(("until", "raises"), [(100, False), (300, True)])
def test_a_first_look_is_tried_for_two_minutes(cluster: Path, until: float, raises: bool) -> None:
    slow = Slow(str(cluster), HandClock(), silent=unreachable("look", 0, until))
    run = Run(slow, [step(1)])
    if raises:
        with pytest.raises(Unreachable):
            run.run()
        assert 1120 <= slow.clock.seconds < 1125
    else:
        assert run.run().status == "done"


def test_a_first_look_ends_when_the_run_is_stopped(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), silent=unreachable("look", 0, 9999))
    with pytest.raises(Unreachable):
        Run(slow, [step(1)], stop=StopSignal(deadline=1020)).run()
    assert slow.clock.seconds < 1025


@pytest.mark.parametrize(
    ("times", "begun", "result", "starts"),
    [(2, "", "migrated", 3), (3, "", "failed", 3), (1, "1", "migrated", 1)],
)
def test_a_start_without_an_answer_is_looked_for_and_repeated(
    cluster: Path, times: int, begun: str, result: str, starts: int
) -> None:
    slow = Slow(str(cluster), HandClock(), unheard={"1": times}, begun=begun)
    outcome = Run(slow, [step(1)], FailurePolicy(poll_interval=1)).run()
    assert (results(outcome), len(slow.starts)) == ([result], starts)
    assert outcome.migrations[0].why == ("no answer to the start" if result == "failed" else "")


def test_a_start_without_an_answer_that_has_arrived_meanwhile(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 0}, unheard={"1": 1}, begun="1")
    outcome = Run(slow, [step(1)]).run()
    assert (results(outcome), outcome.migrations[0].why) == (
        ["migrated"],
        "Completed while no run was monitoring it.",
    )


@pytest.mark.parametrize(("until", "result"), [(1055, "migrated"), (1200, "skipped")])
def test_a_guest_that_is_busy_is_waited_for_a_minute(cluster: Path, until: float, result: str) -> None:
    slow = Slow(str(cluster), HandClock(), busy={"1": until})
    outcome = Run(slow, [step(1)], FailurePolicy(poll_interval=1)).run()
    assert results(outcome) == [result]
    assert outcome.migrations[0].why == ("" if result == "migrated" else "the guest is busy: migrate")
    # Nobody waits for one that was never begun.
    assert slow.clock.seconds < 1070


@pytest.mark.parametrize(
    ("held", "result", "why"),
    [(0, "failed", "it can't be locked"), (9, "migrated", ""), (99, "skipped", "the guest is busy: migrate")],
)
def test_a_start_that_is_refused_since_something_has_taken_hold_of_the_guest_waits_for_that(
    cluster: Path, held: float, result: str, why: str
) -> None:
    slow = Slow(str(cluster), HandClock(), refuses={"1": held})
    outcome = Run(slow, [step(1)], FailurePolicy(poll_interval=1)).run()
    assert (results(outcome), outcome.migrations[0].why) == ([result], why)


@pytest.mark.parametrize(
    ("passing", "times", "expected", "starts"),
    [
        (False, 99, "refused", range(1, 2)),
        (True, 3, "migrated", range(4, 5)),
        # Less and less often, and not for ever.
        (True, 99, "skipped", range(6, 12)),
    ],
)
def test_a_start_to_which_the_platform_objects(
    cluster: Path, passing: bool, times: int, expected: str, starts: range
) -> None:
    slow = Slow(str(cluster), HandClock(), objects={"1": times}, passing=passing)
    run = Run(slow, [step(1), step(2, after=[1]), step(3)], FailurePolicy(on_failure="stop"))
    outcome = run.run()
    after = "migrated" if expected == "migrated" else "skipped"
    # It is no failure, so that the rest goes on.
    assert results(outcome) == [expected, after, "migrated"]
    assert outcome.migrations[0].why == ("" if expected == "migrated" else "no such network. Add it")
    assert sum(guest == "1" for guest, _at in slow.starts) in starts


def test_a_start_that_is_refused_since_the_guest_has_gone_elsewhere(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), refuses={"1": 0})
    run = Run(slow, [step(1)], FailurePolicy(poll_interval=1))

    def silent(_question: str, _now: float) -> None:
        if slow.starts:
            cluster.write_text(cluster.read_text().replace('"host": "a"', '"host": "c"', 1))

    slow.silent = silent
    outcome = run.run()
    assert results(outcome) == ["skipped"]
    assert outcome.migrations[0].why == "the guest is on c, not on a as planned"


@pytest.mark.parametrize(
    ("slots", "most"),
    [
        (ConcurrencyLimits(cluster=2, per_host=9, per_datastore=9), 2),
        (ConcurrencyLimits(cluster=9, per_host=3, per_datastore=9), 3),
    ],
)
def test_never_more_at_the_same_time_than_there_are_slots(
    cluster: Path, slots: ConcurrencyLimits, most: int
) -> None:
    slow = Slow(str(cluster), HandClock())
    outcome = Run(slow, [step(number) for number in range(1, 5)], concurrency=slots).run()
    assert (outcome.status, slow.most) == ("done", most)


@pytest.mark.parametrize(("late", "result"), [(3, "migrated"), (50, "failed")])
def test_what_was_called_failed_may_still_arrive(cluster: Path, late: float, result: str) -> None:
    """After a cancel it is looked for some seconds more; a guest that stays away has failed."""
    slow = Slow(str(cluster), HandClock(), seconds={"1": 999}, late={"1": late})
    run = Run(slow, [step(1)], FailurePolicy(timeout=30, poll_interval=1))
    outcome = run.run()
    assert results(outcome) == [result]
    why = "exceeded its timeout of 30 s"
    if late == 3:
        why = f"arrived on its target after all; reported before: {why}"
    assert outcome.migrations[0].why == why
    assert [ended.result for ended in run.heard] == (["failed", "migrated"] if late == 3 else ["failed"])
    # Five seconds are enough to look for it.
    assert slow.clock.seconds < 1040


def partner(name: str, memory: int = 10) -> CoMigrated:
    return CoMigrated(guest=GuestRef(id=name, name=f"guest-{name}"), source="a", memory=memory * GIB)


def test_whom_the_platform_takes_along_is_told_and_not_moved_again(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), along={"1": [partner("2"), partner("3")]})
    outcome = Run(slow, [step(1), step(2)], FailurePolicy(poll_interval=1)).run()
    assert (outcome.status, places(cluster)) == ("done", "bbba")
    assert [guest for guest, _at in slow.starts] == ["1"]
    first, second = outcome.migrations
    assert [moved.guest.id for moved in first.along] == ["3"]
    assert (second.result, second.why) == ("migrated", "migrated by the platform together with step 1")


def test_who_is_taken_along_must_have_room_as_well(cluster: Path) -> None:
    one = Slow(str(cluster), HandClock(), along={"1": [partner("2", 35)]})
    outcome = Run(one, [step(1)]).run()
    assert results(outcome) == ["migrated"]
    slow = Slow(str(cluster), HandClock(), along={"3": [partner("4", 40)]})
    outcome = Run(slow, [step(3)]).run()
    assert results(outcome) == ["skipped"]
    assert "46080 MiB" not in outcome.migrations[0].why
    assert "51200 MiB needed with guest-4 (4), which the platform migrates" in outcome.migrations[0].why


def test_who_is_taken_along_must_keep_the_rules_as_well(cluster: Path) -> None:
    apart = Rule(name="web", kind="host_anti_affinity", guests=("2",), hosts=("b",), strict=True, source="t")
    slow = Slow(str(cluster), HandClock(), along={"1": [partner("2")]})
    outcome = Run(slow, [step(1)], rules=[apart]).run()
    assert results(outcome) == ["skipped"]
    assert outcome.migrations[0].why == (
        "the platform would migrate guest-2 (2) together with it:"
        " it would break rule web: b is one of its hosts"
    )


@pytest.mark.parametrize(("settling", "second"), [(0, 10), (20, 30)])
def test_memory_that_a_platform_reports_late_is_counted_until_then(
    cluster: Path, settling: float, second: float
) -> None:
    """A guest that has just arrived counts besides what the target reports."""
    capacities = Capacities(cluster=8, per_host=4, settling_seconds=settling)
    slow = Slow(str(cluster), HandClock(), capacities=capacities)
    # 40 in use, then 50; with the first one counted twice there is no room for the second until it settles.
    outcome = Run(slow, [step(1), step(2, after=[1], memory=40)], FailurePolicy(poll_interval=1)).run()
    assert outcome.status == "done"
    begun = dict(slow.starts)
    assert second <= begun["2"] - begun["1"] < second + 3


def test_a_killed_run_is_gone_on_with_without_a_second_start(cluster: Path, tmp_path: Path) -> None:
    plan = [step(1), step(2, target="c", after=[1])]
    first = Run(Slow(str(cluster), HandClock()), plan, journal=tmp_path / "journal")

    def kill(progress: Any) -> None:
        if progress.moving:
            raise KeyboardInterrupt

    first.told = kill
    with pytest.raises(KeyboardInterrupt):
        first.run()
    outcome = Run(first.platform, plan, journal=tmp_path / "journal").run()
    assert (outcome.status, results(outcome)) == ("done", ["migrated", "migrated"])
    assert [guest for guest, _at in first.platform.starts] == ["1", "2"]
    assert outcome.migrations[0].task == "1-1"


def test_one_whose_task_the_journal_lacks_is_found(cluster: Path, tmp_path: Path) -> None:
    # The first of the plan has not been begun.
    plan = [step(2, target="c", after=[1]), step(1)]
    slow = Slow(str(cluster), HandClock())
    run = Run(slow, plan, journal=tmp_path / "journal")
    journal = Journal(str(tmp_path / "journal"), run.work.digest())
    journal.begin(1, "2025-12-31T23:59:00Z")
    journal._stream.close()  # type: ignore[union-attr]
    slow.start(slow.prepare(MigrationRequest(guest="1", source="a", target="b")))
    outcome = run.run()
    assert (results(outcome), [guest for guest, _at in slow.starts]) == (["migrated"] * 2, ["1", "2"])
    assert outcome.migrations[1].started_at == "2025-12-31T23:59:00Z"


def test_progress_counts_what_is_under_way_as_far_as_it_is(cluster: Path) -> None:
    slow = Slow(str(cluster), HandClock(), seconds={"1": 10, "2": 40})
    plan = [step(1), step(2, memory=20), step(3, target="c", after=[2])]
    run = Run(slow, plan, FailurePolicy(poll_interval=1))
    run.run()
    first = run.progress[0]
    assert (first.left, first.memory_moved, first.seconds_left, first.ended) == (1, 0, None, {})
    assert sorted((one.step, one.guest, one.source, one.target) for one in first.moving) == [
        (1, "guest-1", "a", "b"),
        (2, "guest-2", "a", "b"),
    ]
    middle = next(each for each in run.progress if each.ended == {"migrated": 1})
    (moving,) = middle.moving
    assert moving.percent == pytest.approx(100 * moving.seconds / 40, abs=0.5)
    assert middle.memory_moved == pytest.approx(10 * GIB + 20 * GIB * moving.percent / 100, abs=GIB / 10)
    left = 40 * GIB - middle.memory_moved
    assert middle.seconds_left == pytest.approx(moving.seconds * left / middle.memory_moved, abs=0.2)
    last = run.progress[-1]
    assert (last.moving, last.ended, last.left, last.memory_moved) == ((), {"migrated": 3}, 0, 40 * GIB)
    assert last.seconds_left == 0
