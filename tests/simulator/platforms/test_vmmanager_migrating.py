# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations are checked, asked for once, followed to where the guest is and runs, and stopped."""

from __future__ import annotations

import time

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NoResponse,
    NotFound,
    Refused,
    StartRefused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    MigrationRequest,
    MigrationState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vmmanager_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import (
    follow,
    migrate,
    wait_until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.vmmanager_clusters import GIB, request
from ansible_collections.evenkeel.cluster.tests.simulators import launch

STARTING = "POST /vm/v3/host/{id}/migrate"
MIGRATED = MigrationState(state="migrated", percent=100)


def begun(served: launch.Simulator) -> int:
    """How many migrations the platform has begun."""
    return len(served.state()["migrations"])


@pytest.mark.parametrize("text", [False, True])
def test_a_running_machine_is_migrated_and_seen_on_its_node(text: bool, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), consul_text=text)
    assert migrate(clusters.connect(served), request(100, 1, 2)) == MIGRATED
    assert clusters.place(served, 100) == "2"


@pytest.mark.parametrize("word", ["fail", "failed"])
def test_one_that_fails_on_its_way_says_why(word: str, simulator: Simulate) -> None:
    served = simulator(
        "vmmanager", clusters.small(), fail_word=word, fail_migrations=[{"guest": "100", "at_percent": 50}]
    )
    assert migrate(clusters.connect(served), request(100, 1, 2)) == MigrationState(
        state="failed", why="migration failed"
    )
    assert clusters.place(served, 100) == "1"


def test_a_task_is_known_by_its_number_whatever_the_platform_calls_it(simulator: Simulate) -> None:
    served = simulator(
        "vmmanager",
        clusters.small(),
        task_names={"host_migrate": "host_move"},
        fail_migrations=[{"guest": "100", "at_percent": 50}],
    )
    assert migrate(clusters.connect(served), request(100, 1, 2)) == MigrationState(
        state="failed", why="migration failed"
    )


def test_a_complete_task_with_the_guest_elsewhere_has_failed_and_says_so(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), fail_migrations=[{"guest": "100", "error": "OK"}])
    assert migrate(clusters.connect(served), request(100, 1, 2)) == MigrationState(
        state="failed", why="the task is complete, but the guest is on node1"
    )


def test_a_complete_task_with_the_guest_stopped_has_failed_and_says_so(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), fail_migrations=[{"guest": "100", "error": "STOPPED"}])
    assert migrate(clusters.connect(served), request(100, 1, 2)) == MigrationState(
        state="failed", why="the task is complete, but the guest is on node2 and stopped"
    )


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        # The guest decides, not the task.
        ("MOVED", "migrated", ""),
        (
            "MOVED_STOPPED",
            "failed",
            "failed to clean up after the migration; the guest is on node2 and stopped",
        ),
        (
            "MOVED_PAUSED",
            "failed",
            "failed to clean up after the migration; the guest is on node2 and paused",
        ),
        ("PAUSED", "failed", "the task is complete, but the guest is on node2 and paused"),
    ],
)
def test_a_guest_on_its_target_is_migrated_only_when_it_runs_there(
    error: str, state: str, why: str, simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.small(), fail_migrations=[{"guest": "100", "error": error}])
    ended = migrate(clusters.connect(served), request(100, 1, 2))
    assert (ended.state, ended.why) == (state, why)
    assert clusters.place(served, 100) == "2"


def test_a_guest_that_runs_a_moment_after_its_task_is_waited_for(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), fail_migrations=[{"guest": "100", "error": "STOPPED"}])
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    follow(platform, {task: wanted}, until=lambda: served.state()["guests"]["100"]["power"] == "stopped")
    assert platform.poll({task: wanted})[task].state == "running"
    served.change_guest("100", power="running")
    assert platform.poll({task: wanted})[task] == MIGRATED


def test_a_task_that_is_not_listed_yet_is_under_way(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), listing_seconds=0.5, migration_seconds=0.6)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "running"
    assert clusters.place(served, 100) == "1"
    assert follow(platform, {task: wanted})[task] == MIGRATED


def test_a_task_that_is_never_listed_is_judged_by_the_guest(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    state = follow(platform, {"consul:4711": wanted})["consul:4711"]
    assert state == MigrationState(
        state="failed", why="the platform lists no such task, and the guest is on node1"
    )
    served.change_guest("100", host="2")
    assert platform.poll({"consul:4712": wanted})["consul:4712"] == MIGRATED
    lost = request(999, 1, 2)
    assert platform.poll({"task:4713": lost})["task:4713"] == MigrationState(
        state="failed", why="the guest no longer exists"
    )


def test_a_deferred_task_is_under_way_and_tells_why(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), defer_seconds=0.5)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="running", why="deferred: another task of the node runs"
    )
    assert follow(platform, {task: wanted})[task] == MIGRATED


def test_all_running_tasks_are_asked_about_in_one_call(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    wanted = [request(100, 1, 2), request(101, 1, 3), request(102, 2, 3)]
    tasks = {platform.start(platform.prepare(each)): each for each in wanted}
    before = sum(clusters.calls(served).values())
    states = platform.poll(tasks)
    assert sum(clusters.calls(served).values()) - before == 1
    assert [state.state for state in states.values()] == ["running"] * 3


@pytest.mark.parametrize("word", ["aborted", "fail"])
def test_cancelled_on_request(word: str, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30, abort_word=word)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "running"
    platform.cancel(task)
    state = follow(platform, {task: wanted})[task]
    assert (state.state, state.why) == ("cancelled", "aborted by the user")
    assert clusters.place(served, 100) == "1"
    platform.cancel(task)
    platform.cancel("consul:4711")


def test_what_holds_a_guest_is_seen_whoever_started_it(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30)
    somebody, platform = clusters.connect(served), clusters.connect(served)
    task = somebody.start(somebody.prepare(request(100, 1, 2)))
    assert platform.look(["100", "101"]).guests["100"].busy == "a task is under way (host_migrate)"
    assert platform.look(["100", "101"]).guests["101"].busy is None
    # Whose task it is need not be asked again.
    assert clusters.calls(served)["GET /vm/v3/host/{id}/history"] == 3
    assert platform.find(request(100, 1, 2)) == task
    served.change_guest("101", busy_seconds=30)
    assert str(platform.prepare(request(101, 1, 2)).objection) == "a task is under way (host_backup)"
    assert platform.look(["101"]).guests["101"].busy == "a task is under way (host_backup)"
    with pytest.raises(Refused, match="host_backup"):
        platform.start(platform.prepare(request(101, 1, 2)))


def test_one_that_was_asked_for_a_moment_before_we_came_is_found(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30, listing_seconds=0.3)
    somebody = clusters.connect(served)
    task = somebody.start(somebody.prepare(request(100, 1, 2)))
    platform = clusters.connect(served)
    assert platform.find(request(100, 1, 2)) == task
    assert platform.find(request(101, 1, 2)) is None


@pytest.mark.parametrize(
    ("number", "why", "passing"),
    [
        (120, "ISO image", False),
        (121, "snapshots", False),
        (122, "with_local_disks", False),
        (124, r"a task is under way \(host_backup\)", True),
        (125, "rescue mode", False),
        (126, "disabled", False),
        (127, "nested", False),
        (160, "its state is unknown", True),
    ],
)
def test_what_stands_in_the_way_is_said_before_and_refused_at_the_start(
    number: int, why: str, passing: bool, simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.mixed())
    platform = clusters.connect(served)
    wanted = request(number, 4 if number == 160 else 1, 2)
    objection = platform.prepare(wanted).objection
    assert objection is not None
    assert objection.passing is passing
    for _time in range(2):
        with pytest.raises(Refused, match=rf"guest {number}: .*{why}"):
            platform.start(platform.prepare(wanted))
    assert STARTING not in clusters.calls(served)


@pytest.mark.parametrize(
    ("changes", "why", "passing"),
    [
        ({"maintenance": True}, r"^node2 \(2\) is not suitable for it: it is in maintenance mode$", True),
        ({"status": "offline"}, "its state is offline", True),
        ({"schedulable": False}, "creating virtual machines is blocked there", True),
        ({"max_guests": 1}, "it has 1 of at most 1 virtual machines", True),
        ({"version": "4.2.0"}, r"QEMU 6\.2\.0 here, 4\.2\.0 there", False),
        ({"used": {"cpu": 1.0, "memory": 125 * GIB}}, "3072 of 8192 MiB of memory are left", True),
    ],
)
def test_only_a_suitable_node_is_asked_to_take_it(
    changes: dict[str, object], why: str, passing: bool, simulator: Simulate
) -> None:
    snapshot = clusters.cluster(
        (clusters.host(1), clusters.host(2, **changes)), (clusters.guest(100, 1), clusters.guest(102, 2))
    )
    served = simulator("vmmanager", snapshot)
    platform = clusters.connect(served)
    platform.look(["100"])
    objection = platform.prepare(request(100, 1, 2)).objection
    assert objection is not None
    assert objection.passing is passing
    with pytest.raises(Refused, match=why):
        raise Refused(objection.why)


def test_a_node_that_only_the_platform_has_something_against(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), unsuitable={"100": ["2"]})
    platform = clusters.connect(served)
    assert str(platform.prepare(request(100, 1, 2)).objection) == "2 is not suitable for it"
    assert str(platform.prepare(request(100, 1, 9)).objection) == "9 is not among the nodes that it may go to"
    assert platform.prepare(request(100, 1, 3)).objection is None
    served.switches(fail_calls=[{"call": "GET /vm/v3/host/{id}/migrate", "error": 400, "message": "no"}])
    assert str(platform.prepare(request(100, 1, 3)).objection) == "no (code 400)"


def test_a_wrong_source_and_an_unknown_guest_are_named(simulator: Simulate) -> None:
    platform = clusters.connect(simulator("vmmanager", clusters.small()))
    assert str(platform.prepare(request(100, 2, 3)).objection) == "the guest is on 1, not on 2"
    for guest in ("999", "web01"):
        with pytest.raises(NotFound, match=f"no guest {guest}"):
            platform.prepare(MigrationRequest(guest=guest, source="1", target="2"))


def test_local_disks_go_along_where_that_is_allowed(simulator: Simulate) -> None:
    stores = {
        "ceph": clusters.CEPH,
        "local": clusters.LOCAL,
        "fast-lvm": HostDatastore(shared=False, capacity=GIB, free=GIB),
    }
    disks = (Disk(datastore="local", size=GIB), Disk(datastore="ceph", size=GIB))
    guests = (clusters.guest(100, 1, disks=disks), clusters.guest(101, 1, disks=disks))
    hosts = (clusters.host(1, datastores=stores), clusters.host(2, datastores=stores))
    served = simulator("vmmanager", clusters.cluster(hosts, guests))
    refusing = clusters.connect(served)
    assert str(refusing.prepare(request(100, 1, 2)).objection) == (
        "it has disks on local, local to its node; set with_local_disks to copy them"
    )
    assert migrate(refusing, request(100, 1, 2, local="fast-lvm")) == MIGRATED
    assert [disk.datastore for disk in refusing.read().guests[0].disks] == ["fast-lvm", "ceph"]
    same = clusters.connect(served, with_local_disks=True)
    assert migrate(same, request(101, 1, 2)) == MIGRATED
    assert [disk.datastore for disk in same.read().guests[1].disks] == ["local", "ceph"]
    nowhere = clusters.connect(served, with_local_disks=True, target_storage="nowhere")
    assert str(nowhere.prepare(request(101, 2, 1)).objection) == "the cluster has no storage nowhere"
    mapped = clusters.connect(served, with_local_disks=True, target_storage={"local": "ceph"})
    assert migrate(mapped, request(101, 2, 1)) == MIGRATED
    assert [disk.datastore for disk in mapped.read().guests[1].disks] == ["ceph", "ceph"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_platform_that_wakes_up_is_asked_again_and_starts_once(times: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.switches(fail_calls=[{"call": STARTING, "error": 503, "count": times}])
    task = platform.start(prepared)
    assert follow(platform, {task: wanted})[task] == MIGRATED
    assert begun(served) == 1
    assert clusters.calls(served)[STARTING] == times + 1


def test_a_platform_that_does_not_wake_up_is_given_up_on(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), fail_calls=[{"call": STARTING, "error": 503}])
    platform = clusters.connect(served)
    prepared = platform.prepare(request(100, 1, 2))
    with pytest.raises(NoResponse, match="does not wake up"):
        platform.start(prepared)
    assert clusters.calls(served)[STARTING] == 10


def test_a_start_whose_answer_was_lost_is_found(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=0.3)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.switches(drop_connection=[{"call": STARTING, "when": "after"}])
    task = platform.start(prepared)
    assert follow(platform, {task: wanted})[task] == MIGRATED
    assert (begun(served), clusters.calls(served)[STARTING]) == (1, 1)


def test_a_start_whose_answer_was_lost_is_found_when_it_is_listed_later(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=4, listing_seconds=3)
    # By the real clock, so that a busy machine looks before the task is listed, and waits until it is.
    platform = VMManagerPlatform(clusters.connection(served))
    wanted = request(100, 1, 2)
    served.switches(drop_connection=[{"call": STARTING, "when": "after"}])
    with pytest.raises(NoResponse, match="the call may have been run"):
        platform.start(platform.prepare(wanted))
    assert platform.look(["100"]).guests["100"].busy == "a start of its migration got no answer"
    task = platform.find(wanted)
    assert task is not None
    assert platform.look(["100"]).guests["100"].busy == "a task is under way (host_migrate)"
    assert follow(platform, {task: wanted})[task] == MIGRATED
    assert clusters.calls(served)[STARTING] == 1


def test_a_start_that_never_arrived_is_no_doubt_for_ever(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    served.switches(drop_connection=[{"call": STARTING, "when": "before"}])
    with pytest.raises(NoResponse):
        platform.start(platform.prepare(wanted))
    assert platform.look(["100"]).guests["100"].busy is not None
    wait_until(lambda: platform.look(["100"]).guests["100"].busy is None)
    assert platform.find(wanted) is None
    assert migrate(platform, wanted) == MIGRATED


def test_an_old_migration_is_not_taken_for_the_new_one(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    assert migrate(platform, request(100, 1, 2)) == MIGRATED
    served.switches(drop_connection=[{"call": STARTING, "when": "before"}])
    with pytest.raises(NoResponse):
        platform.start(platform.prepare(request(100, 2, 3)))


def test_a_refusal_says_what_the_platform_says(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    for status in (200, 400, 500):
        prepared = platform.prepare(request(100, 1, 2))
        assert prepared.objection is None
        fault = {"call": STARTING, "error": status, "message": "the node is full", "count": 1}
        served.switches(fail_calls=[fault])
        with pytest.raises(Refused, match="the node is full") as raised:
            platform.start(prepared)
        # With 500 the platform says that it failed, not that it does not want to.
        assert isinstance(raised.value, StartRefused) is (status < 500)
    fault = {"call": STARTING, "error": 400, "message": "the virtual machine is locked", "count": 1}
    served.switches(fail_calls=[fault])
    with pytest.raises(StartRefused) as locked:
        platform.start(platform.prepare(request(100, 1, 2)))
    assert locked.value.passing
    assert begun(served) == 0


def test_a_source_that_dies_on_the_way_fails_its_migration(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    served.change_host("1", status="offline")
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="failed", why="node node1 is not available"
    )


@pytest.mark.parametrize("gone", ["1", "2"])
def test_a_task_that_never_ends_because_its_node_is_away_is_given_up_on(
    gone: str, simulator: Simulate
) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30, stale_tasks=True)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    served.change_host(gone, status="offline")
    assert platform.poll({task: wanted})[task].state == "running"
    ended = follow(platform, {task: wanted})[task]
    assert ended == MigrationState(
        state="failed",
        why=f"node node{gone} is away and the task has not ended; the guest is on node1",
    )
    # The task still holds the guest: nobody starts a second one.
    assert platform.look(["100"]).guests["100"].busy == "a task is under way (host_migrate)"


def test_a_guest_that_got_away_from_a_node_before_it_died_is_migrated(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30, stale_tasks=True)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    served.change_host("1", status="offline")
    served.change_guest("100", host="2")
    assert follow(platform, {task: wanted})[task] == MIGRATED


def test_a_node_that_is_away_for_a_moment_is_waited_for(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=4)
    platform = clusters.connect(served)
    wanted = request(100, 1, 2)
    task = platform.start(platform.prepare(wanted))
    served.change_host("2", state="unreachable")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert platform.poll({task: wanted})[task].state == "running"
        time.sleep(0.1)
    served.change_host("2", state=None)
    assert follow(platform, {task: wanted})[task] == MIGRATED


def test_a_guest_is_not_shut_down_by_a_call_that_may_cut_its_power(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served)
    for changes in ({}, {"run_state": "paused"}):
        served.change_guest("101", **changes)
        with pytest.raises(Refused, match=r"guest 101: .* not public.*Shut it down from inside"):
            platform.shut_down("101", timeout=1)
    served.change_guest("101", power="stopped", run_state=None)
    platform.shut_down("101", timeout=1)
    with pytest.raises(NotFound, match="no guest 999"):
        platform.shut_down("999", timeout=1)


def test_a_finished_migration_is_remembered(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    assert migrate(platform, request(100, 1, 2)) == MIGRATED
    served.switches(fail_migrations=[{"guest": "101", "at_percent": 0}])
    assert migrate(platform, request(101, 1, 2)).state == "failed"
    moved, failed = platform.read().guests[:2]
    assert (moved.host, failed.host) == ("2", "1")
    assert moved.last_migrated_at is not None
    assert (failed.last_migrated_at, moved.last_failed_at) == (None, None)
    assert failed.last_failed_at is not None


def test_capacities_are_those_of_nodes_that_copy_disks() -> None:
    assert VMManagerPlatform.capacities == Capacities(cluster=4, per_host=1, settling_seconds=60.0)
