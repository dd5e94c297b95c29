# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What placing promises, on small clusters, against trying every way there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
    Strategy,
    WantedVm,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Host, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .small_clusters import GIB, snapshots

POLICY = Policy.from_json({"limits": {"memory": 90, "cpu": 90}})
PREFIXES = ("web", "db", "app")


@st.composite
def wanted(draw: st.DrawFn, index: int, guests: Sequence[Guest]) -> WantedVm:
    names = sorted({guest.name for guest in guests})
    some = st.lists(st.sampled_from(names), max_size=2).map(tuple) if names else st.just(())
    return WantedVm(
        name=f"{draw(st.sampled_from(PREFIXES))}{100 + index}",
        cpu=draw(st.sampled_from([1, 2, 4, 8])),
        memory=draw(st.integers(1, 40)) * GIB,
        dedicated=draw(st.integers(0, 5)) == 0,
        affinity=draw(some) if draw(st.integers(0, 5)) == 0 else (),
        anti_affinity=("*10?",) if draw(st.integers(0, 3)) == 0 else draw(some),
        name_prefix="anti_affinity" if draw(st.booleans()) else "ignore",
    )


@st.composite
def cases(draw: st.DrawFn, most: int = 3) -> tuple[Snapshot, PlacementRequest]:
    snapshot = draw(snapshots())
    hosts = tuple(replace(host, dedicated=draw(st.integers(0, 4)) == 0) for host in snapshot.hosts[:4])
    ids = {host.id for host in hosts}
    # Ids and names of guests are all different, so that a name means one.
    guests = tuple(guest for guest in snapshot.guests if guest.host in ids)
    snapshot = replace(snapshot, hosts=hosts, guests=guests, rules=())
    vms = tuple(draw(wanted(index, guests)) for index in range(draw(st.integers(1, most))))
    strategy: Strategy = draw(st.sampled_from(["spread", "pack", "least_loaded"]))
    return snapshot, PlacementRequest(vms=vms, strategy=strategy, policy=POLICY)


@st.composite
def tight(draw: st.DrawFn) -> tuple[Snapshot, PlacementRequest]:
    """Hosts that are so full that a large guest seldom fits, with guests that could make room."""
    guests: list[Guest] = []
    hosts: list[Host] = []
    for index in range(draw(st.integers(2, 4))):
        sizes = draw(st.lists(st.integers(4, 30), min_size=1, max_size=4))
        for size in sizes:
            amounts = {"cpu": 1.0, "memory": size * GIB}
            guests.append(
                Guest(
                    id=f"g{len(guests)}",
                    name=f"old{len(guests)}",
                    kind="vm",
                    host=f"h{index}",
                    power="running",
                    assigned=amounts,
                    used=amounts,
                    migratable=draw(st.integers(0, 4)) > 0,
                )
            )
        hosts.append(
            Host(
                id=f"h{index}",
                name=f"h{index}",
                status="online",
                maintenance=False,
                schedulable=True,
                capacity={"cpu": 32.0, "memory": 100 * GIB},
                used={"cpu": float(len(sizes)), "memory": (sum(sizes) + 20) * GIB},
            )
        )
    snapshot = draw(snapshots())
    snapshot = replace(snapshot, hosts=tuple(hosts), guests=tuple(guests), rules=())
    vm = WantedVm(name="new1", cpu=1, memory=draw(st.integers(20, 65)) * GIB)
    return snapshot, PlacementRequest(vms=(vm,), policy=POLICY)


def use(guest: Guest, resource: str) -> float:
    told = guest.used[resource]
    return (guest.assigned[resource] if told is None else told) or 0.0


def fits(snapshot: Snapshot, host: Host, coming: Sequence[WantedVm]) -> bool:
    """By the limits alone."""
    if host.status != "online" or host.maintenance or not host.schedulable:
        return False
    here = [guest for guest in snapshot.guests if guest.host == host.id and guest.power == "running"]
    for resource, more in (
        ("cpu", sum(vm.cpu for vm in coming)),
        ("memory", sum(vm.memory for vm in coming)),
    ):
        top = (host.capacity[resource] or 0) * 0.9
        if more and (host.used[resource] or 0) + more > top * (1 + 1e-7):
            return False
    return host.max_guests is None or len(here) + len(coming) <= host.max_guests or not coming


def prefix(name: str) -> str:
    return name.rstrip("0123456789") or name


def legal(snapshot: Snapshot, request: PlacementRequest, hosts: Sequence[Host]) -> bool:
    vms = request.vms
    for host in {at.id: at for at in hosts}.values():
        if not fits(snapshot, host, [vm for vm, at in zip(vms, hosts, strict=True) if at.id == host.id]):
            return False
    everyone = [(guest.name, guest.host) for guest in snapshot.guests]
    everyone += [(vm.name, host.id) for vm, host in zip(vms, hosts, strict=True)]
    return all(
        host.dedicated == vm.dedicated
        and not any(meet(vm, name) for name, at in everyone if at == host.id and name != vm.name)
        and with_most_partners(vm, host, everyone)
        for vm, host in zip(vms, hosts, strict=True)
    )


def meet(vm: WantedVm, name: str) -> bool:
    """Whether the guest must not share a host with one of that name."""
    named = name in vm.anti_affinity or ("*10?" in vm.anti_affinity and name[-3:-1] == "10")
    return named or (vm.name_prefix == "anti_affinity" and prefix(name) == prefix(vm.name))


def with_most_partners(vm: WantedVm, host: Host, everyone: Sequence[tuple[str, str]]) -> bool:
    partners = [at for name, at in everyone if name in vm.affinity]
    return not partners or partners.count(host.id) == max(partners.count(at) for at in partners)


@settings(deadline=None)
@given(cases())
def test_a_batch_is_placed_exactly_when_there_is_a_way(case: tuple[Snapshot, PlacementRequest]) -> None:
    snapshot, request = case
    # Two with an affinity to one set of guests that are apart already are bound to the same host of them.
    assume(sum(bool(vm.affinity) for vm in request.vms) < 2)
    result = place([snapshot], request)
    ways = product(snapshot.hosts, repeat=len(request.vms))
    assert (result.status == "placed") == any(legal(snapshot, request, way) for way in ways), result.says
    if result.status == "placed":
        at = {host.id: host for host in snapshot.hosts}
        assert legal(snapshot, request, [at[one.host.id] for one in result.placements])


@settings(deadline=None)
@given(cases(most=1))
def test_one_guest_goes_to_the_best_host(case: tuple[Snapshot, PlacementRequest]) -> None:
    snapshot, request = case
    result = place([snapshot], request)
    vm = request.vms[0]
    fit = [host for host in snapshot.hosts if legal(snapshot, request, [host])]
    assert sum(result.unplaced[0].search.refused.values()) == len(snapshot.hosts) if not fit else True
    if fit and request.strategy != "spread":
        sign = 1 if request.strategy == "least_loaded" else -1
        marks = {host.id: sign * mark(host, vm, request.strategy) for host in fit}
        chosen = result.placements[0]
        assert marks[chosen.host.id] <= min(marks.values()) + 1e-6
        assert len(chosen.runners_up) == min(3, len(fit) - 1)


def mark(host: Host, vm: WantedVm, strategy: Strategy) -> float:
    cpu = 100 * ((host.used["cpu"] or 0) + vm.cpu) / (host.capacity["cpu"] or 1)
    memory = 100 * ((host.used["memory"] or 0) + vm.memory) / (host.capacity["memory"] or 1)
    return max(cpu, memory) if strategy == "least_loaded" else cpu + memory


@settings(deadline=None)
@given(cases(), st.randoms())
def test_the_same_question_has_the_same_answer(case: tuple[Snapshot, PlacementRequest], rng: object) -> None:
    snapshot, request = case
    first = place([snapshot], request)
    assert place([Snapshot.from_json(snapshot.to_json())], request) == first
    assert Placement.from_json(first.to_json()) == first


@given(tight())
def test_room_is_made_by_one_migration_where_one_does(case: tuple[Snapshot, PlacementRequest]) -> None:
    snapshot, request = case
    request = replace(request, make_room=True, vms=(replace(request.vms[0], affinity=()),))
    result = place([snapshot], request)
    if result.plan is None:
        without = replace(request, make_room=False)
        assert place([snapshot], without).status == result.status
    else:
        after = snapshot_after(snapshot, result.plan)
        at = {host.id: host for host in after.hosts}
        assert legal(after, request, [at[result.placements[0].host.id]])
    if any(legal(snapshot, request, [host]) for host in snapshot.hosts):
        assert result.plan is None
        return
    # Found by trying all, which takes longer than the answer.
    one = result.plan is not None and len(result.plan.migrations) == 1
    assert one or not one_will_do(snapshot, request)


def one_will_do(snapshot: Snapshot, request: PlacementRequest) -> bool:
    """Whether migrating one guest makes room, with room to spare for rounding."""
    for guest in snapshot.guests:
        home = next(host for host in snapshot.hosts if host.id == guest.host)
        if not guest.migratable or guest.power != "running" or home.status != "online":
            continue
        for target in snapshot.hosts:
            size = WantedVm(
                name=guest.name, cpu=use(guest, "cpu") * 1.001, memory=int(use(guest, "memory") * 1.001)
            )
            stores = all(disk.datastore in target.datastores for disk in guest.disks)
            if target is home or target.dedicated != home.dedicated or not stores:
                continue
            if not fits(snapshot, target, [size]):
                continue
            moved = with_guest_on(snapshot, guest, home, target)
            if any(legal(moved, request, [host]) for host in moved.hosts):
                return True
    return False


def with_guest_on(snapshot: Snapshot, guest: Guest, home: Host, target: Host) -> Snapshot:
    def changed(host: Host) -> Host:
        sign = (host.id == target.id) - (host.id == home.id)
        return replace(host, used={name: (v or 0) + sign * use(guest, name) for name, v in host.used.items()})

    return replace(
        snapshot,
        hosts=tuple(changed(host) for host in snapshot.hosts),
        guests=tuple(replace(one, host=target.id) if one is guest else one for one in snapshot.guests),
    )
