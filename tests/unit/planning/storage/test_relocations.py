# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that go to another host with their disks, because their own host has no datastore for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import datastore_ids
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Datastore,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.relocations import (
    relocation_defects,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.storage_exclusions import (
    StorageExclusions,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

GIB = 1024**3


def place(name: str, *hosts: str, capacity: int = 1000, used: int = 0, **more: Any) -> Datastore:
    shared = more.pop("shared", len(hosts) > 1)
    return Datastore(
        id=name if shared else f"{name}@{hosts[0]}",
        name=name,
        shared=shared,
        hosts=hosts,
        capacity=capacity * GIB,
        free=(capacity - used) * GIB,
        **more,
    )


def guest(name: str, host: str, *disks: tuple[str, int], memory: int = 1, **more: Any) -> Guest:
    """Disks are named by their datastore and have so many GiB."""
    more.setdefault("power", "running")
    blockers = more.pop("blockers", ())
    return Guest(
        id=name,
        name=name,
        kind=more.pop("kind", "vm"),
        host=host,
        assigned={"cpu": 1, "memory": memory * GIB},
        used={"cpu": 0.1, "memory": memory * GIB},
        disks=tuple(
            Disk(datastore=where, id=f"scsi{number}", size=size * GIB, used=size * GIB, thin=False)
            for number, (where, size) in enumerate(disks)
        ),
        migratable=not blockers,
        blockers=blockers,
        **more,
    )


def cluster(places: list[Datastore], guests: list[Guest], **more: Any) -> Snapshot:
    names = more.pop("hosts", ("h1", "h2"))
    platform = more.pop("platform", "vsphere")
    taken: dict[str, int] = {}
    for one in guests:
        for disk in one.disks:
            for store in places:
                if store.name == disk.datastore and one.host in store.hosts:
                    taken[store.id] = taken.get(store.id, 0) + (disk.used or 0)
    stores = tuple(replace(store, free=(store.free or 0) - taken.get(store.id, 0)) for store in places)
    return Snapshot(
        platform=platform,
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=0,
        hosts=tuple(
            Host(
                id=name,
                name=name,
                status="online",
                maintenance=False,
                schedulable=True,
                capacity={"cpu": 16, "memory": 64 * GIB},
                used={
                    "cpu": 0.1 * sum(one.host == name for one in guests),
                    "memory": sum((one.used["memory"] or 0) for one in guests if one.host == name),
                },
                datastores={
                    store.name: HostDatastore(shared=store.shared, capacity=store.capacity, free=store.free)
                    for store in stores
                    if name in store.hosts
                },
            )
            for name in names
        ),
        guests=tuple(guests),
        rules=more.pop("rules", ()),
        datastores=stores,
        **more,
    )


def policy(**storage: Any) -> Policy:
    return Policy.from_json({"goal": "storage", "effort": 4, "storage": {"relocate": True, **storage}})


EVACUATE = {"evacuate": {"names": ["local@h1"]}}


def local(*, free_on_h2: int = 1000, **more: Any) -> Snapshot:
    """Two hosts with a datastore each that the other one does not have; three guests on the first."""
    guests = [guest(f"g{number}", "h1", ("local", 50), blockers=("local_disk",)) for number in range(3)]
    return cluster(
        [place("local", "h1"), place("local", "h2", used=1000 - free_on_h2)],
        [*guests, *more.pop("guests", ())],
        **more,
    )


def ways(found: Plan) -> dict[str, tuple[str, str, dict[str, str]]]:
    return {
        step.guest.id: (step.source, step.target, dict(step.storage))
        for step in found.migrations
        if step.kind == "storage"
    }


def test_guests_of_a_local_datastore_that_is_emptied_go_to_another_host_with_their_disks() -> None:
    before = local()

    found = plan(before, policy(**EVACUATE))

    assert ways(found) == {f"g{number}": ("h1", "h2", {"local": "local"}) for number in range(3)}
    assert found.storage is not None
    assert (found.status, found.storage.status, found.storage.unresolved) == ("balanced", "balanced", ())
    assert {step.cost.disks for step in found.migrations} == {50 * GIB}
    assert "is to be emptied" in found.migrations[0].why
    assert "no datastore of h1 can take its disks" in found.migrations[0].why
    assert found.storage.before.datastores["local@h1"].disks == 3
    assert found.storage.after.datastores["local@h1"].disks == 0
    assert found.storage.after.datastores["local@h2"].percent == pytest.approx(15)
    assert not found.proof.optimal


def test_the_plan_after_it_is_empty() -> None:
    before = local()
    wanted = policy(**EVACUATE)

    found = plan(snapshot_after(before, plan(before, wanted)), wanted)

    assert found.migrations == ()
    assert found.storage is not None
    assert (found.storage.moves, found.status) == ((), "balanced")


def test_no_guest_is_migrated_unless_the_policy_says_so() -> None:
    found = plan(local(), policy(**EVACUATE, relocate=False))

    assert found.migrations == ()
    assert found.storage is not None
    assert [item.code for item in found.storage.unresolved] == ["datastore_not_empty"]
    assert any(
        text.startswith("g0, g1, g2 could go") and "storage.relocate is false" in text
        for text in found.storage.notices
    )


def test_a_datastore_of_the_same_host_is_preferred() -> None:
    before = local()
    shared = place("nfs", "h1", "h2")
    both = cluster([*before.datastores[:1], shared, before.datastores[1]], list(before.guests))
    # A shared datastore takes disks of a local one.
    found = plan(both, policy(**EVACUATE))

    assert found.migrations == ()
    assert found.storage is not None
    assert {move.target for move in found.storage.moves} == {"nfs"}


def test_only_the_smallest_guests_leave_a_datastore_that_is_too_full() -> None:
    guests = [guest(f"g{size}", "h1", ("local", size)) for size in (40, 60, 300, 450)]
    before = cluster([place("local", "h1"), place("local", "h2")], guests)

    found = plan(before, policy())

    assert set(ways(found)) == {"g60"}
    assert found.status == "balanced"


def test_nothing_is_relocated_to_level_datastores() -> None:
    guests = [guest(f"g{number}", "h1", ("local", 100)) for number in range(6)]
    before = cluster([place("local", "h1"), place("local", "h2")], guests)

    found = plan(before, policy(max_spread=10))

    assert found.migrations == ()


def test_utilisation_and_reserve_hold_for_what_comes_by_migration() -> None:
    for limit in ({"utilisation": 80}, {"utilisation": 100, "reserve": 200 * GIB}):
        found = plan(local(free_on_h2=310), policy(**EVACUATE, **limit))

        assert len(ways(found)) == 2
        assert found.storage is not None
        assert (found.storage.after.datastores["local@h2"].percent or 0) <= 80
        assert [item.code for item in found.storage.unresolved] == ["datastore_not_empty"]


def test_a_shared_datastore_that_others_have_takes_the_disks_and_its_room_counts_once() -> None:
    """An NFS store that two of four hosts see, and another one for the two others."""
    guests = [guest(f"g{number}", f"h{1 + number % 2}", ("nfs1", 100)) for number in range(4)]
    before = cluster(
        [place("nfs1", "h1", "h2"), place("nfs2", "h3", "h4", used=550)],
        guests,
        hosts=("h1", "h2", "h3", "h4"),
    )

    found = plan(before, policy(evacuate={"names": ["nfs1"]}))

    assert len(ways(found)) == 2
    assert {step.storage["nfs1"] for step in found.migrations} == {"nfs2"}
    assert {step.target for step in found.migrations} <= {"h3", "h4"}
    after = snapshot_after(before, found)
    assert {store.id: store.free for store in after.datastores} == {
        "nfs1": 800 * GIB,
        "nfs2": 250 * GIB,
    }
    assert after.hosts[2].datastores["nfs2"].free == after.hosts[3].datastores["nfs2"].free == 250 * GIB


def test_proxmox_takes_no_disk_along_from_a_shared_datastore() -> None:
    guests = [guest("g1", "h1", ("nfs1", 100))]
    before = cluster(
        [place("nfs1", "h1", shared=True), place("nfs2", "h2", shared=True)], guests, platform="proxmox"
    )

    assert plan(before, policy(evacuate={"names": ["nfs1"]})).migrations == ()
    elsewhere = replace(before, platform="vsphere")
    assert set(ways(plan(elsewhere, policy(evacuate={"names": ["nfs1"]})))) == {"g1"}


def test_disks_on_a_shared_datastore_stay_and_the_target_must_have_it() -> None:
    one = guest("g1", "h1", ("local", 50), ("nfs", 20), blockers=("local_disk",))
    stores = [
        place("local", "h1"),
        place("local", "h2"),
        place("local", "h3"),
        place("nfs", "h1", "h3", used=790),
    ]
    before = cluster(stores, [one], hosts=("h1", "h2", "h3"))

    found = plan(before, policy(**EVACUATE))

    assert ways(found) == {"g1": ("h1", "h3", {"local": "local"})}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: replace(one, disks=(replace(one.disks[0], blockers=("snapshot_chain",)),)),
        lambda one: replace(one, disks=(replace(one.disks[0], blockers=("linked_clone",)),)),
        lambda one: replace(one, disks=(replace(one.disks[0], size=None, used=None),)),
        lambda one: replace(one, disks=(replace(one.disks[0], id=None),)),
        lambda one: replace(one, blockers=("local_disk", "snapshot")),
        lambda one: replace(one, power="unknown"),
        lambda one: replace(one, migrating_to="h1"),
        lambda one: replace(one, targets=("h1",)),
        lambda one: replace(one, networks=("dmz",)),
    ],
    ids=[
        "a chain of snapshots", "a linked clone", "a disk of unknown size", "a disk without an id",
        "a guest with snapshots", "a guest of unknown state", "one that is being migrated",
        "one that may not go there", "a network that is not there",
    ],
)  # fmt: skip
def test_a_guest_that_can_not_go_stays_and_the_others_go(spoil: Callable[[Guest], Guest]) -> None:
    before = local()
    before = replace(before, guests=(spoil(before.guests[0]), *before.guests[1:]))

    found = plan(before, policy(**EVACUATE))

    assert set(ways(found)) == {"g1", "g2"}
    assert found.storage is not None
    assert "datastore_not_empty" in {item.code for item in found.storage.unresolved}


def test_a_stopped_guest_goes_without_memory() -> None:
    before = local(guests=[guest("large", "h2", ("local", 1), memory=58)])
    stopped = replace(before.guests[0], power="stopped", used={"cpu": 0.0, "memory": 0.0})
    before = replace(before, guests=(stopped, *before.guests[1:]))

    found = plan(before, policy(**EVACUATE))

    assert set(ways(found)) == {"g0", "g1", "g2"}
    assert {step.guest.id: step.cost.memory for step in found.migrations} == {"g0": 0, "g1": GIB, "g2": GIB}
    assert found.before.hosts["h1"].guests == 2


def test_guests_that_no_host_takes_do_not_keep_others() -> None:
    """Each has a reason that only the planner for hosts sees, on each of many hosts."""
    hosts = tuple(f"h{number}" for number in range(1, 12))
    guests = [guest(f"g{number}", "h1", ("local", 10)) for number in range(3)]
    kept = replace(guests[0], networks=("dmz",))
    before = cluster([place("local", host) for host in hosts], [kept, *guests[1:]], hosts=hosts)

    assert set(ways(plan(before, policy(**EVACUATE)))) == {"g1", "g2"}


def test_what_goes_along_unasked_holds_no_guest() -> None:
    before = local()
    first = before.guests[0]
    disk = replace(first.disks[0], id="ide2", size=GIB, used=GIB, blockers=("cloud_init",))
    before = replace(before, guests=(replace(first, disks=(*first.disks, disk)), *before.guests[1:]))

    found = plan(before, policy(**EVACUATE))

    assert set(ways(found)) == {"g0", "g1", "g2"}
    assert found.migrations[0].cost.disks + found.migrations[1].cost.disks + found.migrations[
        2
    ].cost.disks == (151 * GIB)


def test_the_memory_of_the_target_and_rules_over_hosts_hold() -> None:
    large = guest("large", "h2", ("local", 1), memory=57)
    found = plan(local(guests=[large]), policy(**EVACUATE))

    # 95 % of 64 GiB are 60.8 GiB.
    assert len(ways(found)) == 3
    larger = replace(large, used={"cpu": 0.1, "memory": 59 * GIB})
    found = plan(local(guests=[larger]), policy(**EVACUATE))
    assert len(ways(found)) == 1
    apart = Rule(
        name="apart", kind="anti_affinity", guests=("g0", "g1"), strict=True, source="drs-rule:apart"
    )
    found = plan(
        cluster(
            [place("local", "h1"), place("local", "h2"), place("local", "h3")],
            [
                guest("g0", "h1", ("local", 50)),
                guest("g1", "h2", ("local", 1)),
                guest("g2", "h1", ("local", 9)),
            ],
            hosts=("h1", "h2", "h3"),
            rules=(apart,),
        ),
        policy(**EVACUATE),
    )
    assert ways(found)["g0"][1] == "h3"
    assert found.status == "balanced"


def test_strict_rules_for_disks_hold_on_the_datastores_that_guests_come_to() -> None:
    rule = StorageRule(name="db", kind="anti_affinity", guests=("g0", "g1"), source="storage-drs-rule:db")
    before = local(storage_rules=(rule,), guests=[guest("g9", "h2", ("local", 1))])

    found = plan(before, policy(**EVACUATE))

    assert set(ways(found)) == {"g0", "g2"} or set(ways(found)) == {"g1", "g2"}


def test_a_rule_that_keeps_disks_apart_is_restored_by_another_host() -> None:
    rule = StorageRule(name="db", kind="anti_affinity", guests=("g0", "g1"), source="storage-drs-rule:db")
    before = local(storage_rules=(rule,))

    found = plan(before, policy())

    assert len(ways(found)) == 1
    assert found.migrations[0].why.startswith("restores rule db")
    assert found.status == "balanced"


def test_limits_of_moves_and_bytes_count_relocations() -> None:
    assert len(plan(local(), policy(**EVACUATE, max_moves=2)).migrations) == 2
    assert len(plan(local(), policy(**EVACUATE, max_bytes=60 * GIB)).migrations) == 1
    some = replace(policy(**EVACUATE), max_migrations=1)
    assert len(plan(local(), some).migrations) == 1


def test_hosts_are_levelled_after_what_goes_along_and_a_second_plan_is_empty() -> None:
    guests = [guest(f"s{number}", "h2", ("nfs", 1), memory=8) for number in range(4)]
    before = local()
    before = cluster(
        [place("local", "h1"), place("local", "h2"), place("nfs", "h1", "h2", used=780)],
        [*before.guests, *guests],
    )
    wanted = replace(policy(**EVACUATE), goal="spread")

    found = plan(before, wanted)

    assert set(ways(found)) == {"g0", "g1", "g2"}
    levelled = [step for step in found.migrations if step.kind == "balance"]
    assert levelled
    relocated = {step.step for step in found.migrations if step.kind == "storage"}
    assert all(set(step.after) & relocated for step in levelled)
    assert found.snapshot_digest == before.digest()
    assert found.policy == wanted
    assert Plan.from_json(found.to_json()) == found
    again = plan(snapshot_after(before, found), wanted)
    assert (again.migrations, again.storage.moves if again.storage else None) == ((), ())


def test_hosts_that_are_emptied_receive_no_guest_for_its_disks() -> None:
    before = cluster(
        [place("local", "h1"), place("local", "h2"), place("local", "h3")],
        [guest("g0", "h1", ("local", 50))],
        hosts=("h1", "h2", "h3"),
    )
    wanted = Policy.from_json(
        {
            "goal": "evacuate",
            "evacuate": {"names": ["h2"]},
            "effort": 4,
            "storage": {"relocate": True, **EVACUATE},
        }
    )

    assert ways(plan(before, wanted)) == {"g0": ("h1", "h3", {"local": "local"})}


@pytest.mark.parametrize(("seed", "policies"), [(1, 0.0), (2, 0.0), (3, 0.5), (5, 0.0), (6, 0.5)])
def test_no_datastore_or_host_is_ever_above_its_limit_and_a_second_plan_migrates_nobody(
    seed: int, policies: float
) -> None:
    """Whatever comes is counted in full from the first moment, and what leaves is not."""
    shape = StorageShape(
        datastores=2,
        disks=60,
        hosts=4,
        local=2,
        fill=0.4,
        skew=4,
        seed=seed,
        rules=3,
        policies=policies,
    )
    before = generate_storage(shape)
    host = f"h{1 + seed % 4}"
    wanted = policy(
        evacuate={"names": [f"local1@{host}"]},
        exclude={"targets": {"names": ["ds*", f"local2@{host}"]}},
        growth=10 * (seed % 3),
    )

    found = plan(before, wanted)

    assert wanted.storage is not None
    assert found.migrations
    ids = datastore_ids(before)
    disks = {each.id: each.disks for each in before.guests}
    comes: dict[str, int] = {}
    memory = {one.id: one.used["memory"] or 0.0 for one in before.hosts}
    for step in found.migrations:
        assert step.kind == "storage"
        memory[step.target] += step.cost.memory
        for disk in disks[step.guest.id]:
            if disk.datastore in step.storage:
                assert not set(disk.blockers)
                target = ids[step.target, step.storage[disk.datastore]]
                assert disk.targets is None or target in disk.targets
                comes[target] = comes.get(target, 0) + (disk.used or disk.size or 0)
    for store in before.datastores:
        if store.id in comes:
            used = (store.capacity or 0) - (store.free or 0) + comes[store.id]
            assert used <= 0.8 * (store.capacity or 0)
    for one in before.hosts:
        assert memory[one.id] <= 0.95 * (one.capacity["memory"] or 0.0)
    if not policies:
        # With policies guests also leave datastores that others come to, which have room for more then.
        assert plan(snapshot_after(before, found), wanted).migrations == ()


def test_no_migration_takes_disks_to_a_datastore_that_is_emptied() -> None:
    guests = [
        guest(f"g{number}", "h2", ("local", 5), memory=10, blockers=("local_disk",)) for number in range(4)
    ]
    before = cluster([place("local", "h1"), place("local", "h2")], guests)
    free = Policy.from_json({"goal": "spread", "effort": 4, "allow_blockers": ["local_disk"]})
    bound = replace(free, storage=policy(**EVACUATE, relocate=False).storage)

    assert plan(before, free).migrations
    found = plan(before, bound)

    assert (found.migrations, found.snapshot_digest) == ((), before.digest())


# -- the verifier -------------------------------------------------------------------------------------------


def _defects(
    spoil: Callable[[Migration], Migration] = lambda step: step,
    snapshot: Callable[[Snapshot], Snapshot] = lambda given: given,
    rules: tuple[StorageRule, ...] = (),
    barred: StorageExclusions | None = None,
    **storage: Any,
) -> str:
    """What the verifier has against a plan that was made for the untouched cluster."""
    before = local(guests=[guest("g9", "h2", ("local", 1))])
    found = plan(before, policy(**EVACUATE))
    wanted = policy(**EVACUATE, **storage).storage
    assert wanted is not None
    assert len(found.migrations) == 3
    return "; ".join(
        relocation_defects(
            snapshot(before),
            wanted,
            rules,
            tuple(map(spoil, found.migrations)),
            barred or StorageExclusions(emptied=frozenset({"local@h1"})),
        )
    )


def test_the_verifier_accepts_the_plan() -> None:
    assert _defects() == ""
    # What does not comply where it is has to leave, whatever else the policy says.
    assert _defects(snapshot=_under_policy("local@h2"), barred=StorageExclusions()) == ""
    assert "does not comply" not in _defects(snapshot=_under_policy("local@h1"), platform_rules=False)


def _closed(given: Snapshot) -> Snapshot:
    first, second = given.datastores
    return replace(given, datastores=(first, replace(second, closed_because="full of holes")))


def _under_policy(*targets: str) -> Callable[[Snapshot], Snapshot]:
    """All disks are under a storage policy with which only these datastores comply."""

    def changed(given: Snapshot) -> Snapshot:
        guests = tuple(
            replace(one, disks=tuple(replace(disk, targets=targets) for disk in one.disks))
            for one in given.guests
        )
        return replace(given, guests=guests)

    return changed


def _filled_by_others(given: Snapshot) -> Snapshot:
    first, second = given.datastores
    return replace(given, datastores=(first, replace(second, arriving=700 * GIB)))


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("can come to", {"utilisation": 15}),
        ("can come to", {"reserve": 900 * GIB}),
        ("can come to", {"snapshot": _filled_by_others}),
        ("max_moves is 2", {"max_moves": 2}),
        ("max_bytes is", {"max_bytes": 100 * GIB}),
        ("no datastore for local", {"spoil": lambda step: replace(step, storage={"local": "nfs"})}),
        ("no disks along", {"spoil": lambda step: replace(step, storage={})}),
        ("not there", {"spoil": lambda step: replace(step, source="h2")}),
        ("not 1", {"spoil": lambda step: replace(step, cost=replace(step.cost, disks=1))}),
        ("no disk of it has to leave", {"barred": StorageExclusions()}),
        ("takes no disk", {"barred": StorageExclusions(emptied=frozenset({"local@h1", "local@h2"}))}),
        ("takes no disk", {"snapshot": _closed}),
        (
            "local@h2 does not comply with the storage policy of scsi0",
            {"snapshot": _under_policy("local@h1")},
        ),
        (
            "is excluded",
            {"barred": StorageExclusions(emptied=frozenset({"local@h1"}), guests=frozenset({"g0"}))},
        ),
        (
            "placement does not allow",
            {"barred": StorageExclusions(allowed={"g0": frozenset({"nfs"})})},
        ),
        (
            "can meet",
            {
                "rules": (
                    StorageRule(
                        name="r", kind="anti_affinity", guests=("g0", "g9"), source="storage-drs-rule:r"
                    ),
                )
            },
        ),
        (
            "takes its disks elsewhere",
            {
                "rules": (
                    StorageRule(name="r", kind="affinity", guests=("g0", "g1"), source="storage-drs-rule:r"),
                )
            },
        ),
    ],
)
def test_the_verifier_finds_what_is_wrong(text: str, how: dict[str, Any]) -> None:
    assert text in _defects(**how)


def test_a_disk_that_a_migration_copies_whole_needs_its_full_size() -> None:
    thin = {"thin": True}
    before = cluster(
        [place("local", "h1", **thin), place("local", "h2", capacity=100, **thin)],
        [guest("g", "h1", ("local", 90), blockers=("local_disk",))],
    )
    [one] = before.guests
    disk = replace(one.disks[0], thin=True, used=30 * GIB)
    fits = replace(before, guests=(replace(one, disks=(disk,)),))
    whole = replace(before, guests=(replace(one, disks=(replace(disk, migrated_whole=True),)),))

    assert [step.cost.disks for step in plan(fits, policy(**EVACUATE)).migrations] == [30 * GIB]
    assert plan(whole, policy(**EVACUATE)).migrations == ()
    roomy = plan(whole, policy(**EVACUATE, utilisation=95))
    assert [step.cost.disks for step in roomy.migrations] == [90 * GIB]
    assert roomy.storage is not None
    assert roomy.storage.after.datastores["local@h2"].used == 90 * GIB
