# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts may fail and what else fits, against trying every way there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.headroom import Headroom, HostFailure
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.loads import guest_used
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
    WantedVm,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    Guest,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.headroom.failures import (
    Budget,
    host_failures,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.headroom.headroom import headroom
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.cluster_index import (
    cluster_index,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.placement import (
    Seated,
    verify_placement,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

from .small_clusters import GIB, snapshots
from .test_scenarios import cluster

POLICY = Policy.from_json({})
MOST_WAYS = 3000


def failure(found: Headroom, host: str) -> HostFailure:
    return next(one for one in found.failures if one.host == host)


def reserved(own: int, **more: Any) -> dict[str, Any]:
    """A host of 32 cores and 100 GiB with a load of its own."""
    return {"memory": 100, "own": {"memory": own}, **more}


def test_a_guest_that_fits_nowhere_alone_is_told_from_one_for_which_nothing_is_left() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": reserved(0), "h2": reserved(60), "h3": reserved(60)},
            "guests": {
                "large": {"host": "h1", "memory": 40},
                "one": {"host": "h1", "memory": 25},
                "two": {"host": "h1", "memory": 25},
                "three": {"host": "h1", "memory": 20},
            },
        }
    )
    found = failure(headroom(snapshot, POLICY), "h1")
    assert (found.verdict, found.guests) == ("not_enough", 4)
    assert {one.name: one.cause for one in found.lost} == {"large": "nowhere", "three": "no_room_left"}
    assert found.lost[0].why == "0 of 2 other hosts can take it: 2 memory"
    alone = cluster({"hosts": {"h1": reserved(0)}, "guests": {"a": {"host": "h1"}}})
    assert headroom(alone, POLICY).says == (
        "of 1 host none may fail without guests that have no place then",
        "if h1 fails, 1 of 1 guest has no place: a (there is no other host)",
    )


def test_full_hosts_first_where_level_ones_leave_no_room() -> None:
    """The large guest has room on h2 alone, if the small ones leave it."""
    snapshot = cluster(
        {
            "hosts": {"h1": reserved(0), "h2": reserved(50), "h3": reserved(65)},
            "guests": {
                "large": {"host": "h1", "memory": 45},
                "one": {"host": "h1", "memory": 15},
                "two": {"host": "h1", "memory": 15},
            },
        }
    )
    found = headroom(snapshot, POLICY)
    assert failure(found, "h1").verdict == "enough"
    assert found.survives is True
    assert found.says == ("any one of the 3 hosts may fail: the others have room for its guests",)


def test_local_disks_are_lost_with_their_host_and_a_replica_saves_them() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {
                name: {"host": "h1"} for name in ("local", "replica", "card", "image", "shot", "agent")
            },
        }
    )
    places = {
        "h1": {"lvm": HostDatastore(shared=False), "san": HostDatastore(shared=True)},
        "h2": {"lvm": HostDatastore(shared=False), "san": HostDatastore(shared=True)},
        "h3": {"lvm": HostDatastore(shared=False), "san": HostDatastore(shared=True)},
    }
    lvm = (Disk(datastore="lvm", size=GIB),)
    changed: dict[str, dict[str, Any]] = {
        "local": {"disks": lvm, "migratable": False, "blockers": ("local_disk",)},
        "replica": {"disks": lvm, "targets": ("h2",)},
        "card": {"migratable": False, "blockers": ("passthrough_device",)},
        "image": {"migratable": False, "blockers": ("iso_mounted",)},
        "shot": {"migratable": False, "blockers": ("snapshot", "locked", "cpu_affinity")},
        "agent": {"migratable": False, "blockers": ("agent", "local_disk"), "platform_managed": True},
    }
    snapshot = replace(
        snapshot,
        hosts=tuple(replace(host, datastores=places[host.id]) for host in snapshot.hosts),
        guests=tuple(replace(guest, **changed[guest.id]) for guest in snapshot.guests),
    )
    found = headroom(snapshot, POLICY)
    lost = failure(found, "h1")
    assert (lost.guests, lost.verdict, lost.lost) == (5, "enough", ())
    assert {one.name: one.why for one in lost.tied} == {
        "local": "its disks are on lvm of h1, which no other host can read",
        "card": "it uses a device of its host",
    }
    assert lost.look_at == ("image: an image that other hosts do not have is in its drive: eject it",)
    assert found.says[1].startswith(
        "2 guests can be started on no other host if their host fails: local (h1:"
    )
    # The replica is on h2 only.
    without = replace(
        snapshot,
        hosts=tuple(
            replace(host, status="offline" if host.id == "h2" else "online") for host in snapshot.hosts
        ),
    )
    gone = failure(headroom(without, POLICY), "h1")
    assert [(one.name, one.cause) for one in gone.lost] == [("replica", "nowhere")]
    assert (
        gone.lost[0].why == "0 of 2 other hosts can take it: 1 its list of possible targets (h2), 1 offline"
    )


def test_rules_hold_and_what_a_migration_alone_needs_does_not_count() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {"maintenance": True}},
            "guests": {
                "web1": {"host": "h1"},
                "web2": {"host": "h2"},
                "rests": {"host": "h1", "last_migrated_at": "2025-12-31T23:59:00Z"},
                "held": {"host": "h1"},
            },
            "rules": {"web": {"kind": "anti_affinity", "guests": ["web1", "web2"]}},
        }
    )
    policy = Policy.from_json(
        {
            "cool_down": 3600,
            "exclude": {"guests": {"names": ["held"]}},
            "choices": {
                "left_out": [{"guest": "rests", "host": "h2"}],
                "pinned": [{"guest": "web2", "host": "h1"}],
            },
        }
    )
    found = failure(headroom(snapshot, policy), "h1")
    assert [(one.name, one.why) for one in found.lost] == [
        ("web1", "0 of 2 other hosts can take it: 1 anti-affinity, 1 maintenance")
    ]


def test_a_host_whose_guests_are_restarted_may_be_filled_as_far_as_for_rules() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": reserved(0), "h2": reserved(90)},
            "guests": {"a": {"host": "h1", "memory": 5}},
        }
    )
    assert failure(headroom(snapshot, POLICY), "h1").verdict == "enough"
    tight = replace(POLICY, limits=Limits(memory_for_rules=94))
    assert failure(headroom(snapshot, tight), "h1").verdict == "not_enough"
    # New guests count by the other limit.
    assert headroom(snapshot, POLICY).sizes[0].fit == 17


@pytest.mark.parametrize(
    ("own", "sizes", "verdict"),
    [((39, 58), (27, 26, 24, 13), "enough"), ((57, 56), (8, 7, 14, 28, 19), "not_enough")],
)
def test_nothing_is_claimed_where_the_search_ends_early(
    own: tuple[int, ...], sizes: tuple[int, ...], verdict: str
) -> None:
    """Neither greedy way finds places for all, and in sum there is room."""
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 400}, "h2": reserved(own[0]), "h3": reserved(own[1])},
            "guests": {f"g{n}": {"host": "h1", "memory": size} for n, size in enumerate(sizes)},
        }
    )
    request = PlacementRequest(vms=(WantedVm(name="x", cpu=1, memory=1),), policy=POLICY)
    widened = replace(POLICY, limits=replace(POLICY.limits, memory=95))
    where = cluster_index(snapshot, replace(request, policy=widened))
    hurried = host_failures(where, Budget(0))[0]
    assert hurried.verdict == "undecided"
    assert hurried.lost
    assert host_failures(where, Budget())[0].verdict == verdict


def assignments(snapshot: Snapshot, policy: Policy, failed: str) -> Iterator[tuple[bool, str]]:
    """Of every way to restart the guests of a host: whether it is allowed, by the verifier of placements."""
    rules, _unresolved = resolve_rules(snapshot, policy)
    guests = [
        guest
        for guest in snapshot.guests
        if guest.host == failed and guest.is_on_host and "passthrough_device" not in guest.blockers
    ]
    left = replace(
        snapshot,
        guests=tuple(guest for guest in snapshot.guests if guest.host != failed),
        hosts=tuple(
            replace(host, status="offline") if host.id == failed else host for host in snapshot.hosts
        ),
    )
    there = {guest.id for guest in (*left.guests, *guests)}
    rules = tuple(replace(rule, guests=tuple(g for g in rule.guests if g in there)) for rule in rules)
    widened = replace(
        policy,
        limits=replace(policy.limits, cpu=policy.limits.cpu_for_rules, memory=policy.limits.memory_for_rules),
    )
    stores = {host.id: set(host.datastores) for host in snapshot.hosts}
    assume(len(snapshot.hosts) ** len(guests) <= MOST_WAYS)
    for way in product([host.id for host in snapshot.hosts], repeat=len(guests)):
        seated = [
            Seated(id=guest.id, wanted=_wanted(guest), host=host, datastores=())
            for guest, host in zip(guests, way, strict=True)
        ]
        reads = all(
            {disk.datastore for disk in guest.disks} <= stores[host]
            for guest, host in zip(guests, way, strict=True)
        )
        defects = verify_placement(left, widened, seated, rules, {}, frozenset(), 0)
        yield reads and not defects, str(defects)


def _wanted(guest: Guest) -> WantedVm:
    used = {name: guest_used(guest, name) for name in ("cpu", "memory")}
    return WantedVm(name=guest.id, cpu=0, memory=1, used=used, networks=guest.networks)


@settings(deadline=None, max_examples=60)
@given(snapshots())
def test_a_host_may_fail_exactly_when_there_is_a_way(snapshot: Snapshot) -> None:
    # What even spreads are over is read differently by the verifier, which lets more pass.
    rules = tuple(rule for rule in snapshot.rules if rule.kind != "even_spread")
    snapshot = replace(snapshot, rules=rules)
    for one in headroom(snapshot, POLICY).failures:
        ways = list(assignments(snapshot, POLICY, one.host))
        possible = any(allowed for allowed, _why in ways)
        assert one.verdict == ("enough" if possible else "not_enough"), (one, ways[:3])
        if one.verdict == "enough":
            assert not one.lost


@settings(deadline=None, max_examples=25)
@given(snapshots())
def test_every_guest_is_accounted_for(snapshot: Snapshot) -> None:
    found = headroom(snapshot, POLICY)
    on = Counter(guest.host for guest in snapshot.guests if guest.power == "running")
    assert {one.host: one.guests for one in found.failures} == {
        host.id: on[host.id] for host in snapshot.hosts if host.status == "online"
    }
    for one in found.failures:
        lost = [guest.id for guest in (*one.tied, *one.lost)]
        assert len(lost) == len(set(lost)) <= one.guests
        assert bool(one.lost) == (one.verdict != "enough")
    assert Headroom.from_json(found.to_json()) == found
    assert headroom(Snapshot.from_json(snapshot.to_json()), POLICY) == found


@settings(deadline=None, max_examples=10)
@given(snapshots())
def test_as_many_fit_as_placing_finds_places_for(snapshot: Snapshot) -> None:
    found = headroom(snapshot, POLICY)
    for size in found.sizes:
        for count, spare in ((size.fit, 0), (size.fit_with_spare, 1)):
            assert _placed(snapshot, size.cpu, size.memory, count, spare)
            assert not _placed(snapshot, size.cpu, size.memory, count + 1, spare)
    for largest in found.largest:
        if largest.memory is not None:
            assert _placed(snapshot, largest.cpu, largest.memory, 1, 0)
            assert not _placed(snapshot, largest.cpu, largest.memory + 2**21, 1, 0)
        else:
            assert not _placed(snapshot, largest.cpu, 2**20, 1, 0)


def _placed(snapshot: Snapshot, cpu: float, memory: int, count: int, spare: int) -> bool:
    if not count:
        return True
    wanted = WantedVm(name="more#", cpu=cpu, memory=memory, count=count)
    return place([snapshot], PlacementRequest(vms=(wanted,), policy=POLICY, spare=spare)).status == "placed"


def test_sizes_are_those_that_occur_and_what_they_use_counts_too() -> None:
    guests: dict[str, Mapping[str, Any]] = {
        f"g{n}": {
            "host": "h1",
            "assigned": {"cpu": 2, "memory": 8 * GIB},
            "used": {"cpu": 0.5, "memory": 2 * GIB, "disk_io": None},
        }
        for n in range(4)
    }
    snapshot = cluster({"hosts": {"h1": {"memory": 64}, "h2": {"memory": 64, "cpu": 8}}, "guests": guests})
    found = headroom(snapshot, POLICY)
    (size,) = found.sizes
    assert (size.cpu, size.memory, size.guests) == (2, 8 * GIB, 4)
    # h1: (57.6 - 8) / 8; h2: 7.2 cores for 2 each.
    assert size.fit == 6 + 3
    # h1: 49.6 / 2; h2: 7.2 / 0.5.
    assert size.fit_as_used == 24 + 14
    assert [(one.cpu, one.name) for one in found.largest] == [
        (1, "h2"),
        (2, "h2"),
        (4, "h2"),
        (8, "h1"),
        (16, "h1"),
        (32, None),
    ]


def test_many_sizes_are_quartiles_or_the_most_frequent() -> None:
    rare = {f"g{n}": {"host": "h1", "memory": n + 1} for n in range(60)}
    sizes = headroom(cluster({"hosts": {"h1": {"memory": 4096}}, "guests": rare}), POLICY).sizes
    assert [size.memory // GIB for size in sizes] == [15, 30, 45, 60]
    common = {f"g{n}": {"host": "h1", "memory": 1 + n % 20 // 2 * (n % 2)} for n in range(60)}
    sizes = headroom(cluster({"hosts": {"h1": {"memory": 4096}}, "guests": common}), POLICY).sizes
    assert sizes[0].guests == max(size.guests for size in sizes)
    assert sizes[-1].memory == 10 * GIB


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ({"h1": {}}, "the only host"),
        ({"h1": {"status": "offline"}, "h2": {"status": "offline"}}, "no host is online"),
        ({"h1": {"status": "offline"}, "h2": {}, "h3": {}}, "any one of the 2 hosts may fail"),
    ],
)
def test_what_is_said_of_few_hosts(hosts: Mapping[str, Any], says: str) -> None:
    found = headroom(cluster({"hosts": hosts}), POLICY)
    assert found.says[0].startswith(says)
    assert (found.says[-1] == "h1 is not online already") == (says.startswith("any"))


def test_a_large_cluster_is_decided_within_the_search() -> None:
    snapshot = generate(Shape(hosts=16, guests=700, fill=0.8, seed=3))
    found = headroom(snapshot, POLICY)
    assert len(found.failures) == 16
    assert "undecided" not in {one.verdict for one in found.failures}
