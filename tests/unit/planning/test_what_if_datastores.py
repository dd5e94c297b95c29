# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What if a datastore is lost, bought, changed or filled, if disks grow, or guests come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Datastore, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)

from .storage.test_cases import GIB, cluster, codes, disk, guest, place

TWO = cluster(
    [place("a", used=500), place("b", used=300)],
    [
        guest("one", disk("a", 100)),
        guest("two", disk("a", 200, used=100)),
        guest("three", disk("b", 50)),
    ],
)


def changed(snapshot: Snapshot, **overrides: Any) -> Snapshot:
    return apply_overrides(snapshot, Overrides.from_json(overrides))


def planned(snapshot: Snapshot, **storage: Any) -> StoragePlan:
    found = plan(snapshot, Policy.from_json({"goal": "storage", "effort": 4, "storage": storage})).storage
    assert found is not None
    return found


def used(snapshot: Snapshot, name: str) -> int:
    """GiB in use, which the datastore and the hosts that have it must agree about."""
    store = by_id(snapshot, name)
    assert store.capacity is not None
    assert store.free is not None
    seen = {
        host.datastores[store.name].free
        for host in snapshot.hosts
        if host.id in store.hosts and store.name in host.datastores
    }
    assert seen == {store.free}
    return (store.capacity - store.free) // GIB


def by_id(snapshot: Snapshot, name: str) -> Datastore:
    return next(store for store in snapshot.datastores if store.id == name)


def test_a_removed_datastore_is_emptied() -> None:
    found = planned(changed(TWO, datastores_removed=["b"]))
    assert [(move.guest.id, move.target, move.kind) for move in found.moves] == [("three", "a", "evacuate")]
    assert "maintenance" in found.moves[0].why


def test_a_removed_datastore_that_the_others_cannot_replace() -> None:
    found = planned(changed(TWO, datastores_removed=["a"]), utilisation=40)
    assert codes(found)


def test_a_datastore_that_returns_takes_disks_again() -> None:
    away = cluster(
        [place("a", used=800), place("b", maintenance=True, closed_because="not accessible")],
        [guest("one", disk("a", 100))],
    )
    assert planned(away).moves == ()
    found = planned(changed(away, datastores_returned=["b"]))
    assert [(move.guest.id, move.target) for move in found.moves] == [("one", "b")]


@pytest.mark.parametrize(
    "new",
    [
        {"name": "c", "like": "a"},
        {"name": "c", "capacity": "1000G"},
        {"name": "c", "like": "a", "capacity": "2T", "free": "1500G", "hosts": ["h1", "h2"]},
    ],
)
def test_a_new_datastore_takes_disks(new: dict[str, Any]) -> None:
    full = cluster([place("a", used=800)], [guest("one", disk("a", 100))])
    assert planned(full).moves == ()
    more = changed(full, datastores_added=[new])
    assert used(more, "c") == (548 if "free" in new else 0)
    assert [(move.guest.id, move.target) for move in planned(more).moves] == [("one", "c")]


def test_a_new_datastore_of_another_class_takes_only_what_placement_sends_there() -> None:
    full = cluster([place("a", used=800)], [guest("one", disk("a", 100))])
    more = changed(full, datastores_added=[{"name": "c", "like": "a", "class": "gold", "type": "NFS"}])
    assert by_id(more, "c").kind == "gold"
    assert planned(more).moves == ()
    placement = [{"guests": {"names": ["one"]}, "datastores": {"classes": ["gold"]}}]
    assert [move.target for move in planned(more, placement=placement).moves] == ["c"]


@pytest.mark.parametrize(("like", "targets"), [("a", ["c"]), ("b", []), (None, [])])
def test_a_new_datastore_complies_with_the_storage_policies_of_the_one_it_is_like(
    like: str | None, targets: list[str]
) -> None:
    gold = replace(disk("a", 100), storage_policy="Gold", targets=("a",))
    full = cluster([place("a", used=800), place("b", used=790)], [guest("one", gold)])
    new = {"name": "c", "capacity": "1000G", "like": like}
    more = changed(full, datastores_added=[{name: value for name, value in new.items() if value is not None}])
    assert [move.target for move in planned(more).moves] == targets
    assert full.guests[0].disks[0].targets == ("a",)


def test_a_new_datastore_of_one_host_is_its_own() -> None:
    more = changed(TWO, datastores_added=[{"name": "c", "capacity": "1T", "hosts": ["h2"]}])
    assert by_id(more, "c@h2").shared is False
    assert "c" not in more.hosts[0].datastores


def test_a_new_host_has_the_shared_datastores() -> None:
    more = changed(
        TWO,
        hosts_added=[{"name": "h3", "like": "h1"}],
        datastores_added=[{"name": "c", "capacity": "1T", "hosts": ["h3"]}],
    )
    assert by_id(more, "a").hosts == ("h1", "h2", "h3")
    assert set(more.hosts[2].datastores) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("change", "gib"),
    [
        ({"filled_by": "100G"}, 800),
        ({"filled_by_percent": 20}, 900),
        ({"capacity": "2000G"}, 700),
        ({"free": "100G"}, 900),
        ({"capacity": "1100G", "free": "100G", "filled_by": "50G"}, 1050),
        ({"filled_by_percent": 50}, 1200),
    ],
)
def test_a_changed_datastore(change: dict[str, Any], gib: int) -> None:
    more = changed(TWO, datastores_changed=[{"datastore": "a", **change}])
    assert used(more, "a") == gib
    assert used(more, "b") == 350


def test_a_datastore_fuller_than_it_can_be_is_relieved_as_far_as_that_goes() -> None:
    found = planned(changed(TWO, datastores_changed=[{"datastore": "a", "filled_by_percent": 31}]))
    assert found.before.datastores["a"].percent == 101
    assert {move.guest.id for move in found.moves} == {"one", "two"}
    assert codes(found) == ["datastore_full"]


def test_a_closed_datastore_keeps_its_disks_and_takes_none() -> None:
    full = cluster(
        [place("a", used=800), place("b")], [guest("one", disk("a", 100)), guest("x", disk("b", 9))]
    )
    assert [move.target for move in planned(full).moves] == ["b"]
    more = changed(full, datastores_changed=[{"datastore": "b", "closed": True}])
    assert planned(more).moves == ()
    assert all("what_if" in str(host.datastores["b"].closed_because) for host in more.hosts)


@pytest.mark.parametrize(
    ("item", "gib"),
    [
        ({"percent": 50}, 750),
        ({"percent": 500}, 800),
        ({"percent": 50, "datastore": "a"}, 750),
        ({"percent": 50, "guest": "two"}, 750),
    ],
)
def test_thin_disks_grow_up_to_their_size(item: dict[str, Any], gib: int) -> None:
    more = changed(TWO, disks_grown=[item])
    assert used(more, "a") == gib
    assert used(more, "b") == 350
    assert more.guests[1].disks[0].used == (gib - 600) * GIB


def test_a_disk_of_unknown_use_grows_by_its_share() -> None:
    part = replace(disk("a", 200, used=100), used=None, thin=None)
    unknown = replace(TWO, guests=(TWO.guests[0], replace(TWO.guests[1], disks=(part,)), TWO.guests[2]))
    less = changed(unknown, datastores_changed=[{"datastore": "a", "free": "850G"}])
    assert used(less, "a") == 150
    assert used(changed(less, disks_grown=[{"percent": 100}]), "a") == 200


def test_guests_that_come_take_their_part() -> None:
    more = changed(
        TWO,
        guests_added=[
            {"name": "four", "like": "two", "count": 2},
            {"name": "five", "like": "one", "host": "h2", "disks": [{"datastore": "b", "size": "70G"}]},
        ],
    )
    assert [one.id for one in more.guests[3:]] == ["four1", "four2", "five"]
    assert (used(more, "a"), used(more, "b")) == (900, 420)
    assert more.hosts[0].used["memory"] == (TWO.hosts[0].used["memory"] or 0) + 2 * GIB
    assert more.hosts[1].used["memory"] == (TWO.hosts[1].used["memory"] or 0) + GIB
    assert planned(more).moves


def test_a_snapshot_that_knows_datastores_only_by_their_hosts_is_changed() -> None:
    old = replace(TWO, datastores=())
    more = changed(old, datastores_added=[{"name": "c", "like": "a"}], datastores_removed=["b"])
    assert [move.guest.id for move in planned(more).moves] == ["three"]
    assert changed(old, hosts_added=[{"name": "h3", "like": "h1"}]).datastores == ()


UNKNOWN = cluster([place("a", capacity=None)], [guest("one", disk("a", 100))])


@pytest.mark.parametrize(
    ("snapshot", "wrong", "message"),
    [
        (
            TWO,
            {"datastores_removed": ["a", "z"]},
            r"^what_if.datastores_removed\[1\]: no datastore has the name or id 'z'. .*Datastores of this "
            "cluster: a, b",
        ),
        (TWO, {"datastores_returned": ["z"]}, r"^what_if.datastores_returned\[0\]: no datastore has"),
        (
            TWO,
            {"datastores_removed": ["a"], "datastores_returned": ["a"]},
            "datastore a is removed and returned at once",
        ),
        (
            TWO,
            {"datastores_added": [{"name": "a", "like": "b"}]},
            r"datastores_added\[0\].name: a datastore has the name or id 'a' already",
        ),
        (
            TWO,
            {"datastores_added": [{"name": "c"}]},
            r"datastores_added\[0\].capacity is required when like is left out",
        ),
        (
            UNKNOWN,
            {"datastores_added": [{"name": "c", "like": "a"}]},
            r"datastores_added\[0\].capacity is required when the capacity of a is not reported",
        ),
        (TWO, {"datastores_added": [{"name": "c", "like": "z"}]}, r"added\[0\].like: no datastore has"),
        (
            TWO,
            {"datastores_added": [{"name": "c", "like": "a", "hosts": ["h9"]}]},
            r"datastores_added\[0\].hosts\[0\]: no host has the name or id 'h9'",
        ),
        (
            TWO,
            {"datastores_added": [{"name": "c", "capacity": "1G", "free": "2G"}]},
            r"added\[0\].free \(2147483648 bytes\) must not exceed capacity \(1073741824 bytes\)",
        ),
        (
            TWO,
            {"datastores_added": [{"name": "c", "capacity": "many"}]},
            r"added\[0\].capacity: 'many' is not",
        ),
        (
            TWO,
            {"datastores_changed": [{"datastore": "a"}]},
            r"^what_if.datastores_changed\[0\]: no change is set for datastore a. Set capacity, free,",
        ),
        (
            TWO,
            {"datastores_changed": [{"datastore": "z", "closed": True}]},
            r"changed\[0\].datastore: no data",
        ),
        (
            TWO,
            {"datastores_changed": [{"datastore": "a", "closed": True}, {"datastore": "a", "free": "1G"}]},
            r"datastores_changed\[1\].datastore: datastore 'a' is named twice",
        ),
        (
            TWO,
            {"datastores_changed": [{"datastore": "a", "free": "2000G"}]},
            r"datastores_changed\[0\].free \(2147483648000 bytes\) must not exceed capacity",
        ),
        (
            TWO,
            {"datastores_changed": [{"datastore": "a", "filled_by_percent": -1}]},
            r"datastores_changed\[0\].filled_by_percent: -1 is not",
        ),
        (
            UNKNOWN,
            {"datastores_changed": [{"datastore": "a", "capacity": "1T"}]},
            r"datastores_changed\[0\].free is required when the platform does not report the free space",
        ),
        (
            UNKNOWN,
            {"datastores_changed": [{"datastore": "a", "filled_by": "1G"}]},
            r"datastores_changed\[0\].free is required when the datastore is filled",
        ),
        (
            UNKNOWN,
            {"datastores_changed": [{"datastore": "a", "filled_by_percent": 5}]},
            r"datastores_changed\[0\].capacity is required when filled_by_percent is set",
        ),
        (TWO, {"disks_grown": [{"percent": 5, "guest": "z"}]}, r"disks_grown\[0\].guest: no guest has"),
        (TWO, {"disks_grown": [{"percent": 5, "guest": "one"}]}, r"disks_grown\[0\]: no thin disk is meant"),
        (TWO, {"disks_grown": [{"percent": 5}] * 2}, r"disks_grown\[1\]: the same disks are named twice"),
        (TWO, {"guests_added": [{"name": "one", "like": "two"}]}, r"added\[0\].name: a guest has the name"),
        (TWO, {"guests_added": [{"name": "x", "like": "z"}]}, r"guests_added\[0\].like: no guest has"),
        (TWO, {"guests_added": [{"name": "x", "like": "one", "count": 0}]}, r"added\[0\].count: 0 is not"),
        (
            TWO,
            {"guests_added": [{"name": "x", "like": "one", "disks": [{"datastore": "z", "size": "1G"}]}]},
            r"guests_added\[0\].disks\[0\].datastore: no datastore has",
        ),
        (
            TWO,
            {
                "guests_added": [
                    {"name": "x", "like": "one", "disks": [{"datastore": "a", "size": "1G", "used": "2G"}]}
                ]
            },
            r"disks\[0\].used \(2147483648 bytes\) must not exceed size \(1073741824 bytes\)",
        ),
        (
            cluster([place("own", hosts=("h1",))], [guest("one", disk("own", 10))]),
            {"guests_added": [{"name": "x", "like": "one", "host": "h2"}]},
            r"guests_added\[0\].host: 'h2' is not a host that has own, where a disk of one is",
        ),
    ],
)
def test_what_is_wrong_is_named(snapshot: Snapshot, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(EvenKeelError, match=message):
        apply_overrides(snapshot, Overrides.from_json(wrong))
