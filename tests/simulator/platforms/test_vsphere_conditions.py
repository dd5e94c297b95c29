# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users' vCenters have besides plain guests on healthy hosts: each is read as vCenter will treat it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    Refused,
    UnexpectedAnswer,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

GIB = clusters.GIB
ONE = MigrationRequest(guest="vm-one", source="host-a", target="host-b")
IDLE = {"cpu": 0.0, "memory": 0, "network_io": 0.0, "disk_io": 0.0}
NO_VMOTION = "no VMkernel port with vMotion enabled"


def hosts(*names: str) -> tuple[Host, ...]:
    return tuple(clusters.host(name) for name in names)


def read(served: launch.Simulator, **changes: object) -> Snapshot:
    platform = clusters.connect(served, **changes)
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


def host_of(snapshot: Snapshot, name: str) -> Host:
    return next(host for host in snapshot.hosts if host.id == f"host-{name}")


def guest_of(snapshot: Snapshot, name: str) -> Guest:
    return next(guest for guest in snapshot.guests if guest.id == f"vm-{name}")


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def entering(served: launch.Simulator, name: str) -> VSpherePlatform:
    """Somebody's wish for maintenance mode, which waits for the guests of the host to leave."""
    impatient = clusters.VSpherePlatform(
        clusters.connection(served), sleep=lambda _: _give_up(), monotonic=time.monotonic
    )
    with pytest.raises(InterruptedError):
        impatient.set_maintenance(f"host-{name}", on=True, timeout=600)
    return impatient


def _give_up() -> None:
    raise InterruptedError


@pytest.mark.parametrize(
    "blocker",
    [
        "cpu_affinity",
        "fault_tolerance_unprotected",
        "host_device",
        "host_graphics",
        "iso_mounted",
        "latency_sensitive",
        "passthrough_device",
        "scsi_bus_sharing",
        "usb_device",
        "vsphere_pod",
    ],
)
def test_what_binds_a_guest_is_named(blocker: str, simulator: Simulate) -> None:
    cluster = clusters.cluster(hosts("a", "b"), (clusters.blocked("one", "a", blocker),))
    served = simulator("vcenter", cluster)
    assert read(served).guests == clusters.as_read(cluster).guests


@pytest.mark.parametrize(
    "blocker", ["cpu_affinity", "iso_mounted", "scsi_bus_sharing", "usb_device", "vsphere_pod"]
)
def test_vcenter_would_refuse_it_too(blocker: str, simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.cluster(hosts("a", "b"), (clusters.blocked("one", "a", blocker),)))
    platform = clusters.connect(served)
    assert platform.prepare(ONE).objection
    platform.close()


def test_agents_are_vcenters_own_affair(simulator: Simulate) -> None:
    agent = clusters.blocked("vcls", "a", "agent", platform_managed=True)
    cluster = clusters.cluster(hosts("a", "b"), (agent,))
    served = simulator("vcenter", cluster)
    assert read(served).guests == clusters.as_read(cluster).guests
    platform = clusters.connect(served)
    platform.set_maintenance("host-a", on=True, timeout=PATIENCE_SECONDS)
    assert platform.in_maintenance("host-a")
    assert guest_of(platform.read(), "vcls").power == "stopped"
    platform.close()


def test_a_virtual_machine_of_a_supervisor_is_no_pod() -> None:
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import (
        Found,
    )
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read import guests
    from ansible_collections.evenkeel.cluster.tests.unit.platforms.test_vsphere_parts import answer

    def managed(key: str, kind: str) -> Found:
        inside = answer(f"<extensionKey>{key}</extensionKey><type>{kind}</type>")
        return Found("VirtualMachine", "vm-1", {"config.managedBy": inside})

    for key, kind, agent, pod in (
        ("com.vmware.vim.eam", "cluster-agent", True, False),
        ("com.vmware.vcls", "", True, False),
        ("com.vmware.vcenter.wcp", "VirtualMachine", False, False),
        ("com.vmware.vcenter.wcp", "pod", False, True),
        ("com.example.backup", "proxy", False, False),
    ):
        assert (guests.is_agent(managed(key, kind)), guests.is_pod(managed(key, kind))) == (agent, pod), key


def pair(*names: str) -> Rule:
    return Rule(
        name=f"fault tolerance of {names[0]}",
        kind="anti_affinity",
        guests=tuple(f"vm-{name}" for name in names),
        strict=True,
        source="fault-tolerance",
        enforced=True,
    )


def test_a_fault_tolerant_pair_is_kept_apart(simulator: Simulate) -> None:
    cluster = clusters.cluster(
        hosts("a", "b", "c"), (clusters.guest("db", "a"), clusters.guest("db2", "b")), (pair("db", "db2"),)
    )
    served = simulator("vcenter", cluster)
    snapshot = read(served)
    assert snapshot.rules == cluster.rules
    assert snapshot.guests == clusters.as_read(cluster).guests
    platform = clusters.connect(served)
    onto = MigrationRequest(guest="vm-db", source="host-a", target="host-b")
    assert "FaultToleranceAntiAffinityViolated" in str(platform.prepare(onto).objection)
    assert platform.prepare(replace(onto, target="host-c")).objection is None
    platform.close()


@pytest.mark.parametrize(
    ("state", "power", "there"),
    [("orphaned", "stopped", False), ("inaccessible", "unknown", True), ("invalid", "unknown", True)],
)
def test_a_guest_that_is_not_well_says_so_and_counts_as_vcenter_counts_it(
    state: str, power: str, there: bool, simulator: Simulate
) -> None:
    served = simulator("vcenter", clusters.small())
    served.change_guest("vm-one", state=state)
    guest = guest_of(read(served), "one")
    assert (guest.power, guest.run_state, guest.blockers) == (power, state, (state,))
    assert guest.is_on_host is there
    platform = clusters.connect(served)
    assert platform.look(["vm-one"]).guests["vm-one"].power == power
    served.change_guest("vm-two", host="host-b")
    served.change_guest("vm-three", host="host-b")
    if there:
        with pytest.raises(Refused, match="which guests still run"):
            platform.set_maintenance("host-a", on=True, timeout=1)
    else:
        platform.set_maintenance("host-a", on=True, timeout=PATIENCE_SECONDS)
    platform.close()


def test_an_inaccessible_guest_that_is_off_is_off(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    served.change_guest("vm-one", state="inaccessible", power="stopped")
    assert guest_of(read(served), "one").power == "stopped"


@pytest.mark.parametrize("state", ["in maintenance mode", "entering maintenance mode"])
def test_a_datastore_in_maintenance_takes_no_new_disks_and_lets_guests_be(
    state: str, simulator: Simulate
) -> None:
    store = replace(clusters.SAN, closed_because=state)
    two = tuple(clusters.host(name, datastores={"san": store}) for name in "ab")
    cluster = clusters.cluster(two, (clusters.guest("one", "a"),))
    snapshot = read(simulator("vcenter", cluster))
    assert snapshot.hosts == cluster.hosts
    assert guest_of(snapshot, "one").targets is None


@pytest.mark.parametrize(
    "state", ["not mounted on this host", "not accessible from this host", "mounted read-only on this host"]
)
def test_a_mount_that_is_bad_on_one_host_keeps_guests_away_from_that_host(
    state: str, simulator: Simulate
) -> None:
    bad = clusters.host("b", datastores={"san": replace(clusters.SAN, closed_because=state)})
    cluster = clusters.cluster((*hosts("a"), bad, *hosts("c")), (clusters.guest("one", "a"),))
    served = simulator("vcenter", cluster)
    snapshot = read(served)
    assert snapshot.hosts == cluster.hosts
    assert guest_of(snapshot, "one").targets == ("host-a", "host-c")
    platform = clusters.connect(served)
    assert "CannotAccessVmDisk" in str(platform.prepare(ONE).objection)
    assert platform.prepare(replace(ONE, target="host-c")).objection is None
    platform.close()


def test_a_host_that_is_entering_maintenance_mode_receives_nothing(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    waiting = entering(served, "a")
    host = host_of(read(served), "a")
    assert (host.maintenance, host.closed_because, host.active) == (True, "entering maintenance mode", False)
    assert not waiting.in_maintenance("host-a")
    now = waiting.look([]).hosts
    assert (now["host-a"].active, now["host-b"].active) == (False, True)
    back = MigrationRequest(guest="vm-one", source="host-b", target="host-a")
    served.change_guest("vm-one", host="host-b")
    objection = waiting.prepare(back).objection
    assert objection is not None
    assert ("InvalidHostState" in objection.why, objection.passing) == (True, True)
    waiting.close()


def test_maintenance_mode_that_somebody_else_has_begun_is_waited_for_and_never_cancelled(
    simulator: Simulate,
) -> None:
    served = simulator("vcenter", clusters.small())
    entering(served, "a").close()
    seconds = iter(range(0, 10_000, 20))
    hasty = clusters.VSpherePlatform(
        clusters.connection(served), sleep=lambda _: None, monotonic=lambda: float(next(seconds))
    )
    with pytest.raises(Refused, match="did not enter maintenance mode within 10 seconds"):
        hasty.set_maintenance("host-a", on=True, timeout=10)
    hasty.close()

    def guests_leave(seconds: float) -> None:
        for guest in ("vm-one", "vm-two", "vm-three"):
            served.change_guest(guest, host="host-b")
        time.sleep(seconds)

    platform = clusters.VSpherePlatform(clusters.connection(served), sleep=guests_leave)
    platform.set_maintenance("host-a", on=True, timeout=PATIENCE_SECONDS)
    assert platform.in_maintenance("host-a")
    assert clusters.calls(served)["EnterMaintenanceMode_Task"] == 1
    platform.close()


def test_a_host_without_vmotion_is_closed_and_says_why(simulator: Simulate) -> None:
    closed = clusters.host("b", schedulable=False, closed_because=NO_VMOTION)
    cluster = clusters.cluster((*hosts("a"), closed), (clusters.guest("one", "a"),))
    served = simulator("vcenter", cluster)
    assert read(served).hosts == cluster.hosts
    platform = clusters.connect(served)
    assert not platform.look([]).hosts["host-b"].active
    assert "Enable vMotion on a VMkernel adapter" in str(platform.prepare(ONE).objection)
    served.change_host("host-b", vmotion=True)
    assert platform.look([]).hosts["host-b"].active
    assert platform.prepare(ONE).objection is None
    platform.close()


def test_a_single_esxi_host_is_no_vcenter(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), esxi=True)
    with pytest.raises(
        UnexpectedAnswer, match=r"single ESXi host \(VMware ESXi.*Set hostname to the vCenter"
    ):
        clusters.connect(served)


def test_hosts_without_a_cluster_are_named_and_privileges_are_not_blamed(simulator: Simulate) -> None:
    served = simulator(
        "vcenter", clusters.small(), hidden=["domain-c1"], standalone_hosts=["esx7.example", "esx8.example"]
    )
    platform = clusters.connect(served)
    with pytest.raises(NotFound, match=r"in no cluster \(esx7\.example, esx8\.example\)\. Move the hosts"):
        platform.read()
    platform.close()
    served.switches(hidden=[])
    platform = clusters.connect(served, cluster="esx7.example")
    with pytest.raises(NotFound, match=r"'esx7\.example' is a standalone host.*dc0/prod"):
        platform.read()
    platform.close()


def test_an_account_that_sees_nothing_is_told_which_role_it_needs(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), hidden=["domain-c1"])
    platform = clusters.connect(served)
    with pytest.raises(NotFound, match=r"neither clusters nor hosts.*Read-only on the datacenter"):
        platform.read()
    platform.close()


@pytest.mark.parametrize("window", [600, 7200])
def test_refused_statistics_of_all_are_present_values_that_say_so(window: int, simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), no_statistics=["*"])
    snapshot = read(served, window_seconds=window)
    assert snapshot.window_seconds == 0
    texts = [notice.text for notice in snapshot.notices]
    assert "2 hosts and 3 guests" in texts[0]
    assert "querySpec.interval" in texts[0]
    assert f"No averages over {window} seconds" in texts[1]
    assert snapshot.notices[0].guests == ("one", "three", "two")
    one = guest_of(snapshot, "one")
    assert (one.used["cpu"], one.used["disk_io"], one.sources) == (1.5, None, {})
    assert clusters.calls(served)["QueryPerf"] < 10


def test_refused_statistics_of_a_large_cluster_are_not_asked_for_one_by_one(simulator: Simulate) -> None:
    many = tuple(clusters.guest(f"{number:03}", "a", used={**IDLE, "memory": GIB}) for number in range(120))
    served = simulator("vcenter", clusters.cluster(hosts("a", "b"), many), no_statistics=["*"])
    assert read(served, window_seconds=7200).window_seconds == 0
    assert clusters.calls(served)["QueryPerf"] < 15


def test_refused_statistics_of_one_guest_leave_the_averages_of_the_others(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), no_statistics=["vm-two"])
    snapshot = read(served, window_seconds=600)
    assert snapshot.window_seconds == 600
    assert guest_of(snapshot, "one").sources == {}
    two = guest_of(snapshot, "two")
    assert two.sources == {"cpu": "present", "memory": "present"}
    assert (two.used["cpu"], two.used["memory"], two.used["disk_io"]) == (1.5, 4 * GIB, None)
    (notice,) = snapshot.notices
    assert (notice.hosts, notice.guests) == ((), ("two",))


def test_any_other_failure_of_the_statistics_is_no_failure_of_the_cluster(simulator: Simulate) -> None:
    fault = {"call": "QueryPerf", "error": "NotEnoughLicenses", "message": "No licence for this."}
    served = simulator("vcenter", clusters.small(), fail_calls=[fault])
    snapshot = read(served, window_seconds=600)
    assert (snapshot.window_seconds, len(snapshot.guests)) == (0, 3)
    assert "No licence for this (NotEnoughLicenses)" in snapshot.notices[0].text


@pytest.mark.parametrize("window", [0, 600])
def test_a_guest_that_has_just_started_is_not_measured_yet(window: int, simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    served.change_guest("vm-one", measured=False)
    one = guest_of(read(served, window_seconds=window), "one")
    assert one.used == dict.fromkeys(IDLE)
    assert one.sources == dict.fromkeys(IDLE, "not_yet_measured")
    assert one.power == "running"


def test_a_property_that_fails_is_named_and_the_rest_is_read(simulator: Simulate) -> None:
    served = simulator(
        "vcenter",
        clusters.small(),
        unreadable={"vm-one": ["config.hardware.device"], "vm-two": ["runtime.host"]},
    )
    snapshot = read(served)
    assert [guest.name for guest in snapshot.guests] == ["one", "three"]
    assert guest_of(snapshot, "one").blockers == ("not_readable",)
    texts = " ".join(notice.text for notice in snapshot.notices)
    assert "Guest two is left out" in texts
    assert "guest one: config.hardware.device (SystemError)" in texts


def test_what_the_account_does_not_see_is_missed_by_name_and_never_forgotten(simulator: Simulate) -> None:
    one = clusters.guest("one", "a", networks=("dmz",), pool="shop")
    cluster = clusters.cluster(
        (clusters.host("a"), clusters.host("b", networks=("lan",))), (one, clusters.guest("two", "a"))
    )
    hidden = ["network-dc0/dmz", "resgroup-domain-c1-shop", "datastore-dc0/san"]
    snapshot = read(simulator("vcenter", cluster, hidden=hidden))
    one = guest_of(snapshot, "one")
    assert set(one.networks) <= set(host_of(snapshot, "a").networks)
    assert not set(one.networks) & set(host_of(snapshot, "b").networks)
    assert (one.pool, one.blockers) == (None, ("local_disk",))
    assert [notice.hides for notice in snapshot.notices] == [("networks",), ("datastores",), ("pools",)]
    assert "1 resource pool," in snapshot.notices[2].text


def test_an_image_on_a_datastore_goes_along_to_hosts_that_have_it(simulator: Simulate) -> None:
    stores = {"san": clusters.SAN, "isos": HostDatastore(shared=True, capacity=GIB, free=GIB)}
    cluster = clusters.cluster(
        (clusters.host("a", datastores=stores), clusters.host("b", datastores=stores), *hosts("c")),
        (clusters.guest("one", "a"),),
    )
    served = simulator("vcenter", cluster)
    served.change_guest("vm-one", iso="isos")
    one = guest_of(read(served), "one")
    assert (one.blockers, one.targets) == ((), ("host-a", "host-b"))
    platform = clusters.connect(served)
    assert platform.prepare(ONE).objection is None
    assert "Disconnect the device" in str(platform.prepare(replace(ONE, target="host-c")).objection)
    served.change_guest("vm-one", iso="san")
    assert guest_of(platform.read(), "one").targets is None
    served.change_guest("vm-one", iso="[]")
    assert guest_of(platform.read(), "one").blockers == ("iso_mounted",)
    platform.close()


def test_an_image_on_a_local_datastore_stays(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    served.change_guest("vm-one", iso="local")
    assert guest_of(read(served), "one").blockers == ("iso_mounted",)


def test_a_guest_stays_with_processors_of_its_vendor(simulator: Simulate) -> None:
    mixed = (*hosts("a", "b"), clusters.host("c", cpu_model="amd-zen2"))
    snapshot = read(simulator("vcenter", clusters.cluster(mixed, (clusters.guest("one", "a"),))))
    one = guest_of(snapshot, "one")
    assert (one.cpu_models, one.cpu_features) == (None, ("vendor:GenuineIntel",))
    assert [host.cpu_features for host in snapshot.hosts] == [
        ("vendor:GenuineIntel",),
        ("vendor:GenuineIntel",),
        ("vendor:AuthenticAMD",),
    ]


def test_a_guest_stays_with_the_cpu_features_that_it_requires(simulator: Simulate) -> None:
    wide = ("cpuid.avx512f",)
    differing = (
        clusters.host("a", cpu_features=wide),
        clusters.host("b", cpu_model="intel-icelake", cpu_features=()),
        clusters.host("c", cpu_features=wide),
    )
    guests = (clusters.guest("one", "a", cpu_features=wide), clusters.guest("two", "a"))
    cluster = clusters.cluster(differing, guests)
    served = simulator("vcenter", cluster)
    snapshot = read(served)
    assert snapshot.hosts == cluster.hosts
    assert snapshot.guests == clusters.as_read(cluster).guests
    platform = clusters.connect(served)
    assert "FeatureRequirementsNotMet" in str(platform.prepare(ONE).objection)
    assert platform.prepare(replace(ONE, target="host-c")).objection is None
    platform.close()


def test_cpu_features_are_not_read_where_evc_makes_hosts_alike(simulator: Simulate) -> None:
    alike = tuple(clusters.host(name, cpu_features=("cpuid.avx512f",)) for name in "ab")
    cluster = clusters.cluster(alike, (clusters.guest("one", "a", cpu_features=("cpuid.avx512f",)),))
    served = simulator("vcenter", cluster)
    snapshot = read(served)
    assert [host.cpu_features for host in snapshot.hosts] == [None, None]
    assert guest_of(snapshot, "one").cpu_features == ()
    # Which clusters there are, the cluster itself, and what the performance counters are called.
    assert clusters.calls(served)["RetrievePropertiesEx"] == 3


def test_memory_that_is_reserved_must_be_there(simulator: Simulate) -> None:
    small = clusters.host("b", capacity={**clusters.host("b").capacity, "memory": 64 * GIB})
    cluster = clusters.cluster((*hosts("a"), small, *hosts("c")), clusters.small().guests)
    served = simulator("vcenter", cluster)
    served.change_guest("vm-one", reserved_memory=40 * GIB)
    served.change_guest("vm-two", reserved_memory=30 * GIB, host="host-b")
    snapshot = read(served)
    assert guest_of(snapshot, "one").targets == ("host-a", "host-c")
    assert guest_of(snapshot, "three").targets is None
    platform = clusters.connect(served)
    assert "lower the VM's reservation" in str(platform.prepare(ONE).objection)
    platform.close()


def test_a_migration_under_way_says_where_it_goes(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), migration_seconds=60)
    platform = clusters.connect(served)
    task = platform.start(platform.prepare(ONE))
    until(lambda: served.state()["migrations"] != [])
    until(lambda: guest_of(platform.read(), "one").migrating_to == "host-b")
    one = guest_of(platform.read(), "one")
    assert (one.host, one.blockers, one.migratable) == ("host-a", (), True)
    assert guest_of(platform.read(), "two").migrating_to is None
    platform.cancel(task)
    until(lambda: guest_of(platform.read(), "one").migrating_to is None)
    assert guest_of(platform.read(), "one").blockers == ()
    platform.close()


def test_a_migration_whose_target_vcenter_does_not_say_is_not_planned_again(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), migration_seconds=60)
    platform = clusters.connect(served)
    task = platform.start(platform.prepare(ONE))
    served.switches(fail_calls=[{"call": "QueryEvents", "error": "NotSupported"}])
    snapshot = platform.read()
    assert guest_of(snapshot, "one").blockers == ("being_migrated",)
    assert "The targets of running migrations were not read" in snapshot.notices[0].text
    platform.cancel(task)
    platform.close()


def test_one_check_is_one_task_of_vcenters(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    platform = clusters.connect(served)
    assert platform.prepare(ONE).objection is None
    made = clusters.calls(served)
    assert made["CheckRelocate_Task"] == 1
    assert "CheckMigrate_Task" not in made
    platform.close()


def test_a_refusal_of_vcenters_is_told_in_its_words_with_a_way_out(simulator: Simulate) -> None:
    served = simulator(
        "vcenter",
        clusters.small(),
        refuse_migrations=[
            {"guest": "vm-one", "host": "host-b", "error": "CpuIncompatible", "message": "The CPU lacks it."}
        ],
    )
    platform = clusters.connect(served)
    assert str(platform.prepare(ONE).objection) == (
        "The CPU lacks it (CpuIncompatible). Enable EVC on the cluster, "
        "or restart the VM with fewer CPU features"
    )
    assert platform.prepare(replace(ONE, guest="vm-two")).objection is None
    platform.close()


def test_a_page_whose_answer_is_lost_is_not_asked_for_with_a_spent_token(simulator: Simulate) -> None:
    light = {**IDLE, "memory": GIB}
    many = tuple(clusters.guest(f"{number:04}", "a", used=light, disks=()) for number in range(1100))
    served = simulator("vcenter", clusters.cluster(hosts("a", "b"), many))
    platform = clusters.connect(served)
    platform.clusters()
    before = clusters.calls(served)["RetrievePropertiesEx"]
    served.switches(drop_connection=[{"call": "ContinueRetrievePropertiesEx", "when": "after", "count": 1}])
    assert len(platform.read().guests) == 1100
    made = clusters.calls(served)
    # The cluster from its start once more, which clusters there are, and the names of the counters.
    assert made["RetrievePropertiesEx"] - before == 4
    assert made["ContinueRetrievePropertiesEx"] == 2
    platform.close()


def test_the_home_of_a_guest_is_known_by_its_decoded_name(simulator: Simulate) -> None:
    stores = {"a/b": clusters.SAN, "new": HostDatastore(shared=True, capacity=1000 * GIB, free=1000 * GIB)}
    two = tuple(clusters.host(name, datastores=stores) for name in "ab")
    disks = tuple(replace(disk, datastore="a/b") for disk in clusters.guest("one", "a").disks)
    served = simulator("vcenter", clusters.cluster(two, (clusters.guest("one", "a", disks=disks),)))
    platform = clusters.connect(served)
    request = replace(ONE, storage={"a/b": "new"})
    from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.migrate import (
        relocation,
    )

    spec = relocation.relocation(platform._session, request)
    assert spec.datastore is not None
    platform.close()


def test_a_guest_is_shut_down_by_its_own_operating_system(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    platform = clusters.connect(served)
    platform.shut_down("vm-one", timeout=PATIENCE_SECONDS)
    assert served.state()["guests"]["vm-one"]["power"] == "stopped"
    platform.shut_down("vm-one", timeout=PATIENCE_SECONDS)
    assert clusters.calls(served)["ShutdownGuest"] == 1
    platform.close()


def test_a_guest_that_can_not_be_asked_or_does_not_obey_stays_on(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    served.change_guest("vm-one", tools="notRunning")
    served.change_guest("vm-two", tools="deaf")
    platform = clusters.connect(served)
    with pytest.raises(Refused, match=r"guest one: .*VMware Tools are not running"):
        platform.shut_down("vm-one", timeout=PATIENCE_SECONDS)
    with pytest.raises(Refused, match=r"guest two: it is still on 0\.5 seconds after"):
        platform.shut_down("vm-two", timeout=0.5)
    with pytest.raises(NotFound, match="vm-zz"):
        platform.shut_down("vm-zz", timeout=1)
    assert served.state()["guests"]["vm-two"]["power"] == "running"
    platform.close()


def test_shutting_down_needs_its_privilege(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small(), read_only_user="viewer")
    platform = clusters.connect(served, username="viewer")
    with pytest.raises(PermissionMissing, match=r"VirtualMachine\.Interact\.PowerOff on guest one"):
        platform.shut_down("vm-one", timeout=1)
    assert "ShutdownGuest" not in clusters.calls(served)
    platform.close()
