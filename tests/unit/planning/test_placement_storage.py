# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of new guests by what the policy and the platform say of datastores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot, StorageRule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place_in
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.placement import (
    DiskRules,
    Seated,
    verify_placement,
)

from .storage.test_cases import GIB, cluster, disk, guest, place

TWO = [guest("web1", disk("a", 100)), guest("thin", disk("b", 300, used=100))]
THREE = cluster([place("a", used=500), place("b", used=300), place("c", used=400)], TWO)

BUSY = replace(
    THREE,
    datastores=(THREE.datastores[0], replace(THREE.datastores[1], arriving=390 * GIB), THREE.datastores[2]),
)
SLOW = replace(
    THREE,
    datastores=(THREE.datastores[0], replace(THREE.datastores[1], latency=20.0), THREE.datastores[2]),
)


def wanted(name: str = "web2", *sizes: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "cpu": 1,
        "memory": GIB,
        "disks": [{"size": size * GIB} for size in sizes or (50,)],
        **more,
    }


def placed(snapshot: Snapshot, *vms: dict[str, Any], storage: Any = None, **more: Any) -> Placement:
    policy = {"goal": "storage", "storage": storage} if storage is not None else {}
    request = {"vms": list(vms) or [wanted()], "policy": policy, **more}
    return place_in(snapshot, PlacementRequest.from_json(request))


def stores(found: Placement) -> dict[str, list[str]]:
    return {one.name: [part.datastore for part in one.disks] for one in found.placements}


def everywhere(found: Placement) -> list[str]:
    return sorted(name for names in stores(found).values() for name in names)


def refusal(found: Placement) -> str:
    assert found.status == "impossible"
    assert found.unplaced[0].search.refusals
    return found.unplaced[0].search.refusals[0].detail


def test_the_emptiest_datastore_is_chosen_within_the_limits() -> None:
    assert stores(placed(THREE, storage={})) == {"web2": ["b"]}
    assert stores(placed(THREE, wanted("web2", 390), storage={})) == {"web2": ["b"]}
    # 410 GiB are free everywhere but on a, and within 80 % nowhere.
    assert stores(placed(THREE, wanted("web2", 410))) == {"web2": ["b"]}
    assert refusal(placed(THREE, wanted("web2", 410), storage={})) == (
        "410.0 GiB wanted, 400.0 GiB free at most within the limits of storage"
    )


@pytest.mark.parametrize(
    ("storage", "most"),
    [
        ({"utilisation": 60}, 200),
        ({"reserve": 500 * GIB}, 100),
        ({"growth": 50}, 400),
        ({"growth": 100, "exclude": {"targets": {"names": ["c"]}}}, 200),
    ],
)
def test_utilisation_reserve_and_growth_count(storage: dict[str, Any], most: int) -> None:
    assert placed(THREE, wanted("web2", most), storage=storage).status == "placed"
    assert placed(THREE, wanted("web2", most + 1), storage=storage).status == "impossible"


def test_a_preset_for_datastores_has_its_limits_here_too() -> None:
    request = {"vms": [wanted("web2", 410)], "policy": {"preset": "sdrs"}}
    assert place_in(THREE, PlacementRequest.from_json(request)).status == "impossible"
    request["policy"] = {"goal": "storage"}
    assert place_in(THREE, PlacementRequest.from_json(request)).status == "impossible"


def test_each_disk_of_a_batch_counts_before_the_next() -> None:
    many = [wanted(f"x{letter}", 190) for letter in "abcde"]
    found = placed(THREE, *many, storage={})
    assert everywhere(found) == ["a", "b", "b", "c", "c"]
    assert placed(THREE, *many, wanted("xf", 190), storage={}).status == "impossible"


def test_no_more_is_claimed_of_a_batch_than_was_tried() -> None:
    many = [wanted(f"x{letter}", 390) for letter in "abc"]
    lines = placed(THREE, *many, storage={}).says
    assert any(line.startswith("2 of 3 fit together") and "more may" in line for line in lines), lines


def test_what_is_held_for_others_counts() -> None:
    held = {
        "cluster": "vsphere:c",
        "reservation": {
            "guest": "later",
            "host": "h1",
            "cpu": 1,
            "memory": GIB,
            "disks": [{"datastore": "b", "size": 390 * GIB}],
        },
    }
    assert stores(placed(THREE, storage={}, held=[held])) == {"web2": ["c"]}
    assert placed(THREE, wanted("web2", 390), storage={}, held=[held]).status == "placed"
    assert placed(
        THREE, wanted("web2", 399), storage={"exclude": {"targets": {"names": ["c"]}}}, held=[held]
    ).status == ("impossible")


def test_disks_on_their_way_count() -> None:
    assert stores(placed(BUSY, storage={})) == {"web2": ["c"]}
    assert stores(placed(BUSY)) == {"web2": ["c"]}
    assert placed(BUSY, wanted("web2", 590)).status == "placed"
    assert placed(BUSY, wanted("web2", 200, 200, 200, 50), storage={}).status == "impossible"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"maintenance": True}, "it is in maintenance mode"),
        ({"closed_because": "not accessible"}, "not accessible"),
        ({"content": ("rootdir", "iso")}, "it may not hold images"),
    ],
)
def test_a_closed_datastore_takes_no_disks_whatever_the_policy(state: dict[str, Any], why: str) -> None:
    shut = replace(
        THREE, datastores=(*THREE.datastores[:1], replace(THREE.datastores[1], **state), THREE.datastores[2])
    )
    for storage in (None, {}):
        assert stores(placed(shut, storage=storage)) == {"web2": ["c"]}
    named = wanted()
    named["disks"][0]["datastore"] = "b"
    assert refusal(placed(shut, named)) == f"its datastore b takes no new disks: {why}"


def test_a_slow_or_emptied_or_excluded_datastore_takes_no_disks() -> None:
    assert stores(placed(SLOW, storage={})) == {"web2": ["b"]}
    assert stores(placed(SLOW, storage={"latency": 15})) == {"web2": ["c"]}
    assert stores(placed(THREE, storage={"evacuate": {"names": ["b"]}})) == {"web2": ["c"]}
    assert stores(placed(THREE, storage={"exclude": {"targets": {"names": ["b", "c"]}}})) == {"web2": ["a"]}


def test_placement_of_the_policy_chooses_the_datastores() -> None:
    storage = {
        "placement": [
            {"guests": {"names": ["web*"]}, "datastores": {"names": ["a"]}},
            {"guests": {"tags": ["gold"]}, "datastores": {"names": ["c"]}},
        ]
    }
    found = placed(THREE, wanted("web2"), wanted("web3", tags=["gold"]), wanted("db"), storage=storage)
    assert stores(found) == {"web2": ["a"], "web3": ["c"], "db": ["b"]}
    assert refusal(placed(THREE, wanted("web2", 300), storage=storage)) == (
        "no datastore that suits storage.placement has room"
    )


@pytest.mark.parametrize("storage", [None, {"platform_rules": False}])
def test_a_storage_policy_that_is_named_counts_and_is_reported_but_no_lease_holds_it(storage: Any) -> None:
    gold = replace(disk("a", 100), storage_policy="gold", targets=("c",))
    disks = [{"size": GIB, "storage_policy": "gold"}, {"size": GIB}]
    snapshot = replace(THREE, guests=(*THREE.guests, guest("old", gold)))
    found = placed(snapshot, wanted(disks=disks), storage=storage)
    one, promise = found.placements[0], found.promises[0]
    assert [(part.datastore, part.storage_policy) for part in one.disks] == [("c", "gold"), ("b", None)]
    assert [(part.datastore, part.storage_policy) for part in promise.disks] == [("c", None), ("b", None)]


def test_anti_affinity_by_name_prefix_holds_with_guests_that_are_there_and_among_new_ones() -> None:
    rules = {"rules": [{"by": "name_prefix"}]}
    apart = cluster([place("a"), place("b", used=600), place("c", used=500)], [guest("web1", disk("a", 10))])
    assert stores(placed(apart, storage={})) == {"web2": ["a"]}
    assert stores(placed(apart, storage=rules)) == {"web2": ["c"]}
    found = placed(apart, wanted("web2"), wanted("web3"), storage=rules)
    assert everywhere(found) == ["b", "c"]
    found = placed(apart, wanted("web2"), wanted("web3"), wanted("web4"), storage=rules)
    assert found.status == "impossible"
    soft = {"rules": [{"by": "name_prefix", "strict": False}]}
    found = placed(apart, wanted("web2"), wanted("web3"), wanted("web4"), storage=soft)
    assert everywhere(found) == ["a", "b", "c"]
    one = cluster([place("a")], [guest("web1", disk("a", 10))])
    assert refusal(placed(one, storage=rules)) == "no datastore that suits rule name_prefix:web has room"


def test_disks_of_a_new_guest_are_apart_where_a_rule_wants_it() -> None:
    pair = wanted("db1", 50, 50)
    assert stores(placed(THREE, pair, storage={})) == {"db1": ["b", "b"]}
    rules = {"rules": [{"by": "disks", "guests": {"names": ["db*"]}}]}
    assert sorted(stores(placed(THREE, pair, storage=rules))["db1"]) == ["b", "c"]
    assert placed(THREE, wanted("db1", 5, 5, 5, 5), storage=rules).status == "impossible"


def test_affinity_brings_a_new_guest_to_where_the_others_are() -> None:
    rules = {"rules": [{"by": "name_prefix", "kind": "affinity"}]}
    assert stores(placed(THREE, storage=rules)) == {"web2": ["a"]}
    new = placed(THREE, wanted("x1"), wanted("x2", 300), storage=rules)
    assert stores(new) == {"x1": ["b"], "x2": ["b"]}


def test_guests_that_share_a_host_keep_the_rules_of_datastores() -> None:
    rules = {"rules": [{"by": "name_prefix"}]}
    found = placed(THREE, wanted("x1", affinity=["x2"]), wanted("x2"), storage=rules)
    assert len({one.host.id for one in found.placements}) == 1
    assert len({name for names in stores(found).values() for name in names}) == 2


def test_a_snapshot_that_knows_datastores_only_by_their_hosts() -> None:
    old = replace(THREE, datastores=())
    assert placed(old, wanted("web2", 410)).status == "placed"
    assert placed(old, wanted("web2", 410), storage={}).status == "impossible"


def test_a_datastore_that_only_a_host_names_has_no_known_limits() -> None:
    fewer = replace(THREE, datastores=(THREE.datastores[0], THREE.datastores[2]))
    assert stores(placed(fewer)) == {"web2": ["b"]}
    assert stores(placed(fewer, storage={})) == {"web2": ["c"]}


def test_a_datastore_that_does_not_exist_is_named() -> None:
    with pytest.raises(EvenKeelError, match=r"storage.exclude.targets.names: no datastore has .* 'z'"):
        placed(THREE, storage={"exclude": {"targets": {"names": ["z"]}}})


def rule(kind: Any, *guests: str) -> StorageRule:
    return StorageRule(
        name="r", kind=kind, guests=guests, disks=("d",) if len(guests) == 1 else (), source="x"
    )


SHUT = replace(
    THREE,
    datastores=(
        THREE.datastores[0],
        replace(THREE.datastores[1], maintenance=True),
        replace(THREE.datastores[2], content=("iso",)),
    ),
)


@pytest.mark.parametrize(
    ("defect", "snapshot", "storage", "names", "rules"),
    [
        ("", THREE, {}, ("a",), DiskRules()),
        ("takes no disks", SHUT, None, ("b",), DiskRules()),
        ("may not hold images", SHUT, None, ("c",), DiskRules()),
        ("slower than 15 ms", SLOW, {"latency": 15}, ("b",), DiskRules()),
        ("takes no disks", THREE, {}, ("a",), DiskRules(barred=frozenset({"a"}))),
        ("its limit", THREE, {"utilisation": 62}, ("a",), DiskRules()),
        ("its limit", BUSY, {}, ("b",), DiskRules()),
        ("its limit", THREE, {"reserve": 399 * GIB}, ("a",), DiskRules()),
        ("its limit", THREE, {"utilisation": 54, "growth": 50}, ("b",), DiskRules()),
        ("does not list", replace(THREE, datastores=THREE.datastores[:1]), {}, ("b",), DiskRules()),
        ("may not be on a", THREE, {}, ("a",), DiskRules(allowed={"new:n": frozenset({"b"})})),
        ("together on a", THREE, {}, ("a",), DiskRules(rules=(rule("anti_affinity", "web1", "new:n"),))),
        ("together on b", THREE, {}, ("b", "b"), DiskRules(rules=(rule("anti_affinity", "new:n"),))),
        ("with the others", THREE, {}, ("b",), DiskRules(rules=(rule("affinity", "web1", "new:n"),))),
        ("with the others", THREE, {}, ("a", "b"), DiskRules(rules=(rule("affinity", "new:n"),))),
    ],
)
def test_the_check_of_answers_finds_what_is_wrong(
    defect: str, snapshot: Snapshot, storage: Any, names: tuple[str, ...], rules: DiskRules
) -> None:
    policy = Policy.from_json({"storage": storage} if storage is not None else {})
    vm = PlacementRequest.from_json({"vms": [wanted("n", *(50 // len(names) for _name in names))]}).vms[0]
    seat = Seated(id="new:n", wanted=vm, host="h1", datastores=names)
    found = verify_placement(snapshot, policy, [seat], [], {}, frozenset(), 0, rules)
    assert [text for text in found if defect not in text] == []
    assert bool(found) == bool(defect)
