# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past of a cluster on the page: what is drawn is what was recorded, and nothing in between."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.given import Given
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.history import (
    BARS,
    HEIGHT,
    HistoryData,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.history import (
    history as section_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._report_page.page import render

from .past_runs import disk_move, history, migration, run


def data(value: dict[str, Any]) -> HistoryData:
    section = section_of(Given(history=value))
    assert section is not None
    assert isinstance(section.data, HistoryData)
    return section.data


def test_readings_are_where_and_when_they_were_read() -> None:
    runs = [
        run("2026-11-16T00:00:00Z", spread={"cpu": 10.0}),
        run("2026-11-08T12:00:00Z", spread={"cpu": 20.0}),
    ]
    (cluster,) = data(history(runs)).clusters
    (curve,) = cluster.curves
    assert [(dot.x, dot.y) for dot in curve.dots] == [(25.0, 0.0), (50.0, HEIGHT / 2)]
    assert curve.lines == ((25.0, 0.0, 50.0, HEIGHT / 2),)
    assert [text for _y, text in cluster.levels] == ["0", "5", "10", "15", "20"]
    assert curve.dots[0].says == "cpu: 20.0 points"


def test_gaps_are_not_joined() -> None:
    hours = [0, 1, 2, 3, 20, 21]
    runs = [run(f"2026-11-10T{hour:02}:00:00Z", spread={"cpu": 10.0}) for hour in reversed(hours)]
    # A run that read nothing of a metric interrupts its curve alone.
    runs[2] = run("2026-11-10T03:00:00Z", spread={"memory": 5.0, "cpu": None})
    (cluster,) = data(history(runs)).clusters
    curves = {curve.metric: curve for curve in cluster.curves}
    assert len(curves["cpu"].dots) == 5
    assert len(curves["cpu"].lines) == 3
    assert len(curves["memory"].dots) == 1
    assert curves["memory"].lines == ()
    assert cluster.gaps == 1


def test_runs_are_marked_by_result_with_a_shape_each() -> None:
    ends = ["done", "partial", "stopped", "rolled_back", "failed", "interrupted", "running"]
    runs = [
        run(f"2026-11-{day:02}T00:00:00Z", status, result={"error": "no route"} if status == "failed" else {})
        for day, status in enumerate(ends, 2)
    ]
    (cluster,) = data(history(list(reversed(runs)))).clusters
    assert [mark.shape for mark in cluster.marks] == [
        "done",
        "partial",
        "partial",
        "partial",
        "failed",
        "failed",
        "running",
    ]
    assert cluster.marks[4].says == "failed, 0 migrated, goal spread, root on ctl"
    assert cluster.rows[2][:3] == ("2026-11-06T00:00:00Z", "failed", "spread")
    assert cluster.rows[2][-1] == "no route"
    assert cluster.heads == (
        "started", "result", "goal", "spread of cpu", "spread of memory", "migrated", "failed", "by", "error",
    )  # fmt: skip
    assert cluster.summary == (
        "7 runs: 1 done, 3 partial, stopped or rolled back, 2 failed or interrupted, 1 still running"
    )


def test_days_guests_and_failures_are_counted() -> None:
    full = "the target ran out of memory"
    moved = [
        migration("web2", "2026-11-20T09:00:00Z", "failed", full),
        migration("web1", "2026-11-20T08:00:00Z"),
        migration("web1", "2026-11-10T08:00:00Z"),
        migration("db", "2026-11-10T07:00:00Z"),
    ]
    found = data(history([run("2026-11-20T08:00:00Z")], moved))
    assert found.days is not None
    first, last = found.days
    assert (first.day, first.migrated, first.failed) == ("2026-11-10", BARS, 0)
    assert (last.migrated, last.failed) == (BARS / 2, BARS / 2)
    assert last.failed_y + last.failed == last.migrated_y
    assert first.x < (9.5 / 30) * 100 < first.x + first.width
    assert found.day_rows == (("2026-11-20", "1", "1", "1"), ("2026-11-10", "2", "0", "0"))
    assert found.guests is not None
    assert [(one.words, one.number, one.percent) for one in found.guests] == [
        ("web1 (id-web1)", 2, 100.0),
        ("db (id-db)", 1, 50.0),
    ]
    assert found.failures is not None
    assert [(one.words, one.number) for one in found.failures] == [(f"failed: {full}", 1)]
    assert found.migrations is not None
    assert found.migrations[0] == (
        "2026-11-20T09:00:00Z",
        "web2 (id-web2)",
        "pve1 → pve2",
        "failed",
        f"balance: takes pve1 from 91 % to 78 % memory; {full}",
        "AWX job 812 by anna",
    )
    assert (
        found.headline
        == "1 run, 3 migrations and 1 failure from 2026-11-01 00:00 UTC to 2026-12-01 00:00 UTC."
    )


def test_several_clusters_have_a_picture_each() -> None:
    runs = [run("2026-11-20T00:00:00Z", key="k2"), run("2026-11-19T00:00:00Z")]
    value = history(runs, [migration("web", "2026-11-20T08:00:00Z")])
    value["clusters"].append({"key": "k2", "name": "lab", "platform": "proxmox"})
    found = data(value)
    assert [cluster.name for cluster in found.clusters] == ["prod", "lab"]
    assert found.migrations is not None
    assert found.migrations[0][1] == "prod"
    many = [run("2026-11-20T00:00:00Z", key=f"k{number}") for number in range(20)]
    more = data(history(many))
    assert (len(more.clusters), more.more_clusters) == (12, 8)


def test_a_history_alone_makes_a_page_and_an_empty_one_says_so() -> None:
    page = render(Given(history=history([run("2026-11-20T08:00:00Z")]), cluster="prod"))
    assert "The last 30 days" in page
    assert page == render(Given(history=history([run("2026-11-20T08:00:00Z")]), cluster="prod"))
    assert "Nothing is recorded in this time" in render(Given(history=history(), cluster="prod"))


def test_lists_that_were_not_asked_for_are_left_out() -> None:
    value = history([run("2026-11-20T08:00:00Z")], [migration("web", "2026-11-20T08:00:00Z")])
    for name in ("runs", "migrations", "days", "guests", "failures"):
        del value[name]
    found = data(value)
    assert (found.clusters, found.days, found.guests, found.failures, found.migrations) == (
        (),
        None,
        None,
        None,
        None,
    )
    assert data({**value, "cut": ["runs", "migrations"]}).cut == "the runs and the migrations"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"since": "yesterday"}, "history.since: 'yesterday' is not a moment in UTC"),
        ({"until": "2026-10-01T00:00:00Z"}, "history.until: '2026-10-01T00:00:00Z' is not a moment after"),
        ({"summary": {"runs": -1}}, "history.summary.runs: -1 is not a number of at least 0"),
        ({"runs": "all"}, "history.runs: 'all' is not a list"),
        ({"runs": [1]}, "history.runs[0]: 1 is not a dictionary as history_info returns it"),
        ({"runs": [{"started_at": "2026-11-02T00:00:00Z", "result": None}]}, "history.runs[0].result: None"),
        ({"days": [{"day": "Monday"}]}, "history.days.day: 'Monday' is not a day"),
    ],
)  # fmt: skip
def test_what_is_no_history_is_refused_with_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        data({**history(), **change})
    assert str(error.value).startswith(message)


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match=r"history\.since is required: as history_info returns it"):
        data({"until": "2026-10-01T00:00:00Z"})


def test_a_run_every_few_minutes_keeps_the_page_small() -> None:
    runs = [
        run(f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z", "failed" if hour == 7 and not minute else "done")
        for day in range(28, 0, -1)
        for hour in range(23, -1, -1)
        for minute in (30, 0)
    ][:1000]
    moved = [migration(f"web{number % 90}", "2026-11-20T08:00:00Z") for number in range(1000)]
    page = render(Given(history=history(runs, moved, cut=["runs", "migrations"]), cluster="prod"))
    assert len(page) < 560_000
    assert page.count('href="#dot-0"') == 1000 + 1
    assert "the newest 250 of 1000" in page
    assert "Only the newest entries of the runs and the migrations are shown." in page
    # Those that failed have words, each of them.
    assert page.count("<title>failed, 2 migrated") == sum(one["status"] == "failed" for one in runs)


def test_disk_moves_are_listed_with_what_they_left_behind() -> None:
    moves = [
        disk_move("db", "2026-11-06T02:20:00Z", "failed", "no space left on device"),
        disk_move("mail", "2026-11-05T02:20:00Z", left_behind=["unused0: nfs1:101/vm-101-disk-0.qcow2"]),
    ]
    found = data(history(runs=[], disk_moves=moves))
    assert not found.quiet
    assert found.headline.startswith("0 runs, 0 migrations, 1 disk move (10.0 GiB) and 1 failure from ")
    assert found.left == (("unused0: nfs1:101/vm-101-disk-0.qcow2", "of mail, 2026-11-05 02:20 UTC"),)
    newest, oldest = found.disk_moves
    assert newest[0] == "2026-11-06T02:20:00Z"
    assert newest[1:] == (
        "db (id-db)", "scsi0, scsi1", "nfs1 → nfs2", "10.0 GiB", "failed",
        "space: takes nfs1 from 97.0 % to 79.9 %; no space left on device", "",
    )  # fmt: skip
    assert oldest[-1] == "unused0: nfs1:101/vm-101-disk-0.qcow2"
    text = render(Given(history=history(disk_moves=moves)))
    assert "Show 2 disk moves" in text
    assert "Copies that were left behind" in text
    # A result that did not ask for them, or of a version before 1.3, has none.
    old = {**history(), "summary": {"runs": 0, "failed_runs": 0, "migrations": 0, "failures": 0}}
    del old["disk_moves"]
    assert data(old).disk_moves == ()
    assert "disk move" not in render(Given(history=history([run("2026-11-06T02:00:00Z")])))


def test_runs_days_and_failures_tell_of_disk_moves() -> None:
    at = "2026-11-06T02:00:00Z"
    counts = {"migrated": 6, "failed": 1}
    about_disks = run(at, "partial", result={"migrated": 0, "failed": 0, "disk_moves": counts})
    day = {
        "day": "2026-11-06", "runs": 1, "failed_runs": 0, "migrations": 0, "failures": 0,
        "disk_moves": 6, "disk_failures": 1,
    }  # fmt: skip
    failure = {
        "result": "failed", "why": "no space left", "count": 1, "guests": ["db"], "last": at,
        "of": "disk_moves",
    }  # fmt: skip
    found = data({**history([about_disks]), "days": [day], "failures": [failure]})

    (cluster,) = found.clusters
    assert cluster.marks[0].says.startswith("partial, 0 migrated, 6 disk moves, 1 disk move failed, ")
    assert cluster.heads[5:9] == ("migrated", "failed", "disk moves", "disk moves that failed")
    assert cluster.rows[0][5:9] == ("0", "0", "6", "1")
    assert found.day_rows == (("2026-11-06", "0", "0", "6", "1", "1"),)
    assert found.days is not None
    assert found.days[0].says == "2026-11-06: 0 migrated, 0 not, 6 disk moves, 1 disk move failed, in 1 run"
    assert found.failures is not None
    assert found.failures[0].words == "disk move failed: no space left"
