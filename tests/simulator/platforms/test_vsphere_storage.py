# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores and disks of a simulated vCenter: read as they are, moved once, and believed only when seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    Guest,
    HostDatastore,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    StartRefused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DatastoreNow,
    DiskMoveRequest,
    DiskMoveState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import wait_until
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

GIB = clusters.GIB
MEMORY = 8 * GIB


def disk(key: int, datastore: str, size: int = 20, used: int = 10, *blockers: str, **more: object) -> Disk:
    plain = Disk(
        id=str(key),
        datastore=datastore,
        size=size * GIB,
        used=used * GIB,
        thin=True,
        blockers=tuple(sorted(blockers)),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def home(datastore: str, *blockers: str) -> Disk:
    """As of a guest without a swap file, which it has as soon as it is started."""
    return Disk(id="home", datastore=datastore, size=GIB + MEMORY, used=GIB, blockers=tuple(sorted(blockers)))


def stored() -> Snapshot:
    """Two hosts with three datastores in common, two of them in a cluster, and one each of their own."""
    seen = {
        "gold1": HostDatastore(shared=True, capacity=100 * GIB, free=40 * GIB),
        "gold2": HostDatastore(shared=True, capacity=100 * GIB, free=60 * GIB),
        "nfs": HostDatastore(
            shared=True, capacity=200 * GIB, free=150 * GIB, closed_because="in maintenance mode"
        ),
        "local": HostDatastore(shared=False, capacity=50 * GIB, free=50 * GIB),
    }

    def one(name: str, capacity: int, free: int, **more: object) -> Datastore:
        plain = Datastore(
            id=name,
            name=name.partition("@")[0],
            shared="@" not in name,
            hosts=("host-a", "host-b"),
            type="VMFS",
            thin=True,
            capacity=capacity * GIB,
            free=free * GIB,
            provisioned=(capacity - free) * GIB,
        )
        return replace(plain, **more)  # type: ignore[arg-type]

    kept = "Storage DRS (automated)"
    return replace(
        clusters.cluster(
            (clusters.host("a", datastores=seen), clusters.host("b", datastores=seen)),
            tuple(_guests()),
        ),
        datastores=(
            one("gold1", 100, 40, cluster="gold", balanced_by=kept, latency=12, iops=300, tags=("fast",)),
            one("gold2", 100, 60, cluster="gold", balanced_by=kept, provisioned=70 * GIB),
            one("local@host-a", 50, 50, hosts=("host-a",)),
            one("local@host-b", 50, 50, hosts=("host-b",)),
            one(
                "nfs",
                200,
                150,
                type="NFS",
                latency=4,
                disk_io=20.0 * 1024,
                maintenance=True,
                closed_because="in maintenance mode",
            ),
        ),
        storage_rules=(
            StorageRule(
                name="apart",
                kind="anti_affinity",
                guests=("vm-one", "vm-three"),
                source="storage-drs-rule:apart",
            ),
            StorageRule(
                name="logs apart",
                kind="anti_affinity",
                guests=("vm-one",),
                disks=("2000", "2001"),
                source="storage-drs-rule:logs apart",
            ),
        ),
    )


def _guests() -> Iterator[Guest]:
    yield clusters.guest(
        "one",
        "a",
        disks=(
            disk(2000, "gold1", disk_io=64.0 * 1024),
            disk(2001, "gold1", thin=False, disk_io=0.0),
            home("gold1"),
        ),
    )
    yield clusters.guest(
        "three",
        "b",
        disks=(
            disk(2000, "gold1", 20, 5, "snapshot_chain"),
            disk(2001, "nfs", 20, 5, "linked_clone", copied_whole=True, migrated_whole=True),
            disk(2002, "gold2", 20, 0, "raw_device", thin=None),
            disk(2003, "gold2", 20, 5, "independent_disk", "shared_disk"),
            home("gold1", "snapshot_chain"),
        ),
    )
    yield clusters.guest("two", "a", disks=(disk(2000, "gold2", 20, 5, "cdrom"), home("gold2", "cdrom")))


def test_datastores_disks_and_rules_are_read_as_they_are(simulator: Simulate) -> None:
    expected = stored()
    served = simulator("vcenter", expected)
    platform = clusters.connect(served)
    found = platform.read()
    platform.close()
    assert Snapshot.from_json(found.to_json()) == found
    for datastore, wanted in zip(found.datastores, expected.datastores, strict=True):
        assert datastore == wanted
    assert [guest.disks for guest in found.guests] == [guest.disks for guest in expected.guests]
    assert found.storage_rules == expected.storage_rules
    assert found.notices == ()


def test_where_vcenter_keeps_no_statistics_of_datastores_the_last_hour_of_the_hosts_counts(
    simulator: Simulate,
) -> None:
    """A latency is one that nine in ten samples do not exceed, not their mean."""
    served = simulator("vcenter", stored(), no_statistics=["gold1"], storage_drs={"gold": "manual"})
    platform = clusters.connect(served, window_seconds=7200)
    found = platform.read()
    platform.close()
    gold, _other, *_local, nfs = found.datastores
    assert (gold.latency, gold.iops, nfs.latency) == (12, 300, 4)
    # Storage DRS that only recommends moves nothing.
    assert gold.balanced_by is None
    (notice,) = found.notices
    assert "The latency of 1 datastore is that of the last hour" in notice.text


def test_only_where_disks_are_moved_their_files_and_latencies_are_read(simulator: Simulate) -> None:
    served = simulator("vcenter", stored())
    platform = clusters.connect(served, storage=False)
    found = platform.read()
    platform.close()
    assert [datastore.id for datastore in found.datastores] == [
        datastore.id for datastore in stored().datastores
    ]
    assert {datastore.latency for datastore in found.datastores} == {None}
    assert [(disk.id, disk.datastore, disk.used) for disk in found.guests[0].disks] == [
        ("2000", "gold1", None),
        ("2001", "gold1", None),
    ]
    # Of hosts and of guests.
    assert clusters.calls(served)["QueryPerf"] == 1


ONE = DiskMoveRequest(guest="vm-one", host="host-a", disks=("2001",), source="gold1", target="gold2")


@pytest.fixture
def begin(simulator: Simulate) -> Callable[..., tuple[launch.Simulator, VSpherePlatform]]:
    def start(**switches: object) -> tuple[launch.Simulator, VSpherePlatform]:
        served = simulator("vcenter", stored(), **{"migration_seconds": 0.2, **switches})
        return served, clusters.connect(served)

    return start


Begin = Callable[..., tuple[launch.Simulator, VSpherePlatform]]


def start(platform: VSpherePlatform, request: DiskMoveRequest) -> str:
    prepared = platform.prepare_disk_move(request)
    assert prepared.objection is None
    return platform.start_disk_move(prepared)


def follow(platform: VSpherePlatform, task: str, request: DiskMoveRequest) -> DiskMoveState:
    state = DiskMoveState(state="running")

    def over() -> bool:
        nonlocal state
        state = platform.poll_disk_moves({task: request})[task]
        return state.state != "running"

    wait_until(over, lambda: state)
    return state


def disks_of(served: launch.Simulator, guest: str) -> dict[str, str]:
    found: dict[str, str] = served.state()["guests"][guest]["disks"]
    return found


def free(served: launch.Simulator, datastore: str) -> float:
    amount: int = served.state()["datastores"][datastore]["free"]
    return amount / GIB


def test_one_disk_is_checked_moved_and_seen_on_its_target_and_the_others_stay(begin: Begin) -> None:
    served, platform = begin(migration_seconds=1)
    before = platform.look_at_storage(["vm-one", "vm-none"])
    assert before.guests.keys() == {"vm-one"}
    assert before.guests["vm-one"].disks == {"2000": "gold1", "2001": "gold1", "home": "gold1"}
    assert before.guests["vm-one"].busy is None
    assert before.datastores["gold2"] == DatastoreNow(capacity=100 * GIB, free=60 * GIB)
    assert before.datastores["nfs"].closed_because == "in maintenance mode"
    assert before.datastores["local@host-b"].free == 50 * GIB

    task = start(platform, ONE)
    assert platform.poll_disk_moves({task: ONE})[task].state == "running"
    assert platform.look_at_storage(["vm-one"]).guests["vm-one"].busy
    assert follow(platform, task, ONE) == DiskMoveState(state="migrated", percent=100, moved=("2001",))
    assert disks_of(served, "vm-one") == {"2000": "gold1", "2001": "gold2", "home": "gold1"}
    assert (free(served, "gold1"), free(served, "gold2")) == (50, 50)

    # The guest's own files go without the disks that are beside them.
    own = replace(ONE, disks=("home",), target="local@host-a")
    task = start(platform, own)
    assert follow(platform, task, own).moved == ("home",)
    assert disks_of(served, "vm-one") == {"2000": "gold1", "2001": "gold2", "home": "local@host-a"}
    together = replace(ONE, disks=("2001", "2000", "home"), source="gold1", target="gold2")
    assert "disk home of guest one is on datastore local@host-a, not on gold1" in str(
        platform.prepare_disk_move(together).objection
    )
    platform.close()


def test_copies_that_fail_are_cancelled_or_find_the_datastore_full_leave_the_disk_where_it_was(
    begin: Begin,
) -> None:
    fault = {"guest": "vm-one", "at_percent": 50, "error": "NoDiskSpace", "count": 1}
    served, platform = begin(fail_migrations=[fault])
    state = follow(platform, start(platform, ONE), ONE)
    assert (state.state, state.moved, state.left_behind) == ("failed", (), ())
    assert "NoDiskSpace" in state.why

    served.switches(migration_seconds=60, fail_deletions=[{"guest": "vm-one", "count": 1}])
    task = start(platform, ONE)
    platform.cancel_disk_move(task)
    state = follow(platform, task, ONE)
    assert state.state == "cancelled"
    assert state.left_behind == ("[gold2] one/one_1-flat.vmdk", "[gold2] one/one_1.vmdk")

    served.switches(migration_seconds=3)
    task = start(platform, ONE)
    served.change_storage("gold2", free=0)
    assert "Insufficient disk space on datastore 'gold2'" in follow(platform, task, ONE).why
    assert disks_of(served, "vm-one")["2001"] == "gold1"
    assert free(served, "gold1") == 40
    assert served.state()["datastores"]["gold2"]["lowest_free"] >= 0
    platform.close()


def failures(served: launch.Simulator) -> set[str]:
    """Guests whose migration failed of late, as vCenter remembers it, and disks whose move did."""
    found = clusters.connect(served, storage=True, history_seconds=3600).read()
    disks = {f"{guest.id} {disk.id}" for guest in found.guests for disk in guest.disks if disk.last_failed_at}
    return disks | {guest.id for guest in found.guests if guest.last_failed_at}


def test_a_failed_move_of_disks_is_remembered_of_all_disks_of_the_guest_and_not_of_the_guest(
    begin: Begin,
) -> None:
    served, platform = begin(migration_seconds=60)
    task = start(platform, ONE)
    platform.cancel_disk_move(task)
    assert follow(platform, task, ONE).state == "cancelled"
    assert failures(served) == set()
    served.switches(migration_seconds=0, fail_migrations=[{"guest": "vm-one", "count": 1}])
    assert follow(platform, start(platform, ONE), ONE).state == "failed"
    assert failures(served) == {"vm-one 2000", "vm-one 2001", "vm-one home"}
    platform.close()


def test_a_migration_with_disks_that_failed_is_that_of_the_guest(begin: Begin) -> None:
    served, platform = begin(migration_seconds=0, fail_migrations=[{"guest": "vm-one"}])
    request = MigrationRequest(guest="vm-one", source="host-a", target="host-b", storage={"gold1": "gold2"})
    platform.start(platform.prepare(request))
    wait_until(lambda: failures(served) != set(), lambda: served.state()["migrations"])
    assert failures(served) == {"vm-one"}
    platform.close()


def test_a_planned_cluster_is_in_order_when_its_moves_are_done(simulator: Simulate) -> None:
    """A datastore is emptied, the slow ones get faster, the full ones emptier; the second plan is empty."""
    shape = StorageShape(
        datastores=6, disks=80, hosts=3, fill=0.6, skew=5, local=1, rules=4, maintenance=1, busy=0.2, seed=4
    )
    served = simulator("vcenter", generate_storage(shape), migration_seconds=0)
    platform = clusters.connect(served)
    policy = Policy(goal="storage", storage=StoragePolicy(latency=15, max_spread=20))
    before = platform.read()
    first = plan(before, policy).storage
    assert first is not None
    assert first.status == "balanced"
    for move in first.moves:
        request = DiskMoveRequest(
            guest=move.guest.id, host=move.host, disks=move.disks, source=move.source, target=move.target
        )
        state = follow(platform, start(platform, request), request)
        assert (state.state, state.moved, state.left_behind) == ("migrated", move.disks, ())
    after = platform.read()
    second = plan(after, policy).storage
    assert second is not None
    assert (second.status, second.moves) == ("balanced", ())
    emptied = next(datastore for datastore in after.datastores if datastore.maintenance)
    assert not any(disk.datastore == emptied.name for guest in after.guests for disk in guest.disks)
    assert [len(guest.disks) for guest in after.guests] == [len(guest.disks) for guest in before.guests]
    assert all(store["lowest_free"] >= 0 for store in served.state()["datastores"].values())
    platform.close()


def test_files_that_are_left_behind_are_named(begin: Begin) -> None:
    fault = {"guest": "vm-one", "at_percent": 50, "error": "SystemError", "count": 1}
    served, platform = begin(
        fail_migrations=[fault], fail_deletions=[{"guest": "vm-one", "count": 2}], migration_seconds=0
    )
    state = follow(platform, start(platform, ONE), ONE)
    assert state.state == "failed"
    assert state.left_behind == ("[gold2] one/one_1-flat.vmdk", "[gold2] one/one_1.vmdk")
    whole = replace(ONE, disks=("2001", "home"))
    state = follow(platform, start(platform, whole), whole)
    assert (state.state, state.moved) == ("migrated", ("2001", "home"))
    assert state.left_behind == tuple(
        f"[gold1] one/{name}"
        for name in ("one.nvram", "one.vmx", "one_1-flat.vmdk", "one_1.vmdk", "vmware.log")
    )
    # Where the account may not look, it is not known.
    served.switches(
        fail_calls=[{"call": "SearchDatastore_Task", "error": "NoPermission"}],
        fail_deletions=[{"guest": "*"}],
    )
    other = replace(ONE, disks=("2000",))
    state = follow(platform, start(platform, other), other)
    assert (state.state, state.left_behind) == ("migrated", ())
    platform.close()


def test_a_move_that_nobody_watched_is_found_and_followed_to_its_end(begin: Begin) -> None:
    served, killed = begin(
        migration_seconds=2, drop_connection=[{"call": "RelocateVM_Task", "when": "after"}]
    )
    # The answer to the start is lost, and the task is found all the same.
    task = start(killed, ONE)
    later = clusters.connect(served)
    assert later.find_disk_move(ONE) == task
    assert follow(later, task, ONE) == DiskMoveState(state="migrated", percent=100, moved=("2001",))
    assert later.find_disk_move(ONE) is None
    assert later.poll_disk_moves({"task-99999": ONE})["task-99999"].state == "migrated"
    back = replace(ONE, source="gold2", target="gold1")
    state = later.poll_disk_moves({"task-99999": back})["task-99999"]
    assert (state.state, state.why) == (
        "failed",
        "vCenter no longer reports the task, but disk 2001 is on gold2",
    )
    # A migration to another host is no move of disks.
    later.start(later.prepare(clusters.request("vm-one", "a", "b")))
    assert later.find_disk_move(ONE) is None
    for platform in (killed, later):
        platform.close()


def test_a_success_that_moved_nothing_is_a_failure(begin: Begin) -> None:
    served, platform = begin(fail_migrations=[{"guest": "vm-one", "error": "OK", "at_percent": 100}])
    state = follow(platform, start(platform, ONE), ONE)
    assert (state.state, state.why) == ("failed", "vCenter reports success, but disk 2001 is on gold1")
    assert free(served, "gold2") == 60
    platform.close()


def test_what_speaks_against_a_move_is_said_before_it_starts(begin: Begin) -> None:
    served, platform = begin()

    def objection(**changes: object) -> str:
        prepared = platform.prepare_disk_move(replace(ONE, **changes))  # type: ignore[arg-type]
        assert prepared.objection is not None
        with pytest.raises(StartRefused):
            platform.start_disk_move(prepared)
        return str(prepared.objection)

    assert objection(target="nfs") == "datastore nfs is closed: in maintenance mode"
    assert objection(target="local@host-b") == "host a.example has no datastore local@host-b"
    assert objection(target="gone") == "datastore gone does not exist (any more)"
    assert objection(disks=("2001", "2009")) == "guest one has no disk 2009 (any more)"
    assert (
        objection(source="gold2", target="gold1") == "the disks of guest one are on datastore gold1 already"
    )
    assert objection(host="host-b") == "guest one is on host a.example now"
    # vCenter shows the space of a while ago, until it is asked to look.
    served.switches(stale_space=True)
    served.change_storage("gold2", free=GIB)
    assert platform.look_at_storage([]).datastores["gold2"].free == 60 * GIB
    full = objection()
    assert platform.look_at_storage([]).datastores["gold2"].free == GIB
    assert "InsufficientStorageSpace" in full
    assert full.endswith("Free space on the datastore, or choose another one")
    shared = replace(ONE, guest="vm-three", host="host-b", disks=("2003",), source="gold2", target="gold1")
    assert "DiskMoveTypeNotSupported" in str(platform.prepare_disk_move(shared).objection)
    with pytest.raises(NotFound, match="vm-none"):
        platform.prepare_disk_move(replace(ONE, guest="vm-none"))
    served.switches(no_permission_on=["datastore-dc0/gold2"])
    with pytest.raises(PermissionMissing, match=r"Datastore\.AllocateSpace on datastore gold2"):
        platform.prepare_disk_move(ONE)
    assert served.state()["disk_moves"] == []
    platform.close()
