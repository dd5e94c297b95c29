# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters of datastores, one question each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan, StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as plan_all
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage import sequence
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.order import order_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.state import State
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.unresolved import (
    NoOrder,
    unresolved,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import ClusterRef
from ansible_collections.evenkeel.cluster.tests.support.replay_storage import every_defect

GIB = 1024**3


def place(name: str, capacity: int | None = 1000, used: int = 0, **more: Any) -> Datastore:
    """A datastore of so many GiB that all hosts have; `used` is what it holds besides the disks."""
    more.setdefault("hosts", ("h1", "h2"))
    shared = more.pop("shared", len(more["hosts"]) > 1)
    host = "" if shared else f"@{more['hosts'][0]}"
    return Datastore(
        id=f"{name}{host}",
        name=name,
        shared=shared,
        capacity=None if capacity is None else capacity * GIB,
        free=None if capacity is None else (capacity - used) * GIB,
        **more,
    )


def disk(where: str, size: int, name: str = "scsi0", used: int | None = None, **more: Any) -> Disk:
    """A disk of so many GiB that takes all of it, or `used`, being thin."""
    more.setdefault("thin", used is not None)
    return Disk(
        datastore=where, id=name, size=size * GIB, used=(size if used is None else used) * GIB, **more
    )


def guest(name: str, *disks: Disk, **more: Any) -> Guest:
    more.setdefault("kind", "vm")
    more.setdefault("host", "h1")
    more.setdefault("power", "running")
    return Guest(
        id=name,
        name=name,
        assigned={"cpu": 1, "memory": GIB},
        used={"cpu": 0.1, "memory": GIB},
        disks=disks,
        migratable=True,
        **more,
    )


def cluster(places: list[Datastore], guests: list[Guest], **more: Any) -> Snapshot:
    """Disks take their space in addition to what a datastore holds besides them."""
    held: dict[str, int] = {}
    for one in guests:
        for part in one.disks:
            for store in places:
                if store.name == part.datastore and one.host in store.hosts:
                    held[store.id] = held.get(store.id, 0) + (part.used or part.size or 0)
    stores = [
        store if store.free is None else replace(store, free=max(0, store.free - held.get(store.id, 0)))
        for store in places
    ]
    hosts = tuple(
        Host(
            id=name,
            name=name,
            status="online",
            maintenance=False,
            schedulable=True,
            capacity={"cpu": 16, "memory": 64 * GIB},
            used={"cpu": 1, "memory": 8 * GIB},
            datastores={
                store.name: HostDatastore(shared=store.shared, capacity=store.capacity, free=store.free)
                for store in stores
                if name in store.hosts
            },
        )
        for name in ("h1", "h2")
    )
    return Snapshot(
        platform="vsphere",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=0,
        hosts=hosts,
        guests=tuple(guests),
        rules=(),
        datastores=tuple(stores),
        **more,
    )


def planned(snapshot: Snapshot, **storage: Any) -> StoragePlan:
    """The plan, which is safe in every interleaving."""
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": storage})
    plan = plan_storage(snapshot, policy)
    assert policy.storage is not None
    if len(plan.moves) <= 5:
        assert not every_defect(snapshot, policy.storage, snapshot.storage_rules, plan)
    return plan


def ways(plan: StoragePlan) -> list[tuple[str, tuple[str, ...], str, str, str]]:
    return [(move.guest.id, move.disks, move.source, move.target, move.kind) for move in plan.moves]


def codes(plan: StoragePlan) -> list[str]:
    return [item.code for item in plan.unresolved]


def test_the_fewest_bytes_take_a_datastore_below_its_limit() -> None:
    guests = [guest(f"vm{size}", disk("a", size)) for size in (400, 300, 110, 60, 50)]
    plan = planned(cluster([place("a"), place("b")], guests))
    # 920 of 1000 GiB: 120 have to leave, and 110 do not suffice.
    assert sorted(move.guest.id for move in plan.moves) == ["vm110", "vm50"]
    assert plan.proof.bytes == plan.proof.bytes_lower_bound == 160 * GIB
    assert plan.proof.optimal
    assert plan.status == "balanced"


def test_what_must_leave_is_the_cheapest_set_of_disks() -> None:
    guests = [guest(f"vm{size}", disk("a", size)) for size in (500, 200, 65, 60)]
    plan = planned(cluster([place("a", used=20), place("b")], guests))
    assert [move.guest.id for move in plan.moves] == ["vm60"]


def test_a_thin_disk_takes_what_was_written_only_where_the_target_is_thin() -> None:
    guests = [guest("vm1", disk("a", 400, used=100)), guest("vm2", disk("a", 700))]
    thick = cluster([place("a"), place("b", 400, thin=False), place("c", 400)], guests)
    assert codes(planned(thick)) == []
    assert planned(thick).moves == ()
    full = cluster([place("a", 900), place("b", 400, thin=False), place("c", 400)], guests)
    assert codes(planned(full)) == ["datastore_full"]
    thin = cluster([place("a", 900), place("b", 400, thin=True), place("c", 400)], guests)
    plan = planned(thin)
    assert ways(plan) == [("vm1", ("scsi0",), "a", "b", "space")]
    assert (plan.moves[0].bytes, plan.moves[0].room) == (100 * GIB, 100 * GIB)
    grown = planned(thin, growth=50)
    assert grown.before.datastores["a"].used == (800 + 150) * GIB
    assert grown.moves[0].room == 250 * GIB


def test_a_copy_that_is_not_thin_counts_with_its_full_size() -> None:
    whole = guest("vm1", disk("a", 400, used=100, copied_whole=True))
    snapshot = cluster(
        [place("a", 1000), place("b", 400, thin=True)],
        [whole, guest("vm2", disk("a", 700)), guest("vm3", disk("a", 150, used=120))],
    )
    plan = planned(snapshot)
    # vm1 would free enough with fewer bytes, but its copy fills b.
    assert ways(plan) == [("vm3", ("scsi0",), "a", "b", "space")]
    larger = replace(snapshot, datastores=(snapshot.datastores[0], place("b", 600, thin=True)))
    plan = planned(replace(larger, guests=larger.guests[:2]))
    assert ways(plan) == [("vm1", ("scsi0",), "a", "b", "space")]
    assert (plan.moves[0].bytes, plan.moves[0].room) == (400 * GIB, 400 * GIB)
    assert plan.after.datastores["b"].used == 400 * GIB


def test_disks_of_a_guest_move_together_or_alone() -> None:
    one = guest("vm1", disk("a", 300), disk("a", 100, "scsi1"), disk("a", 1, "home"))
    snapshot = cluster([place("a", used=450), place("b")], [one])
    assert ways(planned(snapshot)) == [("vm1", ("scsi0", "scsi1", "home"), "a", "b", "space")]
    # The files that are no disk go along with the largest one.
    assert ways(planned(snapshot, keep_together=False)) == [("vm1", ("scsi1",), "a", "b", "space")]


def test_rules_of_guests_and_of_disks() -> None:
    guests = [guest("web1", disk("a", 50)), guest("web2", disk("a", 40)), guest("db1", disk("a", 30))]
    snapshot = cluster([place("a"), place("b")], guests)
    plan = planned(snapshot, rules=[{"by": "name_prefix"}])
    assert ways(plan) == [("web2", ("scsi0",), "a", "b", "rule")]
    assert "web" in plan.moves[0].why
    two = guest("vm1", disk("a", 50), disk("a", 20, "scsi1"))
    apart = planned(
        cluster([place("a"), place("b")], [two]), rules=[{"by": "disks", "guests": {"names": ["*"]}}]
    )
    assert ways(apart) == [("vm1", ("scsi1",), "a", "b", "rule")]


def test_what_makes_way_for_a_rule_says_so_and_claims_no_space() -> None:
    guests = [guest("web1", disk("a", 200)), guest("web2", disk("b", 0, "home"))]
    snapshot = cluster([place("a", used=700), place("b", used=300), place("c", 200, used=20)], guests)
    plan = planned(snapshot, rules=[{"by": "name_prefix"}])
    assert {move.guest.id: move.why for move in plan.moves} == {
        "web1": "takes a from 90.0 % to 70.0 %",
        "web2": "keeps rule name_prefix:web, because other disks move",
    }


def test_a_rule_of_the_platform_counts_unless_it_is_turned_off() -> None:
    rule = StorageRule(
        name="r", kind="anti_affinity", guests=("vm1", "vm2", "gone"), source="storage-drs-rule:r"
    )
    guests = [guest("vm1", disk("a", 50)), guest("vm2", disk("a", 40))]
    snapshot = cluster([place("a"), place("b")], guests, storage_rules=(rule,))
    plan = planned(snapshot)
    assert [move.kind for move in plan.moves] == ["rule"]
    assert codes(plan) == ["rule_names_unknown"]
    assert planned(snapshot, platform_rules=False).moves == ()


def test_rules_that_contradict_are_named() -> None:
    guests = [guest("vm1", disk("a", 50)), guest("vm2", disk("b", 40))]
    rules = tuple(
        StorageRule(name=kind, kind=kind, guests=("vm1", "vm2"), source="storage-drs-rule")  # type: ignore[arg-type]
        for kind in ("anti_affinity", "affinity")
    )
    plan = planned(cluster([place("a"), place("b")], guests, storage_rules=rules))
    assert plan.status == "infeasible"
    assert codes(plan) == ["rule_impossible"]
    assert "wants the opposite" in plan.unresolved[0].why


def test_more_members_than_datastores() -> None:
    guests = [guest(f"vm{n}", disk("a", 50)) for n in range(3)]
    plan = planned(cluster([place("a"), place("b")], guests), rules=[{"by": "name_prefix"}])
    assert codes(plan) == ["rule_impossible"]
    assert "its 3 members can be on 2 datastores only" in plan.unresolved[0].why
    # As few together as possible.
    assert len(plan.moves) == 1


def test_an_affinity_that_holds_is_kept() -> None:
    rule = StorageRule(name="r", kind="affinity", guests=("vm1", "vm2"), source="storage-drs-rule")
    guests = [guest("vm1", disk("a", 50)), guest("vm2", disk("a", 40)), guest("vm3", disk("a", 95))]
    snapshot = cluster([place("a", used=700), place("b")], guests, storage_rules=(rule,))
    assert sorted(move.guest.id for move in planned(snapshot).moves) == ["vm1", "vm2"]


def test_a_datastore_in_maintenance_is_emptied_and_receives_nothing() -> None:
    guests = [guest("vm1", disk("a", 50)), guest("vm2", disk("b", 900), power="stopped")]
    plan = planned(cluster([place("a", maintenance=True), place("b"), place("c")], guests))
    assert ways(plan)[0] == ("vm1", ("scsi0",), "a", "c", "evacuate")
    assert all(move.target != "a" for move in plan.moves)


def test_what_cannot_leave_a_datastore_is_named() -> None:
    guests = [
        guest("vm1", disk("a", 50, blockers=("raw_device",))),
        guest("vm2", disk("a", 2000)),
        guest("vm3", disk("a", 20), blockers=("template",)),
        guest("vm4", disk("a", 10)),
    ]
    plan = planned(cluster([place("a", 4000), place("b")], guests), evacuate={"names": ["a"]}, utilisation=90)
    assert [move.guest.id for move in plan.moves] == ["vm4"]
    assert codes(plan) == ["datastore_not_empty"]
    assert {item.guest.id for item in plan.immovable} == {"vm1", "vm3"}
    assert "vm2: it is larger than the limit of each datastore that may take it" in plan.unresolved[0].why
    ignoring = planned(
        cluster([place("a", 4000), place("b")], guests),
        evacuate={"names": ["a"]},
        allow_blockers=["raw_device", "template"],
    )
    assert {move.guest.id for move in ignoring.moves} == {"vm1", "vm3", "vm4"}


def test_a_disk_larger_than_any_datastore_is_named() -> None:
    plan = planned(cluster([place("a", 100)], [guest("vm1", disk("a", 500, used=10))]))
    assert any("larger than every datastore: scsi0 of vm1" in text for text in plan.notices)


def test_an_unknown_size_leaves_a_datastore_alone() -> None:
    guests = [guest("vm1", disk("a", 90))]
    plan = planned(cluster([place("a", 100), place("b", None)], guests))
    assert codes(plan) == ["datastore_full"]
    assert any("datastore b: it is left alone" in text and "not reported" in text for text in plan.notices)


def test_a_disk_of_unknown_size_stays() -> None:
    odd = Disk(datastore="a", id="scsi1", size=None)
    guests = [guest("vm1", disk("a", 90)), guest("vm2", odd)]
    plan = planned(cluster([place("a", 100), place("b")], guests))
    assert [move.guest.id for move in plan.moves] == ["vm1"]
    assert any("unknown size stay where they are: scsi1 of vm2" in text for text in plan.notices)


def test_disks_of_unknown_use_count_with_their_share() -> None:
    guests = [guest(f"vm{n}", Disk(datastore="a", id="scsi0", size=100 * GIB)) for n in range(10)]
    snapshot = cluster([place("a"), place("b")], guests)
    snapshot = replace(snapshot, datastores=(replace(snapshot.datastores[0], free=100 * GIB), place("b")))
    plan = planned(snapshot)
    assert any("10 disks count with 90 % of the size" in text for text in plan.notices)
    assert len(plan.moves) == 2
    assert plan.after.datastores["a"].used == 720 * GIB
    assert plan.after.datastores["b"].used == 200 * GIB


def test_one_place_with_two_names_is_left_alone() -> None:
    guests = [guest("vm1", disk("a", 300)), guest("vm2", disk("b", 300))]
    snapshot = cluster([place("a"), place("b"), place("c")], guests)
    same = replace(snapshot.datastores[0], free=50 * GIB)
    other = replace(snapshot.datastores[1], free=50 * GIB)
    twins = replace(snapshot, datastores=(same, other, snapshot.datastores[2]))
    plan = planned(twins)
    assert plan.moves == ()
    assert sum("may be one place with two names" in text for text in plan.notices) == 2
    # Where one could not hold the disks of both, they are two.
    full = replace(
        snapshot, datastores=(replace(same, free=500 * GIB), replace(other, free=500 * GIB), place("c"))
    )
    assert not planned(full).notices


def test_storage_drs_is_respected_and_named() -> None:
    guests = [guest("vm1", disk("a", 90))]
    places = [place("a", 100, balanced_by="Storage DRS"), place("b", balanced_by="Storage DRS")]
    plan = planned(cluster(places, guests))
    assert (plan.moves, codes(plan)) == ((), ["other_balancer"])
    assert "Storage DRS already balances them" in plan.unresolved[0].why
    assert len(planned(cluster(places, guests), other_balancers="ignore").moves) == 1


def test_a_disk_stays_in_its_class_and_cluster_unless_placement_says_otherwise() -> None:
    guests = [guest("vm1", disk("a", 90))]
    places = [
        place("a", 100, kind="gold"),
        place("b", kind="bronze"),
        place("c", kind="gold", cluster="other"),
        place("d", kind="gold", hosts=("h1",)),
        place("e", kind="gold", hosts=("h2",)),
        place("f", kind="gold", content=("iso",)),
    ]
    snapshot = cluster(places, guests)
    plan = planned(snapshot)
    assert plan.moves == ()
    why = plan.unresolved[0].why
    for text in (
        "b: its class is bronze, not gold",
        "c: it is not in the same cluster of datastores as a",
        "d: it is not shared",
        "e: host h1 does not have it",
        "f: it may not hold images",
    ):
        assert text in why
    placed = planned(
        snapshot, placement=[{"guests": {"names": ["vm1"]}, "datastores": {"classes": ["bronze"]}}]
    )
    assert ways(placed) == [("vm1", ("scsi0",), "a", "b", "placement")]
    local = planned(snapshot, placement=[{"guests": {"names": ["vm1"]}, "datastores": {"names": ["a", "d"]}}])
    assert ways(local) == [("vm1", ("scsi0",), "a", "d@h1", "space")]


def test_a_target_must_be_emptier_by_the_minimum_difference() -> None:
    guests = [guest("vm1", disk("a", 20)), guest("vm2", disk("b", 77))]
    snapshot = cluster([place("a", 100, used=61), place("b", 100)], guests)
    assert codes(planned(snapshot, utilisation=80)) == ["datastore_full"]
    assert "too near" in planned(snapshot, utilisation=80).unresolved[0].why
    plan = planned(
        snapshot, utilisation=80, rules=[{"by": "name_prefix", "kind": "affinity", "strict": False}]
    )
    assert "minimum" not in str(plan.unresolved)


def test_two_full_datastores_exchange_disks_over_a_third() -> None:
    guests = [guest("vm1", disk("a", 70)), guest("vm2", disk("b", 70))]
    snapshot = cluster([place("a", 100), place("b", 100), place("c", 100)], guests)
    placement = [
        {"guests": {"names": ["vm1"]}, "datastores": {"names": ["b", "c"]}},
        {"guests": {"names": ["vm2"]}, "datastores": {"names": ["a"]}},
    ]
    plan = planned(snapshot, placement=placement)
    assert plan.status == "balanced"
    assert plan.proof.bytes == 140 * GIB
    away = cluster([place("a", 100), place("b", 100), place("c", 100, used=20)], guests)
    tight = planned(away, placement=placement, exclude={"targets": {"names": ["c"]}})
    assert (tight.moves, codes(tight)) == ((), ["rule_broken", "rule_broken", "no_safe_order"])


# Each of the two datastores is so full that the disk of the other one does not fit beside its own.
EXCHANGE = cluster(
    [place("a", 100), place("b", 100), place("c", 100)],
    [guest("vm1", disk("a", 70)), guest("vm2", disk("b", 70))],
)


@pytest.mark.parametrize(("units", "tried"), [(16, True), (1, False)])
def test_it_is_said_whether_all_orders_were_tried(
    units: int, tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequence, "MAX_UNITS", units)
    placement = [
        {"guests": {"names": ["vm1"]}, "datastores": {"names": ["b"]}},
        {"guests": {"names": ["vm2"]}, "datastores": {"names": ["a"]}},
    ]
    plan = planned(EXCHANGE, placement=placement)
    assert (plan.moves, codes(plan)) == ((), ["rule_broken", "rule_broken", "no_safe_order"])
    end = "have a safe order (all orders were tried)"
    if not tried:
        end = "with a safe order were found (not all orders were tried)"
    start = "disks could be where all is in order, but no moves that lead there"
    assert plan.unresolved[-1].why == f"{start} {end}"


@pytest.mark.parametrize(
    ("places", "limits", "units", "left", "tried"),
    [
        (["b"], {}, 16, 2, True),
        (["b"], {}, 1, 2, False),
        # One of the disks waits on c.
        (["b", "c"], {}, 16, 0, False),
        # There is an order, and only the limit rules it out.
        (["b", "c"], {"max_moves": 2}, 16, 2, False),
        (["b", "c"], {"max_bytes": 200 * GIB}, 16, 2, False),
    ],
)
def test_orders_that_were_not_tried_are_not_said_to_be_unsafe(
    places: list[str],
    limits: dict[str, Any],
    units: int,
    left: int,
    tried: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequence, "MAX_UNITS", units)
    placement = [
        {"guests": {"names": ["vm1"]}, "datastores": {"names": places}},
        {"guests": {"names": ["vm2"]}, "datastores": {"names": ["a"]}},
    ]
    policy = Policy.from_json({"goal": "storage", "storage": {"placement": placement, **limits}})
    assert policy.storage is not None
    state = State(build_problem(EXCHANGE, policy.storage))
    state.relocate(0, 1)
    state.relocate(1, 0)
    order = order_moves(state)
    assert (len(order.left), order.tried_all) == (left, tried)
    state.restore([0, 1])
    text = [item.why for item in unresolved(state, [NoOrder(dropped=order.left, tried_all=order.tried_all)])]
    names = "so these stay: scsi0 of vm1, scsi0 of vm2"
    if left and tried:
        assert text[-1] == f"the chosen moves have no safe order, {names} (all orders were tried)"
    elif left:
        assert text[-1] == f"no safe order of the chosen moves was found, {names} (not all orders were tried)"
    else:
        assert "order" not in text[-1]


def test_an_end_without_a_detour_is_preferred() -> None:
    rules = (
        StorageRule(name="x", kind="anti_affinity", guests=("vm1", "vm3"), source="r"),
        StorageRule(name="y", kind="anti_affinity", guests=("vm2", "vm4"), source="r"),
    )
    guests = [
        guest("vm1", disk("a", 60)),
        guest("vm3", disk("a", 10, blockers=("raw_device",))),
        guest("vm2", disk("b", 60)),
        guest("vm4", disk("b", 10, blockers=("raw_device",))),
    ]
    places = [place("a", 100), place("b", 100), place("c", 100, used=19)]
    plan = planned(cluster(places, guests, storage_rules=rules))
    assert plan.status == "balanced"
    # They could change places, one of them over c, which is copied twice then.
    assert plan.proof.bytes == 120 * GIB
    assert all(move.kind == "rule" for move in plan.moves)


def test_a_detour_counts_its_bytes() -> None:
    guests = [
        guest("vm1", disk("a", 60)),
        guest("vm2", disk("b", 60)),
        guest("vm3", disk("b", 1, blockers=("raw_device",))),
    ]
    beside = StorageRule(name="r", kind="affinity", guests=("vm1", "vm3"), source="storage-drs-rule")
    places = [place("a", 100), place("b", 100), place("c", 100)]
    placement = [
        {"guests": {"names": ["vm1"]}, "datastores": {"names": ["b", "c"]}},
        {"guests": {"names": ["vm2"]}, "datastores": {"names": ["a"]}},
    ]
    plan = planned(cluster(places, guests, storage_rules=(beside,)), placement=placement)
    assert [move.kind for move in plan.moves] == ["parking", "placement", "placement"]
    assert plan.proof.bytes == 180 * GIB
    assert (plan.proof.bytes_lower_bound, plan.proof.optimal) == (120 * GIB, False)


def test_the_number_of_moves_and_bytes_is_limited() -> None:
    guests = [guest(f"vm{n}", disk("a", 100)) for n in range(9)]
    snapshot = cluster([place("a"), place("b")], guests)
    assert len(planned(snapshot).moves) == 1
    assert len(planned(snapshot, utilisation=50).moves) == 4
    few = planned(snapshot, utilisation=50, max_moves=2)
    assert (len(few.moves), few.status, codes(few)) == (2, "improved", ["datastore_full"])
    assert planned(snapshot, utilisation=50, max_bytes=150 * GIB).proof.bytes == 100 * GIB


def test_disks_whose_io_was_not_measured_make_no_other_datastore_slow() -> None:
    """What their datastore does, and measured disks do not explain, is theirs."""
    guests = [
        guest("vm1", disk("a", 100)),
        guest("vm2", disk("a", 300)),
        guest("vm3", disk("b", 10, disk_io=1e6)),
    ]
    places = [
        place("a", used=850, latency=4, disk_io=8e6),
        place("b", used=10, latency=14, disk_io=1e6),
        place("c", used=600, latency=2, disk_io=1e6),
    ]
    moves = planned(cluster(places, guests), latency=15, utilisation=80).moves
    assert {move.target for move in moves} == {"c"}
    assert {move.target for move in planned(cluster(places, guests), utilisation=80).moves} == {"b"}


def test_an_idle_datastore_takes_as_much_io_as_a_busy_one_of_its_kind_shows() -> None:
    """With little I/O it shows only its base latency."""
    guests = [guest(f"vm{n}", disk("a", 50, disk_io=2.5e7)) for n in range(4)]
    busy = place("a", used=400, latency=20, disk_io=1e8, type="VMFS")
    idle = place("b", used=100, latency=2, disk_io=1e6, type="VMFS")

    def targets(other: Datastore) -> set[str]:
        return {move.target for move in planned(cluster([busy, other], guests), latency=15).moves}

    assert planned(cluster([busy, idle], guests), latency=15).status == "balanced"
    assert targets(idle) == {"b"}
    # What is of another kind, or slower with less I/O, need not be as capable.
    assert targets(replace(idle, type="NFS")) == set()
    assert targets(replace(idle, kind="sata")) == set()
    assert targets(replace(idle, latency=21.0)) == set()


def test_what_is_slower_now_takes_no_more_than_it_shows() -> None:
    guests = [guest(f"vm{n}", disk("a", 50, disk_io=2.5e7)) for n in range(4)]
    flash = place("c", used=700, latency=1, disk_io=3e8)
    places = [place("a", used=400, latency=20, disk_io=1e8), place("b", used=100, latency=8, disk_io=1e6)]
    # The one that is too slow says more of b than the fast one.
    assert planned(cluster([*places, flash], guests), latency=15).status == "balanced"
    slow = planned(cluster([replace(places[0], type="NFS"), places[1], flash], guests), latency=15)
    assert codes(slow) == ["latency_exceeded"]


def test_space_that_copies_of_other_runs_are_to_take_is_taken() -> None:
    guests = [guest(f"vm{n}", disk("a", 100)) for n in range(4)]
    places = [place("a", used=450), place("b", used=300), place("c", used=350)]
    snapshot = cluster(places, guests)
    assert ways(planned(snapshot)) == [("vm0", ("scsi0",), "a", "b", "space")]
    b = snapshot.datastores[1]
    coming = replace(
        snapshot, datastores=(snapshot.datastores[0], replace(b, arriving=450 * GIB), snapshot.datastores[2])
    )
    plan = planned(coming)
    assert ways(plan) == [("vm0", ("scsi0",), "a", "c", "space")]
    assert plan.before.datastores["b"].used == 750 * GIB
    assert plan.notices == (
        "datastore b: 450.0 GiB more count as in use, because another run is moving disks to it",
    )
    held = replace(coming, guests=tuple(replace(one, blockers=("locked",)) for one in coming.guests))
    assert planned(held).moves == ()


def test_latency_takes_io_off_and_claims_nothing_of_the_target() -> None:
    guests = [guest(f"vm{n}", disk("a", 10 * n, disk_io=1e6 * n)) for n in range(1, 5)]
    places = [place("a", latency=30, disk_io=1e7), place("b", latency=2, disk_io=1e6)]
    snapshot = cluster([replace(places[0], free=500 * GIB), places[1]], guests)
    plan = planned(snapshot, latency=15)
    assert {move.kind for move in plan.moves} == {"latency"}
    assert plan.after.datastores["b"].latency is None
    assert plan.before.datastores["a"].latency == 30
    unknown = cluster(
        [place("a", latency=30, used=500), place("b", latency=2)], [guest("vm1", disk("a", 10))]
    )
    assert codes(planned(unknown, latency=15)) == ["latency_exceeded"]


def test_space_is_levelled_with_few_bytes() -> None:
    guests = [guest(f"vm{n}", disk("a", size)) for n, size in enumerate((200, 150, 100, 50))]
    plan = planned(cluster([place("a"), place("b")], guests), max_spread=20)
    assert plan.proof.bytes == 150 * GIB
    assert {move.kind for move in plan.moves} == {"level"}


def test_a_name_that_no_datastore_has_is_an_error() -> None:
    snapshot = cluster([place("a"), place("b")], [])
    with pytest.raises(PlanningError, match="no datastore has the name or id 'c'"):
        planned(snapshot, evacuate={"names": ["c"]})
    notices = planned(snapshot, exclude={"targets": {"names": ["c*"]}}).notices
    assert notices == ("policy.storage.exclude.targets: it matches no datastore",)
    strict = Policy.from_json(
        {"goal": "storage", "strict_selectors": True, "storage": {"exclude": {"targets": {"types": ["x"]}}}}
    )
    with pytest.raises(PlanningError, match="matches no datastore"):
        plan_storage(snapshot, strict)


def test_datastores_are_selected_by_any_part() -> None:
    places = [place("a"), place("b", type="NFS"), place("c", tags=("slow",))]
    snapshot = cluster(places, [guest("vm1", disk("a", 10))])
    for selector in ({"types": ["NFS"]}, {"regex": "b$"}, {"where": "type == 'NFS'"}, {"names": ["b"]}):
        plan = planned(snapshot, evacuate={"names": ["a"]}, exclude={"targets": selector})
        assert [move.target for move in plan.moves] == ["c"]
    plan = planned(snapshot, evacuate={"names": ["a"]}, exclude={"targets": {"tags": ["sl*"]}})
    assert [move.target for move in plan.moves] == ["b"]


def test_hosts_come_first_and_disks_after_them() -> None:
    guests = [guest("vm1", disk("a", 90)), guest("vm2", disk("b", 5))]
    rule = Rule(name="apart", kind="anti_affinity", guests=("vm1", "vm2"), strict=True, source="r")
    snapshot = replace(cluster([place("a", 100), place("b")], guests), rules=(rule,))
    policy = Policy.from_json({"goal": "rules", "storage": {}})
    plan = plan_all(snapshot, policy)
    assert plan.storage is not None
    assert [step.step for step in plan.migrations] == [1]
    assert [(move.step, move.host) for move in plan.storage.moves] == [
        (2, plan.migrations[0].target if plan.migrations[0].guest.id == "vm1" else "h1")
    ]
    assert Plan.from_json(plan.to_json()) == plan
    assert plan_all(snapshot, Policy.from_json({"goal": "rules"})).storage is None


def test_goal_storage_migrates_no_guest() -> None:
    guests = [guest("vm1", disk("a", 90)), guest("vm2", disk("b", 5))]
    plan = plan_all(cluster([place("a", 100), place("b")], guests), Policy.from_json({"preset": "sdrs"}))
    assert plan.migrations == ()
    assert plan.storage is not None
    assert (plan.status, len(plan.storage.moves)) == ("balanced", 1)


def test_a_snapshot_that_knows_datastores_only_by_their_hosts_is_planned() -> None:
    guests = [guest("vm1", disk("a", 90))]
    snapshot = replace(
        cluster([place("a", 100), place("b")], guests),
        datastores=(),
        schema="evenkeel.cluster/snapshot/1",
    )
    plan = plan_storage(snapshot, Policy.from_json({"goal": "storage"}))
    assert ways(plan) == [("vm1", ("scsi0",), "a", "b", "space")]
