# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that the simulated VMmanager 6 serves is read back as it is, whatever shape its answers have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    NotFound,
    PermissionMissing,
    UnexpectedAnswer,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import GuestNow, HostNow
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vmmanager_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.vmmanager_clusters import GIB, SHAPES
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def read(platform: VMManagerPlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("word", ["fail", "failed"])
def test_reads_what_there_is(shape: int, word: str, simulator: Simulate) -> None:
    expected = clusters.mixed()
    served = simulator("vmmanager", expected, shape=shape, fail_word=word, balancer="off")
    platform = clusters.connect(served)
    found = read(platform)
    for host, wanted in zip(found.hosts, expected.hosts, strict=True):
        if shape == 2022:
            # It did not tell what of its space is free for others.
            wanted = replace(wanted, datastores=host.datastores)
        assert host == wanted
    for guest, wanted_guest in zip(found.guests, expected.guests, strict=True):
        assert guest == wanted_guest
    named = replace(expected.cluster, instance=f"127.0.0.1:{served.port}")
    assert (found.cluster, found.rules, found.window_seconds) == (named, expected.rules, 3600)
    assert found.notices == ()


def test_2022_tells_of_its_space_what_is_used(simulator: Simulate) -> None:
    found = read(clusters.connect(simulator("vmmanager", clusters.small(), shape=2022)))
    assert found.hosts[0].datastores == {"ceph": clusters.CEPH, "local": clusters.LOCAL}


def test_a_generated_cluster_is_the_same_as_far_as_vmmanager_tells(simulator: Simulate) -> None:
    expected = generate(Shape(hosts=6, guests=120, mixed=True, fixed=0))
    found = read(clusters.connect(simulator("vmmanager", expected)))
    names = {host.id: host.name for host in found.hosts}
    assert list(names.values()) == [host.name for host in expected.hosts]
    for host, wanted in zip(found.hosts, expected.hosts, strict=True):
        for resource in ("cpu", "memory", "network_io", "disk_io"):
            assert host.used[resource] == pytest.approx(wanted.used[resource], abs=1)
    for guest, wanted_guest in zip(found.guests, expected.guests, strict=True):
        assert (guest.id, guest.name, names[guest.host]) == (
            wanted_guest.id, wanted_guest.name, wanted_guest.host,
        )  # fmt: skip
        assert guest.assigned == wanted_guest.assigned
        for resource in ("cpu", "memory", "network_io", "disk_io"):
            assert guest.used[resource] == pytest.approx(wanted_guest.used[resource], abs=1)


def test_without_the_names_of_its_statistics_loads_are_unknown_not_nothing(simulator: Simulate) -> None:
    platform = clusters.connect(simulator("vmmanager", clusters.small(), balancer="off"), metrics=())
    found = read(platform)
    assert {host.used["cpu"] for host in found.hosts} == {None}
    assert found.guests[0].used == clusters.UNKNOWN
    assert found.guests[0].assigned == {"cpu": 4, "memory": 8 * GIB}
    assert found.window_seconds == 0
    (notice,) = found.notices
    assert "vmmanager_metrics" in notice.text


def test_a_name_that_the_statistics_lack_is_told_once_and_the_rest_is_read(simulator: Simulate) -> None:
    wrong = tuple(
        replace(entry, target="ram_wrong") if entry.metric == "memory" else entry
        for entry in clusters.METRICS
    )
    platform = clusters.connect(simulator("vmmanager", clusters.small(), balancer="off"), metrics=wrong)
    found = read(platform)
    assert found.guests[0].used == {"cpu": 0.25, "memory": None, "network_io": 1000, "disk_io": 2000}
    assert found.hosts[0].used["memory"] is None
    of_nodes, of_guests = found.notices
    assert of_guests.text.startswith("The series ram_wrong of 4 virtual machines could not be read: guest100")
    assert (of_guests.hides, of_guests.guests) == (("loads",), ("100", "101", "102", "104"))
    assert (of_nodes.hides, of_nodes.hosts) == (("loads",), ("1", "2", "3"))
    assert found.window_seconds == 3600


def test_present_loads_are_the_newest_values_and_several_series_add_up(simulator: Simulate) -> None:
    twice = (*clusters.METRICS, *(entry for entry in clusters.METRICS if entry.metric == "network_io"))
    served = simulator("vmmanager", clusters.small())
    found = read(clusters.connect(served, metrics=twice, window_seconds=0))
    assert found.guests[0].used == {"cpu": 0.25, "memory": 4 * GIB, "network_io": 2000, "disk_io": 2000}
    assert found.window_seconds == 0


def test_where_the_list_does_not_tell_of_snapshots_the_guests_are_asked(simulator: Simulate) -> None:
    snapshot = clusters.cluster(
        (clusters.host(1),),
        (
            clusters.guest(100, 1),
            clusters.blocked(101, 1, "snapshot"),
            # Without the field balancing is on.
            clusters.guest(102, 1),
        ),
    )
    served = simulator("vmmanager", snapshot, extras=False)
    found = read(clusters.connect(served))
    assert [guest.blockers for guest in found.guests] == [(), ("snapshot",), ()]
    assert clusters.calls(served)["GET /vm/v3/host/{id}/snapshot"] == 3


def test_five_calls_and_one_a_running_guest(simulator: Simulate) -> None:
    expected = clusters.mixed()
    served = simulator("vmmanager", expected)
    read(clusters.connect(served, metrics=()))
    made = dict(clusters.calls(served))
    assert made.pop("GET /vm/v3/host/{id}/history") == sum(
        guest.power == "running" for guest in expected.guests
    )
    assert made == dict.fromkeys(
        (
            "POST /auth/v4/public/token",
            "GET /auth/v4/whoami",
            "GET /vm/v3/cluster",
            "GET /vm/v3/node",
            "GET /vm/v3/host",
            "GET /vm/v3/disk",
        ),
        1,
    )


@pytest.mark.parametrize("page", [1, 2, 7])
def test_lists_that_come_in_parts_are_read_whole(page: int, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.mixed(), page=page)
    found = read(clusters.connect(served, metrics=()))
    assert [guest.id for guest in found.guests] == [guest.id for guest in clusters.mixed().guests]


def test_a_list_that_does_not_show_all_that_it_counts_is_no_list(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served, metrics=())
    platform.look(["100"])
    answer = {"last_notify": 1, "list": [{"id": 1}], "size": 3}
    platform._session.get = lambda path, query="": answer  # type: ignore[method-assign, assignment]
    with pytest.raises(UnexpectedAnswer, match="shows 1 of 3 objects"):
        platform.read()


def test_one_of_several_clusters(simulator: Simulate) -> None:
    first = clusters.cluster((clusters.host(1), clusters.host(2)), (clusters.guest(100, 1),), name="one")
    second = clusters.cluster((clusters.host(3), clusters.host(4)), (clusters.guest(101, 3),), name="two")
    served = simulator("vmmanager", first, second)
    for wanted in ("two", "2"):
        found = read(clusters.connect(served, cluster=wanted))
        assert (found.cluster.id, found.cluster.name) == ("2", "two")
        assert [host.id for host in found.hosts] == ["3", "4"]
        assert [guest.id for guest in found.guests] == ["101"]
    platform = clusters.connect(served, cluster="two")
    assert platform.look(["100", "101"]).guests.keys() == {"101"}
    with pytest.raises(NotFound, match="no guest 100 in this cluster"):
        platform.prepare(clusters.request(100, 1, 2))
    with pytest.raises(NotFound, match=r"2 clusters, and none is named.*one \(id 1\), two \(id 2\)"):
        clusters.connect(served).read()
    with pytest.raises(NotFound, match="no cluster 'three'"):
        clusters.connect(served, cluster="three").read()


@pytest.mark.parametrize(("setting", "named"), [("on", True), ("off", False), (None, False)])
def test_its_own_balancer_is_named_where_it_can_be_told(
    setting: str | None, named: bool, simulator: Simulate
) -> None:
    platform = clusters.connect(simulator("vmmanager", clusters.small(), balancer=setting))
    found = read(platform)
    assert found.other_balancers == (("VMmanager's own balancer (balancer_mode)",) if named else ())
    assert any("own balancer" in notice.text for notice in found.notices) == (setting is None)


def test_containers_are_known_for_what_they_are(simulator: Simulate) -> None:
    snapshot = clusters.cluster(
        (clusters.host(1), clusters.host(2)),
        (clusters.blocked(100, 1, "container_restart", kind="container", min_version=None),),
    )
    served = simulator("vmmanager", snapshot)
    assert read(clusters.connect(served)).guests == snapshot.guests
    assert "restart_containers" in str(
        clusters.connect(served).prepare(clusters.request(100, 1, 2)).objection
    )
    assert (
        clusters.connect(served, restart_containers=True).prepare(clusters.request(100, 1, 2)).objection
        is None
    )


def test_an_account_that_sees_a_part_only_reads_nothing(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), roles=["@user"])
    with pytest.raises(PermissionMissing, match=r"sees only a part.*@user.*needs the role @admin"):
        clusters.connect(served, cluster="prod").read()
    served.switches(roles=["@admin"], whoami=False)
    found = clusters.connect(served).read()
    assert len(found.guests) == 4
    assert found.notices[0].text.startswith("It is not known whether the account sees everything")


def test_a_guest_that_goes_away_while_we_read_is_left_alone(simulator: Simulate) -> None:
    gone = {"call": "GET /vm/v3/host/{id}/history", "object": "101", "error": 404}
    found = read(clusters.connect(simulator("vmmanager", clusters.small(), fail_calls=[gone])))
    assert [guest.blockers for guest in found.guests[:2]] == [(), ("not_readable",)]


def test_the_past_is_never_in_the_future(simulator: Simulate) -> None:
    """A platform that writes the time of its own zone may say so."""
    served = simulator("vmmanager", clusters.small(), migration_seconds=0, zone_hours=3)
    platform = clusters.connect(served)
    wanted = clusters.request(100, 1, 2)
    platform.poll({platform.start(platform.prepare(wanted)): wanted})
    found = read(platform)
    assert found.guests[0].last_migrated_at == found.taken_at


def test_looking_sees_places_tasks_and_maintenance(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), migration_seconds=30)
    platform = clusters.connect(served)
    served.change_host("2", maintenance=True)
    served.change_host("3", status="offline")
    served.change_host("1", schedulable=False)
    served.change_guest("102", power="suspended")
    served.change_guest("101", run_state="paused")
    now = platform.look(["100", "101", "102", "999", "nonsense"])
    assert now.cluster == "1"
    assert now.guests == {
        "100": GuestNow(host="1", power="running"),
        "101": GuestNow(host="1", power="running", run_state="paused"),
        "102": GuestNow(host="2", power="suspended", run_state="saved"),
    }
    assert [now.hosts[name].active for name in ("1", "2", "3")] == [False, False, False]
    served.change_host("1", schedulable=True)
    assert platform.look([]).hosts["1"] == HostNow(
        active=True, memory_capacity=128 * GIB, memory_used=60 * GIB
    )


def test_without_statistics_a_look_is_three_calls(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    platform = clusters.connect(served, metrics=())
    platform.look(["100"])
    before = sum(clusters.calls(served).values())
    now = platform.look(["100", "101"])
    assert sum(clusters.calls(served).values()) - before == 3
    assert now.hosts["1"].memory_used is None


@pytest.mark.parametrize("filters", [True, False])
def test_filters_that_the_platform_does_not_take_are_done_here(filters: bool, simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), filters=filters, migration_seconds=30)
    platform = clusters.connect(served)
    task = platform.start(platform.prepare(clusters.request(100, 1, 2)))
    now = platform.look(["100", "102"])
    assert now.guests.keys() == {"100", "102"}
    assert now.guests["100"].busy == "a task is under way (host_migrate)"
    assert platform.poll({task: clusters.request(100, 1, 2)})[task].state == "running"


def test_of_a_node_that_is_away_nothing_is_believed(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small())
    served.change_host("2", status="offline")
    platform = clusters.connect(served)
    assert platform.look(["102"]).guests["102"].power == "unknown"
    lost = next(guest for guest in platform.read().guests if guest.id == "102")
    assert (lost.power, lost.blockers, lost.used) == ("unknown", ("disconnected",), clusters.UNKNOWN)


def test_a_guest_whose_disks_are_not_to_be_found_stays_where_it_is(simulator: Simulate) -> None:
    served = simulator("vmmanager", clusters.small(), disk_owners=False)
    platform = clusters.connect(served, with_local_disks=True)
    assert {guest.blockers for guest in platform.read().guests} == {("not_readable",)}
    assert (
        str(platform.prepare(clusters.request(100, 1, 2)).objection)
        == "the location of some of its disks is not known"
    )
