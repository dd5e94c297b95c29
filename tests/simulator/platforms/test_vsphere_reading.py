# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that the simulated vCenter serves is read back as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import NotFound
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def read(platform: VSpherePlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


@pytest.mark.parametrize("make", [clusters.small, clusters.mixed])
def test_reads_what_there_is(make: object, simulator: Simulate) -> None:
    served = simulator("vcenter", make())  # type: ignore[operator]
    expected = clusters.as_read(make())  # type: ignore[operator]
    found = read(clusters.connect(served))
    for host, wanted in zip(found.hosts, expected.hosts, strict=True):
        assert host == wanted
    for guest, wanted_guest in zip(found.guests, expected.guests, strict=True):
        assert guest == wanted_guest
    assert found.cluster.instance
    assert replace(found, cluster=expected.cluster, taken_at=expected.taken_at) == expected
    assert (found.cluster.id, found.cluster.name) == (expected.cluster.id, expected.cluster.name)
    assert found.notices == ()


def test_a_generated_cluster_is_the_same_as_far_as_the_units_of_vsphere_tell(simulator: Simulate) -> None:
    expected = generate(Shape(hosts=6, guests=120, mixed=True))
    found = read(clusters.connect(simulator("vcenter", expected)))
    hosts, guests = {host.id: host for host in found.hosts}, {guest.id: guest for guest in found.guests}
    assert hosts.keys() == {host.id for host in expected.hosts}
    assert guests.keys() == {guest.id for guest in expected.guests}
    for host in expected.hosts:
        assert_loads(hosts[host.id].used, host.used)
    for guest in expected.guests:
        assert (guests[guest.id].host, guests[guest.id].blockers) == (guest.host, guest.blockers)
        assert_loads(guests[guest.id].used, guest.used)
    assert [(rule.name, rule.kind, rule.guests, rule.hosts) for rule in found.rules] == [
        (rule.name, rule.kind, rule.guests, rule.hosts)
        for rule in expected.rules
        if rule.kind != "even_spread"
    ]


def assert_loads(found: Mapping[str, float | None], expected: Mapping[str, float | None]) -> None:
    units = {"cpu": 1 / clusters.MHZ, "memory": clusters.MIB, "network_io": 1024, "disk_io": 1024}
    for resource, unit in units.items():
        assert found[resource] == pytest.approx(expected[resource], abs=unit / 2 * 1.001), resource


def test_loads_are_averages_when_a_window_is_asked_for(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.small())
    host_before = read(clusters.connect(served)).hosts[0]
    averaged = read(clusters.connect(served, window_seconds=600))
    assert averaged.window_seconds == 600
    assert averaged.hosts[0].used == pytest.approx(host_before.used, rel=1e-6)
    one = averaged.guests[0]
    assert one.used == pytest.approx(clusters.small().guests[0].used, rel=1e-6)
    day = read(clusters.connect(served, window_seconds=86400))
    assert day.guests == averaged.guests


def test_what_has_no_sample_is_not_known_and_never_zero(simulator: Simulate) -> None:
    unmeasured = {"cpu": 1.5, "memory": clusters.GIB, "network_io": None, "disk_io": None}
    cluster = clusters.cluster((clusters.host("a"),), (clusters.guest("one", "a", used=unmeasured),))
    served = simulator("vcenter", cluster)
    for window in (0, 600):
        assert read(clusters.connect(served, window_seconds=window)).guests[0].used == unmeasured


def test_one_call_a_page_and_a_handful_for_the_rest(simulator: Simulate) -> None:
    served = simulator("vcenter", generate(Shape(hosts=8, guests=1500)))
    platform = clusters.connect(served, storage=False)
    platform.read()
    made = clusters.calls(served)
    assert made["ContinueRetrievePropertiesEx"] == 1
    # Which clusters there are, the cluster itself, what the performance counters are called, and, without
    # EVC, what the processors of the hosts can do.
    assert made["RetrievePropertiesEx"] == 4
    assert made["QueryPerf"] == 4
    assert made["HasPrivilegeOnEntities"] == 1
    assert made["POST /api/cis/tagging/tag-association"] == 2
    platform.read()
    again = clusters.calls(served)
    assert again["RetrievePropertiesEx"] - made["RetrievePropertiesEx"] == 3
    assert again["Login"] == again["GET /sdk/vimServiceVersions.xml"] == 1
    platform.close()


def test_the_cluster_is_found_by_name_by_place_and_by_reference(simulator: Simulate) -> None:
    first = clusters.small()
    second = clusters.cluster((clusters.host("z"),), (), identity="domain-c2", name="test")
    served = simulator("vcenter", first, second)
    for name in ("test", "domain-c2", "dc0/test"):
        assert read(clusters.connect(served, cluster=name)).cluster.id == "domain-c2"
    assert len(read(clusters.connect(served, cluster="prod", datacenter="dc0")).guests) == 3
    assert read(clusters.connect(served, cluster="test")).guests == ()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {},
            "several clusters. Set cluster to one of those that the account sees: dc0/prod, dc0/test",
        ),
        ({"cluster": "nope"}, "there is no cluster 'nope'. Set cluster"),
        ({"cluster": "prod", "datacenter": "Mars"}, "there is no cluster 'prod' in datacenter 'Mars'"),
    ],
)
def test_an_unclear_cluster_is_named_with_those_there_are(
    asked: dict[str, str], told: str, simulator: Simulate
) -> None:
    second = clusters.cluster((clusters.host("z"),), (), identity="domain-c2", name="test")
    platform = clusters.connect(simulator("vcenter", clusters.small(), second), **asked)
    with pytest.raises(NotFound) as caught:
        platform.read()
    platform.close()
    assert told in str(caught.value)


def test_one_name_in_two_datacenters_needs_the_datacenter(simulator: Simulate) -> None:
    second = clusters.cluster((clusters.host("z"),), (), identity="domain-c2")
    served = simulator("vcenter", clusters.small(), second, datacenters={"domain-c2": "West"})
    platform = clusters.connect(served, cluster="prod")
    with pytest.raises(NotFound, match=r"several clusters named 'prod'.*datacenter.*West/prod, dc0/prod"):
        platform.read()
    platform.close()
    assert read(clusters.connect(served, cluster="prod", datacenter="West")).cluster.id == "domain-c2"
    assert read(clusters.connect(served, cluster="West/prod")).cluster.id == "domain-c2"


@pytest.mark.parametrize(
    ("drs", "told"),
    [
        ("manual", ()),
        ("partiallyAutomated", ()),
        ("fullyAutomated", ("DRS (fullyAutomated)",)),
        ("disabled", ()),
    ],
)
def test_drs_that_moves_guests_itself_is_named(drs: str, told: tuple[str, ...], simulator: Simulate) -> None:
    assert read(clusters.connect(simulator("vcenter", clusters.small(), drs=drs))).other_balancers == told


@pytest.mark.parametrize("status", [404, 403, 500])
def test_without_a_tagging_service_the_cluster_is_read_and_the_lack_named(
    status: int, simulator: Simulate
) -> None:
    faults = [
        {"call": f"* {path}", "error": status} for path in ("/api/session", "/rest/com/vmware/cis/session")
    ]
    platform = clusters.connect(simulator("vcenter", clusters.mixed(), fail_calls=faults))
    snapshot = platform.read()
    platform.close()
    assert len(snapshot.guests) == len(clusters.mixed().guests)
    assert not any(guest.tags for guest in snapshot.guests)
    (notice,) = snapshot.notices
    assert "Tags were not read" in notice.text
    assert notice.hides == ("tags",)


@pytest.mark.parametrize("older", [False, True])
def test_tags_of_hosts_are_labels_by_category(older: bool, simulator: Simulate) -> None:
    labels = {"zone": "north", "rack use": "gpu,large"}
    hosts = (
        clusters.host("a", labels=labels),
        clusters.host("b", labels={"zone": "south"}),
        clusters.host("c"),
    )
    expected = clusters.cluster(hosts, clusters.small().guests)
    faults = [{"call": "POST /api/session", "error": 404}] if older else []
    snapshot = read(clusters.connect(simulator("vcenter", expected, fail_calls=faults)))
    assert [host.labels for host in snapshot.hosts] == [labels, {"zone": "south"}, {}]
    assert snapshot.guests == clusters.as_read(expected).guests


def test_tags_come_by_the_older_interface_where_there_is_no_newer(simulator: Simulate) -> None:
    faults = [{"call": "POST /api/session", "error": 404}]
    platform = clusters.connect(simulator("vcenter", clusters.mixed(), fail_calls=faults))
    snapshot = read(platform)
    assert {guest.tags for guest in snapshot.guests if guest.tags} == {("prod", "web"), ("web",)}
    assert snapshot.notices == ()


def test_a_cluster_without_hosts_is_read_as_it_is(simulator: Simulate) -> None:
    empty = read(clusters.connect(simulator("vcenter", clusters.cluster((), ()))))
    assert (empty.hosts, empty.guests, empty.rules) == ((), (), ())


def test_the_same_cluster_reads_the_same_twice(simulator: Simulate) -> None:
    served = simulator("vcenter", clusters.mixed())
    first, second = clusters.connect(served).read(), clusters.connect(served).read()
    assert replace(second, taken_at=first.taken_at) == first
