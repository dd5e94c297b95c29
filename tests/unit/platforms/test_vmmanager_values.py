# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that VMmanager's answers are taken apart with."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import listed
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api.errors import error_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api.filters import (
    Where,
    matching,
    query,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api.values import (
    flag,
    mib,
    moment,
    number,
    reference,
    release,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.read.clusters import (
    _storages,
    own_balancers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.read.guests import (
    GuestDisk,
    disks_unknown,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.read.history import (
    MigrationHistory,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.read.loads import (
    MAX_NAMED,
    _is_young,
    _step,
    _window,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.read.nodes import (
    cores,
    in_maintenance,
    memory,
)

MIB = 1024**2


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ([{"id": 5}], "(id EQ 5)"),
        ([{"consul_id": "77", "name": "host_migrate"}], "((consul_id EQ '77') AND (name EQ 'host_migrate'))"),
        ([{"id": 5}, {"id": 7}], "((id EQ 5) OR (id EQ 7))"),
        ([{"a": 1, "b": "x"}, {"a": 2}], "(((a EQ 1) AND (b EQ 'x')) OR (a EQ 2))"),
        ([{"name": "it's"}], "(name EQ 'its')"),
    ],
)
def test_filters_are_written_as_the_documentation_has_them(where: Where, text: str) -> None:
    asked = query(where)
    assert unquote(asked) == f"where={text}"
    assert " " not in asked
    # Known clients leave these as they are, and so the platform is known to take them.
    assert "(" in asked
    assert "%27" not in asked


def test_a_row_matches_a_number_in_either_form() -> None:
    where = [{"consul_id": "77", "name": "host_migrate"}, {"id": 5}]
    rows = [
        {"id": 1, "consul_id": 77, "name": "host_migrate"},
        {"id": 5},
        {"id": 2, "consul_id": 77, "name": "host_start"},
    ]
    assert matching(rows, where) == rows[:2]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, True), (1, True), ("on", True), ("auto", True), ({"enabled": True}, True),
        ({"state": "enabled"}, True), (False, False), (0, False), (None, False), ("off", False), ("", False),
        ("0", False), ("disabled", False), ({"enabled": False}, False), ({}, False), ({"mode": "off"}, False),
    ],
)  # fmt: skip
def test_switches_come_in_many_forms(value: object, found: bool) -> None:
    assert flag(value) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("6.2.0", "6.2.0"),
        ("QEMU emulator version 6.2.0 (Debian 1:6.2+dfsg-2ubuntu6)", "6.2.0"),
        ("qemu-kvm-2.12.0-33.el7", "2.12.0"),
        ("", None),
        (None, None),
        ("unknown", None),
    ],
)
def test_the_number_of_a_version(text: str | None, found: str | None) -> None:
    assert release(text) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-11-20 22:00:00", "2026-11-20T22:00:00Z"),
        ("2026-11-20T22:00:00Z", "2026-11-20T22:00:00Z"),
        ("2026-11-21T01:00:00+03:00", "2026-11-20T22:00:00Z"),
        (1795212000, "2026-11-20T22:00:00Z"),
        ("yesterday", None),
        (None, None),
        (1e18, None),
    ],
)
def test_moments(value: object, found: str | None) -> None:
    assert moment(value) == found


def test_numbers_and_references() -> None:
    assert [number(value) for value in (4, 0.5, -1, True, "4", None, float("inf"))] == [
        4, 0.5, None, None, None, None, None,
    ]  # fmt: skip
    assert mib(8192) == 8192 * MIB
    assert [reference(value) for value in ({"id": 3}, 3, "c-3", None, {}, True, 0.5)] == [
        "3", "3", "c-3", None, None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"cpu": {"number": 16, "used": 80}, "ram_mib": {"total": 1024, "allocated": 2048}},
            (16, 1024 * MIB),
        ),
        ({"cpu_number": 16, "ram_mib": {"total": 1024, "used": 512}}, (16, 1024 * MIB)),
        ({"cpu_number": {"total": 16, "used": 80}, "ram_mib": {"total": 1024}}, (16, 1024 * MIB)),
        ({"cpu": {"used": 80}, "ram_mib": 1024}, (None, None)),
    ],
)
def test_both_shapes_of_a_node(row: dict[str, Any], expected: tuple[float | None, int | None]) -> None:
    assert (cores(row), memory(row)) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"maintenance_mode": True}, True),
        ({"maintenance": True}, True),
        ({"maintenance_mode": {"state": "enabled"}}, True),
        ({"state": "maintenance"}, True),
        ({"state": "entering_maintenance"}, True),
        ({"maintenance_mode": "off", "state": "active"}, False),
        ({"state": "active"}, False),
    ],
)
def test_maintenance_in_every_form_that_was_seen(row: dict[str, Any], expected: bool) -> None:
    assert in_maintenance(row) is expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"name": "prod"}, None),
        ({"balancer_mode": "off"}, ()),
        ({"balancer": {"enabled": True}}, ("VMmanager's own balancer (balancer)",)),
        ({"auto_balancing": True, "balancer_interval": 0}, ("VMmanager's own balancer (auto_balancing)",)),
    ],
)
def test_the_platforms_own_balancer(row: dict[str, Any], expected: tuple[str, ...] | None) -> None:
    assert own_balancers(row) == expected


def test_a_history_is_read_for_what_counts() -> None:
    entries = (
        {
            "id": 1,
            "name": "host_create",
            "state": "complete",
            "task": 1,
            "date_create": "2026-01-01 10:00:00",
        },
        {
            "id": 2,
            "name": "host_migrate",
            "state": "complete",
            "task": 4,
            "date_create": "2026-01-02 10:00:00",
        },
        {"id": 3, "name": "host_migrate", "state": "failed", "task": 5, "date_create": "2026-01-03 10:00:00"},
        {"id": 5, "name": "host_migrate", "state": "running", "task": {"id": 9}, "date_create": None},
        {"id": 4, "name": "host_migrate", "state": "fail", "task": 6, "date_create": "2026-01-01 10:00:00"},
    )
    history = MigrationHistory(entries)
    assert (history.migrated_at, history.failed_at) == ("2026-01-02T10:00:00Z", "2026-01-03T10:00:00Z")
    assert (history.newest, history.migration_under_way()) == (5, "9")
    assert [history.migration_since(newest) for newest in (2, 4, 5)] == ["9", "9", None]
    assert history.tasks == {"1", "4", "5", "6", "9"}
    assert MigrationHistory(()).newest == 0


@pytest.mark.parametrize(
    ("storages", "main"),
    [
        ([{"id": 1, "name": "own", "type": "dir"}], [True]),
        ([{"id": 1, "name": "own", "type": "dir"}, {"id": 2, "name": "two", "type": "lvm"}], [False, False]),
        ([{"id": 1, "name": "own", "type": "dir"}, {"id": 2, "name": "two", "is_main": True}], [False, True]),
    ],
)
def test_the_only_storage_is_the_main_one(storages: list[dict[str, Any]], main: list[bool]) -> None:
    found = _storages({"id": 1, "storages": storages})
    assert [storage.main for storage in found.values()] == main


@pytest.mark.parametrize(
    ("line", "known", "unknown"),
    [
        ({}, 0, False),
        ({"disk": {"id": 7}}, 1, False),
        ({"disk": {"id": 7}}, 0, True),
        ({"disk": {"id": 7}, "disk_count": 2}, 1, True),
        ({"disk_count": 2}, 2, False),
    ],
)
def test_a_disk_that_the_line_speaks_of_must_be_among_those_listed(
    line: dict[str, Any], known: int, unknown: bool
) -> None:
    disks = [GuestDisk(id="7", storage="local", shared=False, size=1)] * known
    assert disks_unknown(line, disks) is unknown


@pytest.mark.parametrize(
    ("many", "text"),
    [(1, "n1"), (5, "n1, n2, n3, n4, n5"), (6, "n1, n2, n3, n4, n5 and 1 more")],
)
def test_of_many_names_five_are_listed(many: int, text: str) -> None:
    assert listed((f"n{number}" for number in range(1, many + 1)), MAX_NAMED) == text


def test_a_window_ends_at_the_newest_point_that_was_measured() -> None:
    points = [(0.0, 100.0), (60.0, 10.0), (120.0, 20.0)]
    assert _window(points, 0) == points[2:]
    assert _window(points, 60) == points[2:]
    assert _window(points, 61) == points[1:]
    assert _window(points, 3600) == points
    assert _window([], 60) == ()
    assert (_step(points), _step(points[:1])) == (60, 0)


@pytest.mark.parametrize(
    ("points", "age", "seconds", "young"),
    [
        (60, None, 0, False), (60, 3600.0, 0, False), (60, 10.0, 0, True), (60, 10.0, 3600, False),
        (1, 10.0, 3600, True), (0, 10.0, 3600, True), (1, 3600.0, 3600, False),
    ],
)  # fmt: skip
def test_what_has_just_started_or_arrived_is_not_measured_yet(
    points: int, age: float | None, seconds: int, young: bool
) -> None:
    assert _is_young([(60.0 * index, 1.0) for index in range(points)], age, seconds) is young


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (
            400,
            {"code": 1001, "msg": "bad", "value": {"name": "node", "why": ["a", 2]}},
            "bad (code 1001): name node, why a, 2",
        ),
        (500, None, "status 500 without a reason"),
        (400, "no", "no"),
        (400, {"msg": ""}, "{'msg': ''}"),
    ],
)  # fmt: skip
def test_the_words_of_a_refusal(status: int, error: object, text: str) -> None:
    assert error_of(status, error, "").what == text
