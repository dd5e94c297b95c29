# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy adds to a snapshot: windows by the clocks of their time zone, reserves, and the like."""

from __future__ import annotations

import re

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError, UnknownName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.windows import MaintenanceWindow
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.selector import Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import read_moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.policy_overlay import (
    is_open,
    with_policy_applied,
)

from .preset_clusters import cluster

GIB = 1024**3


def window(**parts: object) -> MaintenanceWindow:
    given = {"hosts": Selector(names=("h1",)), "start": "02:30", "hours": 1.0, **parts}
    return MaintenanceWindow(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "moment", "expected"),
    [
        ({}, "2026-01-07T02:29:59Z", False),
        ({}, "2026-01-07T02:30:00Z", True),
        ({}, "2026-01-07T03:29:59Z", True),
        ({}, "2026-01-07T03:30:00Z", False),
        ({"lead_minutes": 30}, "2026-01-07T02:00:00Z", True),
        ({"lead_minutes": 30}, "2026-01-07T01:59:59Z", False),
        # A Wednesday; a week later it is one again.
        ({"days": ("wednesday",)}, "2026-01-07T02:30:00Z", True),
        ({"days": ("thursday",)}, "2026-01-07T02:30:00Z", False),
        ({"days": ("tuesday",), "hours": 24.5}, "2026-01-07T02:30:00Z", True),
        ({"days": ("wednesday",), "hours": 168.0}, "2026-01-13T23:59:59Z", True),
        ({"days": ("wednesday",), "hours": 168.0}, "2026-01-06T12:00:00Z", True),
        ({"days": ("wednesday",), "lead_minutes": 10_080}, "2026-01-01T00:00:00Z", True),
        # Summer time: the same hour of the day is another moment.
        ({"timezone": "Europe/Berlin"}, "2026-01-07T01:30:00Z", True),
        ({"timezone": "Europe/Berlin"}, "2026-07-08T01:30:00Z", False),
        ({"timezone": "Europe/Berlin"}, "2026-07-08T00:30:00Z", True),
        ({"timezone": "Pacific/Auckland", "days": ("thursday",)}, "2026-01-07T13:45:00Z", True),
    ],
)
def test_when_a_window_is_open(parts: dict[str, object], moment: str, expected: bool) -> None:
    assert is_open(window(**parts), read_moment(moment)) is expected


def test_a_night_without_that_hour_has_the_window_all_the_same() -> None:
    """On the last Sunday of March 02:30 does not exist in Berlin; the window is an hour long nevertheless."""
    berlin = window(timezone="Europe/Berlin")
    open_minutes = sum(
        is_open(berlin, read_moment(f"2026-03-29T{minute // 60:02}:{minute % 60:02}:00Z"))
        for minute in range(6 * 60)
    )
    assert open_minutes == 60


def test_now_wins_over_the_moment_of_the_snapshot() -> None:
    snapshot = cluster({"hosts": {"h1": {}, "h2": {}}})
    policy = Policy(maintenance_windows=(window(),), now="2026-01-07T02:45:00Z")
    assert [host.maintenance for host in with_policy_applied(snapshot, policy).hosts] == [True, False]
    assert [host.maintenance for host in with_policy_applied(snapshot, Policy()).hosts] == [False, False]


@pytest.mark.parametrize(
    "policy",
    [
        {"maintenance_windows": [{"hosts": {"names": ["nowhere"]}, "start": "1:00", "hours": 1}]},
        {"reserves": [{"hosts": {"names": ["nowhere"]}, "memory": 1}]},
    ],
)
def test_a_host_that_does_not_exist_is_an_error(policy: dict[str, object]) -> None:
    (field,) = policy
    message = re.escape(f"policy.{field}[0].hosts.names: no host has the name")
    with pytest.raises(UnknownName, match=message):
        plan(cluster({"hosts": {"h1": {}, "h2": {}}}), Policy.from_json(policy))


def test_a_moment_without_a_week_around_it_is_an_error() -> None:
    policy = Policy(maintenance_windows=(window(),), now="0001-01-01T00:00:00Z")
    with pytest.raises(InputError, match=r"snapshot\.taken_at"):
        plan(cluster({"hosts": {"h1": {}, "h2": {}}}), policy)


def test_a_window_stays_out_of_the_snapshot_that_a_plan_is_of() -> None:
    snapshot = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})
    policy = Policy(maintenance_windows=(window(),), now="2026-01-07T02:45:00Z")
    assert plan(snapshot, policy).snapshot_digest == snapshot.digest()


def test_what_a_plan_wakes_up_is_levelled_by_it() -> None:
    """Levelling cpu fills h2 with memory, past what memory is levelled from: the same plan sees to it."""
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}},
            "guests": {
                "a": {"host": "h1", "cpu": 30, "memory": 10},
                "b": {"host": "h1", "cpu": 30, "memory": 20},
                "c": {"host": "h2", "cpu": 0, "memory": 30},
                "d": {"host": "h2", "cpu": 0, "memory": 25},
            },
        }
    )
    policy = Policy.from_json({"max_spread": 15, "level_above": {"memory": 60}})
    result = plan(snapshot, policy)
    assert result.status == "balanced"
    assert result.policy == policy
    assert (result.after.spread["cpu"] or 0) <= 15
    fullest = max(state.used["memory"] or 0 for state in result.after.hosts.values())
    assert fullest < 60 or (result.after.spread["memory"] or 0) <= 15
