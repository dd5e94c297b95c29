# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations are checked, started once, followed to where the guest is, and stopped."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    Refused,
    StartRefused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    MigrationState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import Hands, follow, migrate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import (
    GIB,
    RELEASES,
    request,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch


@pytest.mark.parametrize("release", RELEASES)
def test_a_running_machine_is_migrated_and_seen_on_its_target(release: str, simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--version", release))
    platform = clusters.connect(served)
    assert migrate(platform, request(100, "pve1", "pve2")) == MigrationState(state="migrated", percent=100)
    assert clusters.place(served, 100) == "pve2"


def test_a_stopped_machine_is_migrated_too(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", power="stopped")
    assert migrate(clusters.connect(served), request(100, "pve1", "pve2")).state == "migrated"


def test_one_that_fails_on_its_way_says_why(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), fail_migrations=[{"guest": "100", "at_percent": 50}])
    assert migrate(clusters.connect(served), request(100, "pve1", "pve2")) == MigrationState(
        state="failed", why="migration problems: online migrate failure - aborting at 50 %"
    )
    assert clusters.place(served, 100) == "pve1"


def test_a_task_that_says_ok_with_the_guest_elsewhere_has_failed(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    follow(platform, {task: wanted})
    served.change_guest("100", host="pve3")
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="failed", why="the task says OK, but the guest is on pve3"
    )


def test_all_running_tasks_are_asked_about_in_one_call(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    wanted = [request(100, "pve1", "pve2"), request(101, "pve1", "pve3"), request(102, "pve2", "pve3")]
    tasks = {platform.start(platform.prepare(each)): each for each in wanted}
    before = sum(clusters.calls(served).values())
    for _ in range(5):
        states = platform.poll(tasks)
    # Five times the list, once the log of each, and once which nodes are up: not looked at every time.
    assert sum(clusters.calls(served).values()) - before == 5 + 3 + 1
    assert [state.state for state in states.values()] == ["running"] * 3


@pytest.mark.parametrize("managed", [False, True])
def test_how_far_it_is_is_read_from_the_log_line_by_line(managed: bool, simulator: Simulate) -> None:
    served = under_ha(simulator, *([100] if managed else []), ha_delay_seconds=0.05, migration_seconds=2)
    wanted = request(100, "pve1", "pve2")
    # Time flies, so that the log is looked at in every poll.
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=lambda: time.monotonic() * 1000)
    tasks = {platform.start(platform.prepare(wanted)): wanted}
    seen: list[float] = []

    while (state := dict(platform.poll(tasks))[next(iter(tasks))]).state == "running":
        if state.percent is not None:
            seen.append(state.percent)
    assert state.state == "migrated"
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] < 100


def test_disks_that_are_copied_count_in_how_far_it_is(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    stamp = "2026-11-20 22:00:00 "
    lines = ["scsi0: start migration to nbd:unix:/run/qemu-server/100_nbd.migrate:exportname=drive-scsi0"]
    lines += [f"mirror-scsi0: transferred {done}.0 GiB of 30.0 GiB (0.00%) in 1m" for done in (1, 12)]
    task = served.add_task(node="pve1", type="qmigrate", id="100", lines=lines)
    wanted = request(100, "pve1", "pve2")
    platform = clusters.connect(served)
    assert platform.poll({task: wanted})[task] == MigrationState(state="running", percent=40)
    lines += [f"mirror-scsi0: transferred {30 * 1024}.0 MiB of 30.0 GiB (100.00%) in 2m"]
    lines += [f"{stamp}migration active, transferred 5.0 GiB of 10.0 GiB VM-state, 1.1 GiB/s"]
    later = served.add_task(node="pve1", type="qmigrate", id="101", lines=lines)
    assert platform.poll({later: request(101, "pve1", "pve2")})[later].percent == 87.5


def test_a_log_that_can_not_be_read_hides_only_the_percent(simulator: Simulate) -> None:
    fault = {"call": "GET /nodes/{node}/tasks/{upid}/log", "error": 403}
    served = simulator("proxmox", clusters.small(), migration_seconds=0.5, fail_calls=[fault])
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task] == MigrationState(state="running")
    assert follow(platform, {task: wanted})[task].state == "migrated"


def test_a_task_that_the_short_list_lacks_is_asked_for(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    for _ in range(30):
        platform.start(platform.prepare(request(101, "pve1", "pve2")))
        served.change_guest("101", host="pve1")
    assert platform.poll({task: wanted})[task].state == "migrated"
    assert clusters.calls(served)["GET /nodes/{node}/tasks/{upid}/status"] == 1


def test_cancelled_on_request(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "running"
    platform.cancel(task)
    state = follow(platform, {task: wanted})[task]
    assert (state.state, state.why) == (
        "cancelled",
        "migration problems: online migrate failure - interrupted by signal",
    )
    assert clusters.place(served, 100) == "pve1"


def test_failures_are_remembered_by_the_cluster_and_what_somebody_stopped_is_not(simulator: Simulate) -> None:
    past = {"last_migrated_at": "2026-11-20T20:00:00Z", "last_failed_at": "2026-11-20T21:00:00Z"}
    cluster = clusters.small()
    guests = (replace(cluster.guests[0], **past), *cluster.guests[1:])
    served = simulator("proxmox", replace(cluster, guests=guests), migration_seconds=30)
    platform = clusters.connect(served)
    before = {guest.id: (guest.last_migrated_at, guest.last_failed_at) for guest in platform.read().guests}
    assert before.pop("100") == tuple(past.values())
    assert set(before.values()) == {(None, None)}
    served.switches(fail_migrations=[{"guest": "101", "at_percent": 0}])
    fails, stopped = request(101, "pve1", "pve2"), request(102, "pve2", "pve3")
    tasks = {platform.start(platform.prepare(wanted)): wanted for wanted in (fails, stopped)}
    platform.cancel(list(tasks)[1])
    assert [state.state for state in follow(platform, tasks).values()] == ["failed", "cancelled"]
    after = {guest.id: guest for guest in platform.read().guests}
    assert after["101"].last_failed_at is not None
    assert (after["101"].last_migrated_at, after["102"].last_failed_at) == (None, None)


def test_a_guest_that_is_gone_has_failed(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    task = platform.start(platform.prepare(request(100, "pve1", "pve2")))
    lost = request(999, "pve1", "pve2")
    gone = MigrationState(state="failed", why="the guest no longer exists")
    assert platform.poll({task: lost})[task] == gone


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("number", "why", "passing"),
    [
        (120, "CD image", False),
        (121, "device", False),
        (122, "with_local_disks", False),
        (124, "locked (backup)", True),
        (110, "restart_containers", False),
    ],
)
def test_what_stands_in_the_way_is_said_before_and_refused_at_the_start(
    release: str, number: int, why: str, passing: bool, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.mixed(release), options=("--version", release))
    platform = clusters.connect(served)
    wanted = request(number, "pve1", "pve2")
    objection = platform.prepare(wanted).objection
    assert objection is not None
    assert why in objection.why
    assert objection.passing is passing
    with pytest.raises(Refused, match=f"guest {number}"):
        platform.start(platform.prepare(wanted))
    with pytest.raises(Refused):
        platform.start(platform.prepare(wanted))
    assert served.state()["migrations"] == []


@pytest.mark.parametrize("release", RELEASES)
def test_a_bridge_that_the_target_lacks_is_named(release: str, simulator: Simulate) -> None:
    hosts = (
        clusters.host("pve1", release, networks=("vmbr0", "vmbr9")),
        clusters.host("pve2", release, networks=("vmbr0",)),
        clusters.host("pve3", release, networks=("vmbr0", "vmbr9")),
    )
    cluster = clusters.cluster(hosts, (clusters.guest(100, "pve1", release, networks=("vmbr0", "vmbr9")),))
    served = simulator("proxmox", cluster, options=("--version", release), migration_seconds=0)
    platform = clusters.connect(served)
    assert str(platform.prepare(request(100, "pve1", "pve2")).objection) == "pve2 lacks the bridge vmbr9"
    with pytest.raises(Refused, match="lacks the bridge vmbr9"):
        platform.start(platform.prepare(request(100, "pve1", "pve2")))
    assert served.state()["migrations"] == []
    assert migrate(platform, request(100, "pve1", "pve3")).state == "migrated"


@pytest.mark.parametrize(
    ("status", "message", "passing"),
    [
        (400, "Parameter verification failed.", False),
        (500, "Cannot live-migrate replicated VM to node 'pve2' - not a replication target.", False),
        (500, "storage 'local' is not available on node 'pve2'", False),
        (500, "VM is locked (backup)", True),
        (500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", True),
        (500, "unable to get IP for node 'pve2' - node offline?", True),
        (500, "something broke", None),
    ],
)
def test_a_start_is_refused_though_the_check_had_no_objection(
    status: int, message: str, passing: bool | None, simulator: Simulate
) -> None:
    fault = {"call": "POST /nodes/{node}/qemu/{vmid}/migrate", "error": status, "message": message}
    platform = clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[fault]))
    wanted = request(100, "pve1", "pve2")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    with pytest.raises(Refused, match=re.escape(message.rstrip("."))) as raised:
        platform.start(prepared)
    assert getattr(raised.value, "passing", None) is passing
    assert isinstance(raised.value, StartRefused) is (passing is not None)


def test_replication_jobs_that_can_not_be_read_delay_nothing(simulator: Simulate) -> None:
    """What the list would have told, the node says at the start."""
    fault = {"call": "GET /cluster/replication", "error": 500, "message": "broken"}
    jobs = [{"guest": "101", "target": "pve3"}]
    served = simulator("proxmox", clusters.small(), migration_seconds=0, fail_calls=[fault], replication=jobs)
    platform = clusters.connect(served)
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")).state == "migrated"


def test_a_wrong_source_and_an_unknown_guest_are_named(simulator: Simulate) -> None:
    platform = clusters.connect(simulator("proxmox", clusters.small()))
    assert (
        str(platform.prepare(request(100, "pve2", "pve3")).objection) == "the guest is on pve1, not on pve2"
    )
    with pytest.raises(NotFound, match="no guest 999"):
        platform.prepare(request(999, "pve1", "pve2"))


@pytest.mark.parametrize("release", RELEASES)
def test_a_storage_that_the_target_lacks_is_named(release: str, simulator: Simulate) -> None:
    san = {"san": HostDatastore(shared=True, capacity=GIB, free=GIB), "ceph": clusters.CEPH}
    cluster = clusters.cluster(
        (clusters.host("pve1", release, datastores=san), clusters.host("pve2", release)),
        (
            clusters.guest(100, "pve1", release, disks=(Disk(datastore="san", size=GIB),)),
            clusters.container(101, "pve1", release, disks=(Disk(datastore="san", size=GIB),)),
        ),
    )
    served = simulator("proxmox", cluster, options=("--version", release))
    platform = clusters.connect(served, restart_containers=True)
    assert str(platform.prepare(request(100, "pve1", "pve2")).objection) == "pve2 lacks storage san"
    assert "pve2 lacks storage san" in str(platform.prepare(request(101, "pve1", "pve2")).objection)


@pytest.mark.parametrize("release", RELEASES)
def test_containers_are_restarted_where_that_is_allowed(release: str, simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--version", release))
    platform = clusters.connect(served, restart_containers=True)
    assert migrate(platform, request(103, "pve1", "pve2")).state == "migrated"
    assert served.state()["guests"]["103"] == {"host": "pve2", "power": "running", "lock": None}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ["vm", "container"])
def test_local_disks_go_along_where_that_is_allowed(release: str, kind: str, simulator: Simulate) -> None:
    other = {"fast": clusters.LOCAL, "ceph": clusters.CEPH, "local-lvm": clusters.LOCAL}
    hosts = (clusters.host("pve1", release), clusters.host("pve2", release, datastores=other))
    disks = (Disk(datastore="local-lvm", size=GIB), Disk(datastore="ceph", size=GIB))
    make = clusters.guest if kind == "vm" else clusters.container
    guests = (make(100, "pve1", release, disks=disks), make(101, "pve1", release, disks=disks))
    served = simulator("proxmox", clusters.cluster(hosts, guests), options=("--version", release))
    refusing = clusters.connect(served, restart_containers=True)
    assert "with_local_disks" in str(refusing.prepare(request(100, "pve1", "pve2")).objection)
    assert migrate(refusing, request(100, "pve1", "pve2", **{"local-lvm": "fast"})).state == "migrated"
    assert [disk.datastore for disk in refusing.read().guests[0].disks] == ["fast", "ceph"]
    same = clusters.connect(served, restart_containers=True, with_local_disks=True, bandwidth_limit=100_000)
    assert migrate(same, request(101, "pve1", "pve2")).state == "migrated"
    assert [disk.datastore for disk in same.read().guests[1].disks] == ["local-lvm", "ceph"]


def test_local_disks_go_nowhere_that_the_target_lacks(simulator: Simulate) -> None:
    platform = clusters.connect(
        simulator("proxmox", clusters.small()), with_local_disks=True, target_storage={"local-lvm": "fast"}
    )
    assert str(platform.prepare(request(104, "pve1", "pve2")).objection) == "pve2 lacks storage fast"
    elsewhere = clusters.connect(
        simulator("proxmox", clusters.small()), with_local_disks=True, target_storage="ceph"
    )
    assert migrate(elsewhere, request(104, "pve1", "pve2")).state == "migrated"
    assert [disk.datastore for disk in elsewhere.read().guests[4].disks] == ["ceph"]


def under_ha(
    simulator: Simulate, *numbers: int, release: str = "9.2", **switches: object
) -> launch.Simulator:
    options = ["--version", release]
    for number in numbers:
        options += ["--ha-guest", str(number)]
    return simulator("proxmox", clusters.small(), options=options, **switches)


@pytest.mark.parametrize("release", RELEASES)
def test_a_guest_of_ha_is_followed_to_its_end(release: str, simulator: Simulate) -> None:
    served = under_ha(simulator, 100, release=release, ha_delay_seconds=2, migration_seconds=0.4)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    task = platform.start(prepared)
    assert ":hamigrate:" in task
    assert platform.poll({task: wanted})[task].state == "running"
    time.sleep(0.1)
    # The task has ended well, and nothing has moved.
    assert platform.poll({task: wanted})[task].state == "running"
    assert clusters.place(served, 100) == "pve1"
    assert follow(platform, {task: wanted})[task].state == "migrated"
    assert clusters.place(served, 100) == "pve2"


def test_a_migration_of_ha_that_fails_says_why(simulator: Simulate) -> None:
    failing = [{"guest": "100", "at_percent": 50}]
    served = under_ha(simulator, 100, ha_delay_seconds=0.1, migration_seconds=0.6, fail_migrations=failing)
    state = migrate(clusters.connect(served), request(100, "pve1", "pve2"))
    assert (state.state, state.why) == (
        "failed",
        "the guest is on pve1: HA's migration ended with: migration problems:"
        " online migrate failure - aborting at 50 %",
    )


def test_a_request_that_ha_drops_without_a_word_fails_after_a_while(simulator: Simulate) -> None:
    served = under_ha(simulator, 100, ha_refuse=["100"])
    hands = Hands()
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=hands)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    time.sleep(0.5)
    hands.seconds = 179
    assert platform.poll({task: wanted})[task].state == "running"
    hands.seconds = 181
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="failed", why="the guest is on pve1: HA dropped the request without a word"
    )


def test_what_ha_objects_to_is_said_before_or_found_out_afterwards(simulator: Simulate) -> None:
    cluster = clusters.small()
    rules = (clusters.rule("web", "anti_affinity", 100, 102), clusters.rule("pair", "affinity", 100, 101))
    served = simulator("proxmox", clusters.cluster(cluster.hosts, cluster.guests, rules))
    hands = Hands()
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=hands)
    objection = platform.prepare(request(100, "pve1", "pve2")).objection
    assert str(objection) == (
        "an HA rule (resource-affinity) keeps it apart from vm:102, which is on pve2 or on its way there"
    )
    wanted = request(100, "pve1", "pve3")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.change_guest("102", host="pve3")
    task = platform.start(prepared)
    time.sleep(0.5)
    assert platform.poll({task: wanted})[task].state == "running"
    # Handing over has failed; the request may have been noted all the same, and is waited for a while.
    hands.seconds = 26
    state = platform.poll({task: wanted})[task]
    assert state.state == "failed"
    assert "the guest is on pve1: HA refused the request: " in state.why
    assert "vm:102 (resource-affinity)" in state.why


def test_partners_that_ha_moves_along_are_named(simulator: Simulate) -> None:
    cluster = clusters.small()
    rules = (clusters.rule("pair", "affinity", 100, 101),)
    served = simulator("proxmox", clusters.cluster(cluster.hosts, cluster.guests, rules))
    wanted = replace(request(100, "pve1", "pve2"), along=("101",))
    state = migrate(clusters.connect(served), wanted)
    assert state == MigrationState(
        state="migrated", percent=100, why="HA moves along: guest101 (101)", along=("101",)
    )
    assert clusters.place(served, 101) == "pve2"


def test_what_keeps_a_partner_away_keeps_the_guest_too(simulator: Simulate) -> None:
    """Of those that HA moves along it asks nothing, so we do."""
    san = {"san": HostDatastore(shared=True, capacity=GIB, free=GIB), "ceph": clusters.CEPH}
    cluster = clusters.cluster(
        (clusters.host("pve1", datastores=san), clusters.host("pve2"), clusters.host("pve3", datastores=san)),
        (
            clusters.guest(100, "pve1"),
            clusters.guest(101, "pve1", disks=(Disk(datastore="san", size=GIB),)),
            clusters.idle(102, "pve2"),
        ),
        (clusters.rule("pair", "affinity", 100, 101), clusters.rule("tied", "affinity", 101, 102)),
    )
    served = simulator("proxmox", cluster)
    platform = clusters.connect(served)
    objection = platform.prepare(request(100, "pve1", "pve2")).objection
    assert str(objection) == "HA would move guest101 (101) along: pve2 lacks storage san"
    with pytest.raises(Refused, match=r"HA would move guest101 \(101\) along"):
        platform.start(platform.prepare(request(100, "pve1", "pve2")))
    assert served.state()["migrations"] == []
    wanted = request(100, "pve1", "pve3")
    assert platform.prepare(wanted).objection is None
    assert [(moved.guest.id, moved.source, moved.memory) for moved in platform.prepare(wanted).partners] == [
        ("101", "pve1", 4 * GIB),
        ("102", "pve2", 0),
    ]
    # Who is there already does not come.
    assert [moved.guest.id for moved in platform.prepare(request(100, "pve1", "pve2")).partners] == ["101"]


def test_a_partner_that_the_account_does_not_see_keeps_the_guest(simulator: Simulate) -> None:
    cluster = clusters.small()
    rules = (clusters.rule("pair", "affinity", 100, 101),)
    rights = ["Sys.Audit", "VM.Audit", "VM.Migrate", "Datastore.Audit", "SDN.Audit"]
    grants = {"root@pam": {"/": rights, "/vms/101": ["Sys.Audit"]}}
    served = simulator("proxmox", clusters.cluster(cluster.hosts, cluster.guests, rules), grants=grants)
    objection = clusters.connect(served).prepare(request(100, "pve1", "pve2")).objection
    assert str(objection) == "HA would move vm:101 along, which the account does not see"


def test_a_migration_of_ha_is_cancelled_by_its_real_task(simulator: Simulate) -> None:
    served = under_ha(simulator, 100, ha_delay_seconds=0.05, migration_seconds=30)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    follow(platform, {task: wanted}, until=lambda: bool(served.state()["migrations"]))
    platform.cancel(task)
    state = follow(platform, {task: wanted})[task]
    assert (state.state, clusters.place(served, 100)) == ("cancelled", "pve1")


def test_partners_are_stopped_with_the_guest_that_took_them_along(simulator: Simulate) -> None:
    cluster = clusters.small()
    rules = (clusters.rule("pair", "affinity", 100, 101),)
    served = simulator(
        "proxmox",
        clusters.cluster(cluster.hosts, cluster.guests, rules),
        ha_delay_seconds=0.05,
        migration_seconds=30,
    )
    platform = clusters.connect(served)
    wanted = replace(request(100, "pve1", "pve2"), along=("101",))
    task = platform.start(platform.prepare(wanted))
    follow(platform, {task: wanted}, until=lambda: len(served.state()["migrations"]) == 2)
    platform.cancel(task)
    assert follow(platform, {task: wanted})[task].state == "cancelled"
    assert [clusters.place(served, guest) for guest in (100, 101)] == ["pve1", "pve1"]


def test_what_ha_has_not_begun_when_it_is_cancelled_is_stopped_when_it_begins(simulator: Simulate) -> None:
    served = under_ha(simulator, 100, ha_delay_seconds=0.6, migration_seconds=30)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    platform.cancel(task)
    assert served.state()["migrations"] == []
    state = follow(platform, {task: wanted})[task]
    assert (state.state, clusters.place(served, 100)) == ("cancelled", "pve1")
    assert [migration["state"] for migration in served.state()["migrations"]] == ["cancelled"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("managed", [False, True])
def test_a_start_whose_answer_is_lost_is_not_done_twice(
    when: str, managed: bool, simulator: Simulate
) -> None:
    served = under_ha(simulator, *([100] if managed else []), migration_seconds=0.5)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    served.switches(drop_connection=[{"call": "POST /nodes/{node}/qemu/{vmid}/migrate", "when": when}])
    task = platform.start(prepared)
    assert follow(platform, {task: wanted})[task].state == "migrated"
    assert [change["guest"] for change in served.state()["migrations"]] == ["100"]


def test_a_start_whose_answer_is_lost_is_found_even_when_it_is_over(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    lost = [{"call": "POST /nodes/{node}/qemu/{vmid}/migrate", "when": "after"}]
    served.switches(drop_connection=lost)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "migrated"


def test_the_right_to_migrate_is_looked_for_before_anything_is_started(simulator: Simulate) -> None:
    audit = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit"]
    served = simulator("proxmox", clusters.small(), grants={"root@pam": {"/": audit}})
    platform = clusters.connect(served)
    assert len(platform.read().guests) == 5
    with pytest.raises(PermissionMissing, match=r"VM\.Migrate on /vms/100"):
        platform.prepare(request(100, "pve1", "pve2"))
    with pytest.raises(PermissionMissing, match=r"VM\.Migrate on /vms/100"):
        platform.start(platform.prepare(request(100, "pve1", "pve2")))
    assert not any(call.startswith("POST") and call.endswith("/migrate") for call in clusters.calls(served))


def test_capacities_follow_the_options_of_the_datacenter(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    assert clusters.connect(served).capacities == Capacities(cluster=4, per_host=2, settling_seconds=10.0)
    served.switches(options={"max_workers": 9})
    assert clusters.connect(served).capacities == Capacities(cluster=9, per_host=2, settling_seconds=10.0)
