# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vCenter itself remembers of migrations, whoever asked for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later, written
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.history import (
    read_history,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import follow

HOUR = 3600


def ago(hours: float) -> str:
    return written(datetime.now(UTC) - timedelta(hours=hours))


def remembering(**past: dict[str, str]) -> Snapshot:
    """The small cluster, some of whose guests have a past."""
    cluster = clusters.small()
    guests = (replace(guest, **past.get(guest.name, {})) for guest in cluster.guests)
    return replace(cluster, guests=tuple(guests))


def past_of(snapshot: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    def both(guest: Guest) -> tuple[str | None, str | None]:
        return guest.last_migrated_at, guest.last_failed_at

    return {guest.name: both(guest) for guest in snapshot.guests}


def move(platform: VSpherePlatform, guest: str, *, cancel: bool = False) -> str:
    """Migrate a guest from a to b; how that ended."""
    request = MigrationRequest(guest=f"vm-{guest}", source="host-a", target="host-b")
    task = platform.start(platform.prepare(request))
    if cancel:
        platform.cancel(task)
    return follow(platform, {task: request})[task].state


def test_what_a_guest_went_through_lately_is_read(simulator: Simulate) -> None:
    one = {"last_migrated_at": ago(0.5), "last_failed_at": ago(0.2)}
    two = {"last_migrated_at": ago(3)}
    served = simulator("vcenter", remembering(one=one, two=two))
    expected = {"one": (one["last_migrated_at"], one["last_failed_at"]), "three": (None, None)}
    platform = clusters.connect(served, history_seconds=HOUR)
    short = platform.read()
    assert past_of(short) == expected | {"two": (None, None)}
    longer = clusters.connect(served, history_seconds=4 * HOUR).read()
    assert past_of(longer) == expected | {"two": (two["last_migrated_at"], None)}
    assert short.notices == longer.notices == ()


def test_nothing_is_asked_for_that_nobody_wants(simulator: Simulate) -> None:
    served = simulator("vcenter", remembering(one={"last_migrated_at": ago(0.5)}))
    assert set(past_of(clusters.connect(served).read()).values()) == {(None, None)}
    assert "CreateCollectorForEvents" not in clusters.calls(served)


def test_migrations_of_ours_and_of_others_leave_a_trace(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), fail_migrations=[{"guest": "vm-three", "at_percent": 50}])
    platform = clusters.connect(served, history_seconds=HOUR)
    earliest = ago(0)
    assert (move(platform, "one"), move(platform, "three")) == ("migrated", "failed")
    served.change_guest("vm-two", host="host-b")
    found = past_of(platform.read())
    assert {name: [moment is not None for moment in moments] for name, moments in found.items()} == {
        "one": [True, False],
        "three": [False, True],
        "two": [True, False],
    }
    assert all(earliest <= moment <= ago(0) for moments in found.values() for moment in moments if moment)


def test_one_that_somebody_cancelled_has_not_failed(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), migration_seconds=20)
    platform = clusters.connect(served, history_seconds=HOUR)
    assert move(platform, "one", cancel=True) == "cancelled"
    assert past_of(platform.read())["one"] == (None, None)


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_a_call_a_page_and_no_collector_is_left_behind(page: int, simulator: Simulate) -> None:
    past = {"last_migrated_at": ago(0.5), "last_failed_at": ago(0.2)}
    served = simulator("vcenter", remembering(one=past, two=past, three=past))
    platform = clusters.connect(served)
    since = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(40):  # vCenter has 32 collectors
        found = read_history(platform._session, platform._place(), since, page)
    assert found.migrated_at == dict.fromkeys(("vm-one", "vm-two", "vm-three"), past["last_migrated_at"])
    assert found.failed_at == dict.fromkeys(("vm-one", "vm-two", "vm-three"), past["last_failed_at"])
    made = clusters.calls(served)
    assert made["CreateCollectorForEvents"] == made["DestroyCollector"] == 40
    assert made["ReadNextEvents"] == 40 * (-(-6 // page) + 1)


@pytest.mark.parametrize("error", ["NotSupported", "InvalidState", "NoPermission"])
@pytest.mark.parametrize("call", ["CreateCollectorForEvents", "ReadNextEvents"])
def test_a_vcenter_that_does_not_tell_is_read_all_the_same(
    call: str, error: str, simulator: Simulate
) -> None:
    past = {"last_migrated_at": ago(0.5)}
    served = simulator("vcenter", remembering(one=past), fail_calls=[{"call": call, "error": error}])
    platform = clusters.connect(served, history_seconds=HOUR)
    snapshot = platform.read()
    assert set(past_of(snapshot).values()) == {(None, None)}
    (notice,) = snapshot.notices
    assert "vCenter's own record of migrations was not read" in notice.text
    assert notice.hides == ("history",)


@pytest.mark.parametrize("call", ["CreateCollectorForEvents", "ReadNextEvents", "DestroyCollector"])
def test_a_session_that_ends_meanwhile_loses_nothing(call: str, simulator: Simulate) -> None:
    past = {"last_migrated_at": ago(0.5)}
    fault = {"call": call, "error": "NotAuthenticated", "count": 1}
    served = simulator("vcenter", remembering(one=past), fail_calls=[fault])
    platform = clusters.connect(served, history_seconds=HOUR)
    snapshot = platform.read()
    assert past_of(snapshot)["one"] == (past["last_migrated_at"], None)
    assert snapshot.notices == ()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_page_that_is_lost_is_not_passed_over(when: str, simulator: Simulate) -> None:
    past = {"last_migrated_at": ago(0.5)}
    drop = {"call": "ReadNextEvents", "count": 1, "when": when}
    served = simulator("vcenter", remembering(one=past), drop_connection=[drop])
    platform = clusters.connect(served, history_seconds=HOUR)
    snapshot = platform.read()
    assert past_of(snapshot)["one"] == (past["last_migrated_at"], None) or snapshot.notices


def test_the_clock_of_the_controller_does_not_matter(simulator: Simulate) -> None:
    three_hours = 3 * HOUR
    served = simulator("vcenter", clusters.small(), clock_skew_seconds=-three_hours, migration_seconds=0)
    platform = clusters.connect(served, history_seconds=HOUR)
    assert move(platform, "one") == "migrated"
    snapshot = platform.read()
    migrated_at = past_of(snapshot)["one"][0]
    assert migrated_at is not None
    assert migrated_at <= snapshot.taken_at < ago(2)
    assert later(migrated_at, HOUR) > snapshot.taken_at
