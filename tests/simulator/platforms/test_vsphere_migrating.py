# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations on a simulated vCenter: checked, started once, watched, stopped, and believed only when seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    Refused,
    StartRefused,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    GuestNow,
    HostNow,
    MigrationRequest,
    MigrationState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import follow, wait_until
from ansible_collections.evenkeel.cluster.tests.simulators import launch

GIB = clusters.GIB
ONE = MigrationRequest(guest="vm-one", source="host-a", target="host-b")


def many(guests: int) -> Snapshot:
    hosts = tuple(clusters.host(name) for name in ("a", "b"))
    light = {"cpu": 0.1, "memory": GIB, "network_io": 0.0, "disk_io": 0.0}
    return clusters.cluster(hosts, tuple(clusters.guest(f"{n:02}", "a", used=light) for n in range(guests)))


def moved(served: launch.Simulator) -> list[str]:
    """The guest of each migration that the simulator began."""
    return [entry["guest"] for entry in served.state()["migrations"]]


@pytest.fixture
def begin(simulator: Simulate) -> Callable[..., tuple[launch.Simulator, VSpherePlatform]]:
    def start(
        cluster: Snapshot | None = None, **switches: object
    ) -> tuple[launch.Simulator, VSpherePlatform]:
        served = simulator("vcenter", cluster or clusters.small(), **{"migration_seconds": 0.2, **switches})
        return served, clusters.connect(served)

    return start


Begin = Callable[..., tuple[launch.Simulator, VSpherePlatform]]


def test_a_guest_is_checked_migrated_and_seen_on_its_target(begin: Begin) -> None:
    served, platform = begin()
    prepared = platform.prepare(ONE)
    assert prepared.objection is None
    task = platform.start(prepared)
    running = platform.poll({task: ONE})[task]
    assert running.state == "running"
    assert follow(platform, {task: ONE}) == {task: MigrationState(state="migrated", percent=100)}
    assert platform.look(["vm-one"]).guests == {"vm-one": GuestNow(host="host-b", power="running")}
    assert served.state()["guests"]["vm-one"]["host"] == "host-b"
    platform.close()


def test_progress_is_told(begin: Begin) -> None:
    _, platform = begin(migration_seconds=120)
    task = platform.start(platform.prepare(ONE))
    wait_until(lambda: 0 < (platform.poll({task: ONE})[task].percent or 0) < 95)
    platform.cancel(task)
    platform.close()


def test_twenty_tasks_are_polled_in_one_call(begin: Begin) -> None:
    served, platform = begin(many(20), migration_seconds=3)
    tasks = {}
    for number in range(20):
        request = replace(ONE, guest=f"vm-{number:02}")
        tasks[platform.start(platform.prepare(request))] = request
    before = sum(clusters.calls(served).values())
    states = platform.poll(tasks)
    assert sum(clusters.calls(served).values()) == before + 1
    assert [state.state for state in states.values()] == ["running"] * 20
    for task in tasks:
        platform.cancel(task)
    assert {state.state for state in follow(platform, tasks).values()} == {"cancelled"}
    platform.close()


def test_a_migration_that_fails_on_the_way(begin: Begin) -> None:
    fault = {"guest": "vm-one", "at_percent": 50, "error": "MigrationFault"}
    _, platform = begin(fail_migrations=[fault])
    task = platform.start(platform.prepare(ONE))
    state = follow(platform, {task: ONE})[task]
    assert state.state == "failed"
    assert "MigrationFault" in state.why
    assert platform.look(["vm-one"]).guests["vm-one"].host == "host-a"
    platform.close()


def test_a_cancelled_migration_leaves_the_guest_where_it_was(begin: Begin) -> None:
    served, platform = begin(migration_seconds=5)
    task = platform.start(platform.prepare(ONE))
    platform.cancel(task)
    assert follow(platform, {task: ONE})[task].state == "cancelled"
    assert served.state()["guests"]["vm-one"]["host"] == "host-a"
    platform.close()


def test_cancelling_what_is_over_or_unknown_is_no_error(begin: Begin) -> None:
    _, platform = begin(migration_seconds=0)
    task = platform.start(platform.prepare(ONE))
    follow(platform, {task: ONE})
    platform.cancel(task)
    platform.cancel("task-that-never-was")
    assert follow(platform, {task: ONE})[task].state == "migrated"
    platform.close()


def test_a_guest_under_migration_is_busy_and_is_not_started_twice(begin: Begin) -> None:
    _, platform = begin(migration_seconds=5)
    assert platform.look(["vm-one"]).guests["vm-one"].busy is None
    task = platform.start(platform.prepare(ONE))
    busy = platform.look(["vm-one", "vm-two"]).guests
    assert task in (busy["vm-one"].busy or "")
    assert "RelocateVM" in (busy["vm-one"].busy or "")
    assert busy["vm-two"].busy is None
    with pytest.raises(Refused, match="TaskInProgress"):
        platform.start(platform.prepare(ONE))
    platform.cancel(task)
    platform.close()


@pytest.mark.parametrize(
    ("fault", "passing"),
    [("CpuIncompatible", False), ("TaskInProgress", True), ("SystemError", None), ("InvalidArgument", None)],
)
def test_a_start_is_refused_though_the_check_had_no_objection(
    begin: Begin, fault: str, passing: bool | None
) -> None:
    served, platform = begin()
    prepared = platform.prepare(ONE)
    assert prepared.objection is None
    served.switches(fail_calls=[{"call": "RelocateVM_Task", "error": fault, "message": "No", "count": 1}])
    with pytest.raises(Refused, match=fault) as raised:
        platform.start(prepared)
    assert isinstance(raised.value, StartRefused) is (passing is not None)
    assert getattr(raised.value, "passing", None) is passing
    assert ("Enable EVC" in str(raised.value)) is (fault == "CpuIncompatible")
    platform.close()


def test_a_target_in_maintenance_is_told_by_the_check_and_by_a_look(begin: Begin) -> None:
    served, platform = begin()
    served.change_host("host-b", maintenance=True)
    assert not platform.look([]).hosts["host-b"].active
    prepared = platform.prepare(ONE)
    assert "maintenance" in str(prepared.objection)
    with pytest.raises(StartRefused, match="maintenance"):
        platform.start(prepared)
    task = platform.start(replace(prepared, objection=None))
    state = follow(platform, {task: ONE})[task]
    assert (state.state, "InvalidHostState" in state.why) == ("failed", True)
    platform.close()


@pytest.mark.parametrize(
    ("request_", "why", "passing"),
    [
        (ONE, None, False),
        (replace(ONE, guest="vm-cuda", target="host-b"), "passthrough", False),
        (replace(ONE, guest="vm-diskful", target="host-b"), "datastore local", False),
        (replace(ONE, guest="vm-knit", target="host-b"), "network dmz", False),
        (replace(ONE, guest="vm-agile", target="host-e"), "does not respond", True),
        (replace(ONE, guest="vm-modern", source="host-b", target="host-a"), "CpuIncompatible", False),
        (replace(ONE, guest="vm-numerous", source="host-f", target="host-a"), "Rule licence", False),
    ],
)
def test_the_check_tells_what_stands_against_it(
    request_: MigrationRequest, why: str | None, passing: bool, begin: Begin
) -> None:
    mixed = clusters.mixed()
    extra = (clusters.guest("one", "a"),)
    _, platform = begin(replace(mixed, guests=mixed.guests + extra))
    objection = platform.prepare(request_).objection
    assert (objection is None) if why is None else (why in str(objection))
    assert (objection is not None and objection.passing) is passing
    platform.close()


def test_a_server_with_one_of_the_checks_only(begin: Begin) -> None:
    _, platform = begin(fail_calls=[{"call": "CheckRelocate_Task", "error": "MethodNotFound"}])
    assert platform.prepare(ONE).objection is None
    with pytest.raises(NotFound, match="host-zz does not exist"):
        platform.prepare(replace(ONE, target="host-zz"))
    platform.close()


def test_a_missing_privilege_stops_before_anything_is_started(begin: Begin) -> None:
    served, platform = begin(no_permission_on=["vm-one"])
    with pytest.raises(PermissionMissing, match=r"Resource\.HotMigrate on guest one"):
        platform.prepare(ONE)
    assert moved(served) == []
    platform.close()


def test_a_read_only_account_reads_and_may_not_migrate(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), read_only_user="viewer")
    platform = clusters.connect(served, username="viewer")
    assert len(platform.read().guests) == 3
    with pytest.raises(PermissionMissing):
        platform.prepare(ONE)
    platform.close()


def test_a_success_with_the_guest_elsewhere_is_a_failure(begin: Begin) -> None:
    served, platform = begin(
        clusters.cluster(tuple(clusters.host(name) for name in "abc"), (clusters.guest("one", "a"),)),
        migration_seconds=0,
    )
    task = platform.start(platform.prepare(ONE))
    follow(platform, {task: ONE})
    served.change_guest("vm-one", host="host-c")
    state = platform.poll({task: ONE})[task]
    assert state == MigrationState(state="failed", why="vCenter reports success, but the guest is on host-c")
    platform.close()


def test_a_task_that_vcenter_has_forgotten_is_judged_by_the_guests_place(begin: Begin) -> None:
    served, platform = begin()
    forgotten = {"task-1": ONE}
    assert platform.poll(forgotten)["task-1"].state == "failed"
    served.change_guest("vm-one", host="host-b")
    assert platform.poll(forgotten)["task-1"].state == "migrated"
    platform.close()


def test_a_start_whose_answer_is_lost_is_found_again_and_not_repeated(begin: Begin) -> None:
    served, platform = begin(
        migration_seconds=0.5, drop_connection=[{"call": "RelocateVM_Task", "when": "after"}]
    )
    task = platform.start(platform.prepare(ONE))
    assert follow(platform, {task: ONE})[task].state == "migrated"
    assert moved(served) == ["vm-one"]
    platform.close()


def test_a_start_whose_answer_is_lost_and_that_is_over_already(begin: Begin) -> None:
    served, platform = begin(
        migration_seconds=0, drop_connection=[{"call": "RelocateVM_Task", "when": "after"}]
    )
    task = platform.start(platform.prepare(ONE))
    assert follow(platform, {task: ONE})[task].state == "migrated"
    assert moved(served) == ["vm-one"]
    platform.close()


def test_a_start_that_never_arrived_is_an_error_and_nothing_is_started(begin: Begin) -> None:
    served, platform = begin(drop_connection=[{"call": "RelocateVM_Task", "when": "before"}])
    with pytest.raises(Unreachable, match="no migration of the guest is under way"):
        platform.start(platform.prepare(ONE))
    assert moved(served) == []
    assert clusters.calls(served)["RelocateVM_Task"] == 1
    task = platform.start(platform.prepare(ONE))
    assert follow(platform, {task: ONE})[task].state == "migrated"
    platform.close()


def test_sessions_that_end_at_every_step(begin: Begin) -> None:
    served, platform = begin()
    served.expire_sessions()
    prepared = platform.prepare(ONE)
    assert prepared.objection is None
    served.expire_sessions()
    task = platform.start(prepared)
    served.expire_sessions()
    assert follow(platform, {task: ONE})[task].state == "migrated"
    served.expire_sessions()
    assert platform.look(["vm-one"]).guests["vm-one"].host == "host-b"
    assert moved(served) == ["vm-one"]
    platform.close()


def test_a_look_tells_of_all_hosts_and_leaves_out_guests_that_are_gone(begin: Begin) -> None:
    served, platform = begin(clusters.mixed())
    platform.look([])
    before = sum(clusters.calls(served).values())
    now = platform.look(["vm-agile", "vm-halted", "vm-never"])
    assert sum(clusters.calls(served).values()) == before + 1
    assert now.cluster == "domain-c1"
    assert now.guests == {
        "vm-agile": GuestNow(host="host-a", power="running"),
        "vm-halted": GuestNow(host="host-b", power="stopped"),
    }
    assert {name for name, host in now.hosts.items() if host.active} == {"host-a", "host-b", "host-f"}
    assert now.hosts["host-a"] == HostNow(active=True, memory_capacity=128 * GIB, memory_used=60 * GIB)
    platform.close()


def test_disks_that_are_not_named_stay_when_the_home_moves(begin: Begin) -> None:
    store = HostDatastore(shared=True, capacity=1000 * GIB, free=1000 * GIB)
    stores = {"san": clusters.SAN, "fast": store, "new": store}
    hosts = tuple(clusters.host(name, datastores=stores) for name in ("a", "b"))
    disks = (Disk(datastore="san", size=GIB), Disk(datastore="fast", size=2 * GIB))
    _served, platform = begin(clusters.cluster(hosts, (clusters.guest("one", "a", disks=disks),)))
    request = replace(ONE, storage={"san": "new"})
    prepared = platform.prepare(request)
    assert prepared.objection is None
    task = platform.start(prepared)
    assert follow(platform, {task: request})[task].state == "migrated"
    (found,) = platform.read().guests
    assert [(disk.id, disk.datastore) for disk in found.disks] == [
        ("2000", "new"),
        ("2001", "fast"),
        ("home", "new"),
    ]
    platform.close()


def test_disks_go_along_to_where_they_are_told(begin: Begin) -> None:
    stores = {
        "san": clusters.SAN,
        "new": HostDatastore(shared=True, capacity=1000 * GIB, free=1000 * GIB),
    }
    hosts = tuple(clusters.host(name, datastores=stores) for name in ("a", "b"))
    disks = (Disk(datastore="san", size=GIB), Disk(datastore="new", size=2 * GIB))
    served, platform = begin(clusters.cluster(hosts, (clusters.guest("one", "a", disks=disks),)))
    request = replace(ONE, storage={"san": "new"})
    prepared = platform.prepare(request)
    assert prepared.objection is None
    task = platform.start(prepared)
    assert follow(platform, {task: request})[task].state == "migrated"
    (found,) = platform.read().guests
    assert [disk.datastore for disk in found.disks] == ["new", "new", "new"]
    served.switches(no_permission_on=["datastore-dc0/new"])
    with pytest.raises(PermissionMissing, match=r"Datastore\.AllocateSpace on datastore new"):
        platform.prepare(replace(request, source="host-b", target="host-a", storage={"new": "new"}))
    with pytest.raises(NotFound, match=r"guest one: host b\.example has no datastore 'nowhere'"):
        platform.start(platform.prepare(replace(ONE, storage={"new": "nowhere"})))
    platform.close()
