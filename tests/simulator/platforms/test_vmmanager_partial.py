# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMmanager 6 does not tell, or not of every object, is named; nothing is taken for what it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Notice, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms import errors
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vmmanager_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.vmmanager_clusters import GIB

HISTORY = "GET /vm/v3/host/{id}/history"
OF_VM = "GET /vm/v3/host/{id}/metrics"
OF_NODE = "GET /vm/v3/node/{id}/metrics"


def read(platform: VMManagerPlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    return Snapshot.from_json(platform.read().to_json())


def guest_of(snapshot: Snapshot, number: int) -> Guest:
    return next(guest for guest in snapshot.guests if guest.id == str(number))


def notice_of(snapshot: Snapshot, text: str) -> Notice:
    (found,) = [notice for notice in snapshot.notices if text in notice.text]
    return found


@pytest.mark.parametrize("status", [403, 404, 400, 500, 200])
def test_a_guest_whose_history_fails_stays_where_it_is_and_is_named(status: int, simulator: Simulate) -> None:
    fault = {"call": HISTORY, "object": "101", "error": status, "message": "no history"}
    found = read(clusters.connect(simulator("vmmanager", clusters.small(), fail_calls=[fault])))
    notice = notice_of(found, "The history of 1 virtual machine could not be read")
    assert "guest101 (101)" in notice.text
    assert "no history" in notice.text
    assert (notice.hides, notice.guests) == (("history",), ("101",))
    # Its loads are read all the same: they count on its node.
    left = guest_of(found, 101)
    assert (left.blockers, left.used["memory"]) == (("not_readable",), 4 * GIB)
    assert guest_of(found, 100).migratable


def test_a_guest_whose_snapshots_are_not_told_stays_where_it_is(simulator: Simulate) -> None:
    fault = {"call": "GET /vm/v3/host/{id}/snapshot", "object": "101", "error": 500}
    served = simulator("vmmanager", clusters.small(), extras=False, fail_calls=[fault])
    found = read(clusters.connect(served))
    assert guest_of(found, 101).blockers == ("not_readable",)
    assert notice_of(found, "list of snapshots").guests == ("101",)


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
def test_statistics_that_are_refused_for_one_object_are_missing_there_alone(
    status: int, simulator: Simulate
) -> None:
    faults = [
        {"call": OF_VM, "object": "101", "error": status, "message": "no statistics"},
        {"call": OF_NODE, "object": "2", "error": status, "message": "no statistics"},
    ]
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=faults)
    found = read(platform)
    assert guest_of(found, 101).used == clusters.UNKNOWN
    assert guest_of(found, 100).used["cpu"] == 0.25
    assert [host.used["memory"] for host in found.hosts] == [60 * GIB, None, 60 * GIB]
    named = [notice for notice in found.notices if "ram_used" in notice.text]
    assert {(notice.hosts, notice.guests) for notice in named} == {((), ("101",)), (("2",), ())}
    assert found.window_seconds == 3600
    assert guest_of(found, 101).sources == {}


@pytest.mark.parametrize("status", [401, 500, 503])
def test_statistics_that_are_refused_everywhere_average_nothing(status: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(fail_calls=[{"call": call, "error": status} for call in (OF_VM, OF_NODE)])
    found = read(platform)
    assert found.window_seconds == 0
    assert {guest.used["cpu"] for guest in found.guests} == {None}
    assert len([notice for notice in found.notices if notice.hides == ("loads",)]) == 8


def test_a_function_that_never_answers_is_not_asked_for_every_guest(simulator: Simulate) -> None:
    guests = tuple(clusters.guest(100 + number, 1) for number in range(40))
    served = simulator("vmmanager", clusters.cluster((clusters.host(1), clusters.host(2)), guests))
    platform = clusters.connect(served, metrics=clusters.METRICS[:1], workers=2)
    served.switches(fail_calls=[{"call": OF_VM, "error": 502}])
    found = read(platform)
    assert clusters.calls(served)[OF_VM] < 20
    assert len(notice_of(found, "cpu_load").guests) == 40


def test_four_calls_without_an_answer_are_enough_to_know_that_a_function_is_closed(
    simulator: Simulate,
) -> None:
    guests = tuple(clusters.guest(100 + number, 1) for number in range(8))
    served = simulator("vmmanager", clusters.cluster((clusters.host(1), clusters.host(2)), guests))
    platform = clusters.connect(served, metrics=clusters.METRICS[:1], workers=1)
    served.switches(fail_calls=[{"call": OF_VM, "error": 401}])
    found = read(platform)
    assert len(notice_of(found, "cpu_load").guests) == 8
    # Each of the four is made again after a new login.
    assert clusters.calls(served)[OF_VM] == 8


def test_one_guest_that_does_not_answer_in_time_does_not_hold_up_the_others(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served, timeout=2)
    served.switches(slow_calls=[{"call": HISTORY, "object": "101", "seconds": 4}])
    found = read(platform)
    assert guest_of(found, 101).blockers == ("not_readable",)
    assert guest_of(found, 100).migratable
    assert "no answer within 2 s" in notice_of(found, "history").text


def test_a_platform_that_goes_away_while_it_is_read_is_an_error(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    served.switches(
        fail_calls=[{"call": HISTORY, "error": 502}, {"call": "GET /vm/v3/cluster", "error": 502, "skip": 1}]
    )
    with pytest.raises(errors.Unreachable, match="502"):
        platform.read()


def test_a_token_that_is_not_accepted_any_more_is_an_error(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), options=("--token", "t0k3n"))
    platform = clusters.connect(served, username=None, password=None, token="t0k3n")
    served.switches(
        fail_calls=[{"call": HISTORY, "error": 401}, {"call": "GET /vm/v3/cluster", "error": 401, "skip": 1}]
    )
    with pytest.raises(errors.AuthenticationFailed):
        platform.read()


@pytest.mark.parametrize(
    ("changes", "power", "run_state", "blockers"),
    [
        ({"run_state": "paused"}, "running", "paused", ("paused",)),
        ({"run_state": "suspended"}, "running", "suspended", ("paused",)),
        ({"run_state": "rebooting"}, "running", "rebooting", ("locked",)),
        ({"run_state": "crashed"}, "unknown", "crashed", ("unknown_state",)),
        ({"run_state": "creating"}, "unknown", "creating", ("unknown_state",)),
        ({"power": "suspended"}, "suspended", "saved", ()),
        ({"power": "stopped"}, "stopped", None, ()),
    ],
)
def test_what_holds_memory_is_on_its_host_whatever_its_state_is_called(
    changes: dict[str, str],
    power: str,
    run_state: str | None,
    blockers: tuple[str, ...],
    simulator: Simulate,
) -> None:
    served = simulator("vmmanager", clusters.small())
    served.change_guest("101", **changes)
    platform = clusters.connect(served)
    seen = guest_of(read(platform), 101)
    assert (seen.power, seen.run_state, seen.blockers) == (power, run_state, blockers)
    assert seen.is_on_host == (power in ("running", "unknown"))
    assert (seen.used["memory"] == 0) == (not seen.is_on_host)
    now = platform.look(["101"]).guests["101"]
    assert now.power == power
    assert (now.busy is None) == (not {"locked", "unknown_state"} & set(blockers))
    objection = platform.prepare(clusters.request(101, 1, 2)).objection
    assert (f"its state is {run_state}" in str(objection)) == bool(blockers)


def test_the_state_of_a_guest_whose_node_is_away_is_of_the_past(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    served.change_guest("102", run_state="paused")
    served.change_host("2", status="offline")
    lost = guest_of(read(clusters.connect(served)), 102)
    assert (lost.power, lost.run_state, lost.blockers) == ("unknown", None, ("disconnected",))


def test_a_migration_under_way_tells_where_it_goes(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, 1, 3)))
    moving = guest_of(read(platform), 100)
    assert (moving.host, moving.migrating_to, moving.blockers) == ("1", "3", ("locked",))
    assert guest_of(read(platform), 101).migrating_to is None


def test_a_migration_that_does_not_tell_where_it_goes_is_named(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30, history_params=False)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, 1, 3)))
    found = read(platform)
    assert (guest_of(found, 100).migrating_to, guest_of(found, 100).blockers) == (None, ("locked",))
    assert notice_of(found, "lead to, of 1 virtual machine: guest100 (100)").guests == ("100",)


def test_what_has_just_started_is_not_measured_yet(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    served.change_guest("101", uptime=20)
    found = read(clusters.connect(served))
    every = dict.fromkeys(("cpu", "memory", "network_io", "disk_io"), "not_yet_measured")
    assert (guest_of(found, 101).used, guest_of(found, 101).sources) == (clusters.UNKNOWN, every)
    assert (guest_of(found, 100).used["cpu"], guest_of(found, 100).sources) == (0.25, {})
    assert not [notice for notice in found.notices if notice.hides]
    served.change_guest("101", uptime=600)
    assert guest_of(read(clusters.connect(served)), 101).used["cpu"] == 0.25


@pytest.mark.parametrize(("window", "measured"), [(0, False), (3600, True)])
def test_what_has_just_arrived_is_measured_by_its_past_alone(
    window: int, measured: bool, simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served, window_seconds=window)
    wanted = clusters.request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "migrated"
    found = guest_of(read(platform), 100)
    assert found.used["cpu"] == (0.25 if measured else None)
    assert found.sources.get("cpu") == (None if measured else "not_yet_measured")


def test_series_that_do_not_reach_back_say_what_they_average(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), series_minutes=30)
    found = read(clusters.connect(served))
    assert found.window_seconds == 31 * 60
    assert "averages over 1860 s instead of 3600 s" in notice_of(found, "averages").text


def test_a_value_of_the_past_is_not_taken_for_a_present_one(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), series_age_seconds=7200)
    found = read(clusters.connect(served, window_seconds=0))
    assert guest_of(found, 100).used == clusters.UNKNOWN
    assert "its newest value is 72" in notice_of(found, "cpu_load of 4 virtual machines").text


@pytest.mark.parametrize("hours", [-5, 3])
def test_the_snapshot_is_of_the_platforms_clock(hours: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), skew_seconds=3600 * hours, migration_seconds=0)
    platform = clusters.connect(served)
    wanted = clusters.request(100, 1, 2)
    platform.poll({platform.start(platform.prepare(wanted)): wanted})
    found = read(platform)
    there = datetime.now(UTC) + timedelta(hours=hours)
    assert abs((datetime.fromisoformat(found.taken_at) - there).total_seconds()) < 600
    arrived = guest_of(found, 100).last_migrated_at
    assert arrived is not None
    # A cool-down is counted between two moments of one clock.
    past = datetime.fromisoformat(found.taken_at) - datetime.fromisoformat(arrived)
    assert timedelta(0) <= past < timedelta(minutes=10)
    assert guest_of(found, 101).used["cpu"] == 0.25


def test_without_a_date_in_its_answers_our_own_clock_will_do(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), tells_date=False)
    noon = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
    platform = VMManagerPlatform(clusters.connection(served), now=lambda: noon)
    assert platform.read().taken_at == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize(
    ("field", "text", "hides"),
    [("tags", "does not report tags", ("tags",)), ("balancer_mode", "balancing is off", ())],
)
def test_a_field_that_is_hidden_is_named(
    field: str, text: str, hides: tuple[str, ...], simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.mixed(), hidden={"host": [field]})
    assert notice_of(read(clusters.connect(served)), text).hides == hides


def test_guests_of_a_node_that_is_gone_are_named(simulator: Simulate) -> None:
    two = clusters.cluster((clusters.host(3),), (clusters.guest(200, 3),), name="two")
    served = simulator("vmmanager", clusters.small(), two)
    # The list of nodes does not have it any more, the list of guests has.
    served.switches(hidden={"node": ["cluster"]})
    with pytest.raises(errors.NotFound):
        clusters.connect(served, cluster="three").read()
    found = clusters.connect(served, cluster="prod").read()
    assert found.guests == ()
    assert notice_of(found, "no node of the cluster has them").guests == ("100", "101", "102", "104")


@pytest.mark.parametrize(
    ("state", "status", "maintenance", "why"),
    [
        ("entering_maintenance", "online", True, "its state is entering_maintenance"),
        ("not_configured", "unknown", False, "its state is not_configured"),
    ],
)
def test_nodes_in_other_states_receive_nothing_and_say_why(
    state: str, status: str, maintenance: bool, why: str, simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.small())
    served.change_host("2", state=state)
    platform = clusters.connect(served)
    host = read(platform).hosts[1]
    assert (host.status, host.maintenance, host.closed_because) == (status, maintenance, why)
    assert not platform.look([]).hosts["2"].active


def test_two_platforms_never_share_what_is_remembered_of_a_cluster(simulator: Simulate) -> None:
    one, two = simulator("vmmanager", clusters.small()), simulator("vmmanager", clusters.small())
    assert clusters.connect(one).read().cluster != clusters.connect(two).read().cluster
    assert clusters.connection(one, host="VM.Example.com.", port=443).instance == "vm.example.com"
    assert clusters.connection(one, host="2001:db8::1", port=8443).instance == "[2001:db8::1]:8443"
