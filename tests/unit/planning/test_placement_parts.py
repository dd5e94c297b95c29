# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What placing reckons with: room that is taken and given back, reasons, scores, spare hosts, datastores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import (
    PlanningError,
    UnsafePlan,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement import (
    requested_guests as wishes,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.cluster_index import (
    cluster_index,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.problem import (
    build_placement_problem,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.rules import (
    placement_rules,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.search import (
    Exhaustive,
    by_hardness,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.solution import (
    PlacementSolution,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.verify import verify_result

from .test_placements import asked
from .test_scenarios import GIB, cluster

GPUS = {"gpu-a": {"total": 2, "free": 1}, "gpu-b": {"total": 2, "free": 2}}
STORES = {
    "san": {"shared": True, "capacity": 100 * GIB, "free": 50 * GIB},
    "own": {"shared": False, "capacity": 100 * GIB, "free": 30 * GIB, "class": "ssd"},
}


def state_of(short: Mapping[str, Any], *vms: Mapping[str, Any], **more: Any) -> PlacementSolution:
    request = asked({"vms": list(vms), **more})
    snapshot = cluster(short)
    where = cluster_index(snapshot, request)
    new = wishes.requested_guests(where.snapshot, request)
    return PlacementSolution(
        build_placement_problem(where, request, new, placement_rules(where, request, new)),
        request.strategy,
        request.spare,
    )


def answer(short: Mapping[str, Any], *vms: Mapping[str, Any], **more: Any) -> Placement:
    return place([cluster(short)], asked({"vms": list(vms), **more}))


def everything(state: PlacementSolution) -> object:
    """All that is reckoned with, for comparing before and after."""
    return deepcopy(
        (
            [[round(part, 6) for part in row] for row in state.need],
            [[round(part, 6) for part in row] for row in state.points],
            [sorted((host, many) for host, many in counts.at.items() if many) for counts in state.counts],
            [round(square, 6) for square in state.squares],
            state.devices,
            state.on,
            state.seats,
            {place: store.free for place, store in state.stores._stores.items()},
            state.spare and {key: [round(v, 6) for v in row] for key, row in state.spare._left.items()},
        )
    )


FULL: Mapping[str, Any] = {
    "hosts": {
        "h1": {"cpu": 10, "memory": 100, "devices": GPUS, "datastores": STORES},
        "h2": {"cpu": 20, "memory": 200, "devices": GPUS, "datastores": STORES, "max_guests": 9},
        "h3": {"cpu": 20, "memory": 200},
    },
    "guests": {"web1": {"host": "h2", "cpu": 2, "memory": 20}},
}


@pytest.mark.parametrize(("platform", "chosen"), [("vmmanager", "h2"), ("scenario", "h1")])
def test_guests_that_are_off_count_where_the_platform_counts_them(platform: str, chosen: str) -> None:
    """VMmanager reports what was given to its guests, on or off."""
    short = {
        "hosts": {"h1": {"cpu": 16, "memory": 64}, "h2": {"cpu": 16, "memory": 64}},
        "guests": {
            "off": {"host": "h1", "cpu": 8, "memory": 8, "power": "stopped"},
            "on": {"host": "h2", "cpu": 1, "memory": 1},
        },
    }
    request = asked({"vms": [{"name": "new", "cpu": 1, "memory": 1}], "policy": {"metrics": ["vcpu"]}})
    result = place([replace(cluster(short), platform=platform)], request)
    assert [one.host.id for one in result.placements] == [chosen]


def test_what_a_unit_takes_is_gone_until_it_is_taken_away_again() -> None:
    vm = {
        "name": "web2",
        "cpu": 2,
        "memory": 10,
        "devices": [{"kind": "gpu-*", "count": 2}],
        "disks": [{"size": 20, "datastore": "own"}, {"size": 5, "datastore": "san"}],
        "name_prefix": "anti_affinity",
    }
    limits = {"cpu_overcommit": 4, "memory_overcommit": 1}
    state = state_of(FULL, vm, spare=1, policy={"limits": limits})
    before = everything(state)
    assert state.obstacle(0, 0) is None
    need, points, unevenness = list(state.need[0]), list(state.points[0]), state.unevenness
    seat = state.insert(0, 0)
    assert (seat.datastores, seat.devices) == (("own", "san"), (("gpu-a", 1), ("gpu-b", 1)))
    assert state.devices[0] == {"gpu-a": 0, "gpu-b": 1}
    assert state.devices[1] == {"gpu-a": 1, "gpu-b": 2}
    taken = [after - was for was, after in zip(need, state.need[0], strict=True)]
    assert dict(zip(map(str, state.cluster.resources), taken, strict=True)) == {
        "cpu": 2,
        "memory": 10 * GIB,
        "assigned cpu": 2,
        "assigned memory": 10 * GIB,
        "guests": 1,
    }
    assert [after - was for was, after in zip(points, state.points[0], strict=True)] == pytest.approx(
        [20, 10]
    )
    left = {name[0] + str(name[1]): store.free for name, store in state.stores._stores.items()}
    assert left == {"san-1": 45 * GIB, "own0": 10 * GIB, "own1": 30 * GIB}
    assert state.on == [{0}, set(), set()]
    level = [sum((state.points[h][m] - state.level[m]) ** 2 for h in range(3)) for m in range(2)]
    assert state.squares == pytest.approx(level)
    assert state.unevenness == pytest.approx(sum((square / 3) ** 0.5 for square in level))
    assert unevenness != pytest.approx(state.unevenness)
    state.remove(0)
    assert everything(state) == before


def test_the_level_is_where_all_hosts_would_be_as_one_with_everything_placed() -> None:
    """10 and 20 and 20 cores carry 2 and are to carry 3 more; 500 GiB carry 20 and 30."""
    state = state_of(FULL, {"name": "n", "cpu": 3, "memory": 30})
    assert state.level == pytest.approx([100 * 5 / 50, 100 * 50 / 500])


ONE: Mapping[str, Any] = {
    "hosts": {
        "h1": {
            "cpu": 10,
            "memory": 100,
            "own": {"cpu": 4, "memory": 50},
            "devices": GPUS,
            "datastores": STORES,
            "pool": "gold",
            "labels": {"zone": "a"},
            "version": "8.1",
            "cpu_model": "old",
        },
        # So that everything that is asked for is there somewhere.
        "other": {
            "maintenance": True,
            "networks": ["lan", "dmz"],
            "pool": "lead",
            "datastores": {**STORES, "tape": {"shared": False}, "shut": {"shared": False}},
        },
    },
    "guests": {"web1": {"host": "h1", "cpu": 1, "memory": 10}},
}
REASONS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"cpu": 4}, {}, ""),
    ({"cpu": 5}, {}, "cpu: 5 cores wanted, 4 cores left within its limit"),
    ({"memory": 30}, {}, ""),
    ({"memory": 31}, {}, "memory: 31.0 GiB wanted, 30.0 GiB left within its limit"),
    ({"cpu": 8, "used": {"cpu": 4}}, {}, ""),
    (
        {"cpu": 2},
        {"policy": {"limits": {"cpu_overcommit": 0.2}}},
        "cpu overcommitment: 2 cores wanted, 1 cores left within its limit",
    ),
    (
        {"memory": 20},
        {"policy": {"limits": {"memory_overcommit": 0.2}}},
        "memory overcommitment: 20.0 GiB wanted, 10.0 GiB left within its limit",
    ),
    ({}, {"policy": {"limits": {"max_guests": 2}}}, ""),
    ({}, {"policy": {"limits": {"max_guests": 1}}}, "guests: 1 guest wanted, 0 guests left within its limit"),
    ({"devices": [{"kind": "gpu-*", "count": 3}]}, {}, ""),
    ({"devices": [{"kind": "gpu-*", "count": 4}]}, {}, "devices: others have them"),
    ({"devices": [{"kind": "gpu-*", "count": 5}]}, {}, "devices: it has 4 of gpu-*, 5 are wanted"),
    ({"devices": [{"kind": "gpu-*", "count": 2}, {"kind": "gpu-b", "count": 1}]}, {}, ""),
    ({"devices": [{"kind": "gpu-*", "count": 2}, {"kind": "gpu-b", "count": 2}]}, {}, "devices: others have"),
    ({"disks": [{"size": 30, "datastore": "own"}]}, {}, ""),
    (
        {"disks": [{"size": 31, "datastore": "own"}]},
        {},
        "storage: 31.0 GiB wanted, 30.0 GiB free at most",
    ),
    ({"disks": [{"size": 20}, {"size": 45}]}, {}, ""),
    ({"disks": [{"size": 45}, {"size": 35}]}, {}, "storage: 80.0 GiB wanted"),
    ({"disks": [{"size": 1, "class": "ssd"}]}, {}, ""),
    ({"disks": [{"size": 1, "datastore": "tape"}]}, {}, "datastores: it has no datastore like tape"),
    ({"pool": "gold"}, {}, ""),
    ({"pool": "lead"}, {}, "pool: its pool is gold"),
    ({"dedicated": True}, {}, "dedicated: it is not dedicated"),
    ({"labels": {"zone": "a"}}, {}, ""),
    ({"labels": {"row": "9", "zone": "b"}}, {}, "labels: it lacks row=9, zone=b"),
    ({"networks": ["lan", "dmz"]}, {}, "networks: it lacks dmz"),
    ({"cpu_models": ["old", "new"]}, {}, ""),
    ({"cpu_models": ["new"]}, {}, "cpu model: its CPU model is old"),
    ({"min_version": "8.1.0"}, {}, ""),
    ({"min_version": "8.1.1"}, {}, "version: its version is 8.1"),
    ({"min_version": "8"}, {}, ""),
    ({"anti_affinity": ["web1"]}, {}, "anti-affinity: guest web1 is there"),
    ({"name": "web2", "name_prefix": "anti_affinity"}, {}, "anti-affinity: "),
]


@pytest.mark.parametrize(("wanted", "more", "says"), REASONS)
def test_a_host_takes_what_fits_exactly_and_says_why_it_takes_no_more(
    wanted: dict[str, Any], more: dict[str, Any], says: str
) -> None:
    policy = more.get("policy", {})
    limits = {"cpu": 90, "memory": 90, **policy.get("limits", {})}
    found = answer(
        ONE,
        {"name": "n", "cpu": 1, "memory": 1, **wanted},
        **{**more, "explain": True, "policy": {**policy, "limits": limits}},
    )
    assert found.status == ("impossible" if says else "placed"), found.says
    searched = (*found.placements, *found.unplaced)[0].search
    assert searched is not None
    reasons = {one.host: f"{one.reason}: {one.detail}" for one in searched.refusals}
    assert says in reasons.get("h1", ""), reasons
    assert ("h1" in reasons) is bool(says)
    assert (searched.hosts, searched.fit, sum(searched.refused.values())) == (
        2,
        int(not says),
        1 + bool(says),
    )


UNEQUAL: Mapping[str, Any] = {
    "hosts": {
        "h1": {"memory": 200, "cpu": 100},
        "h2": {"memory": 100, "cpu": 100},
        "h3": {"memory": 100, "cpu": 100, "own": {"memory": 10}},
        "h4": {"memory": 900, "dedicated": True},
        "h5": {"memory": 900, "maintenance": True},
    },
    "guests": {"a": {"host": "h1", "memory": 20}, "b": {"host": "h2", "memory": 50}},
}


@pytest.mark.parametrize(
    ("memory", "spare", "fits"), [(99, 1, True), (101, 1, False), (9, 2, True), (11, 2, False), (1, 3, False)]
)
def test_the_largest_hosts_are_held_as_spare(memory: int, spare: int, fits: bool) -> None:
    vm = {"name": "n", "memory": memory}
    more: dict[str, Any] = {"spare": spare, "explain": True, "policy": {"limits": {"memory": 90}}}
    found = answer(UNEQUAL, vm, **more)
    assert (found.status == "placed") is fits
    if not fits:
        searched = found.unplaced[0].search
        assert searched is not None
        assert searched.refused["spare"] >= 1
        kept = "what is left is kept for the guests of hosts that fail"
        assert kept in [one.detail for one in searched.refusals]
    alone = answer(UNEQUAL, {**vm, "dedicated": True, "memory": 1}, **more)
    assert alone.status == "impossible"


SCORED: Mapping[str, Any] = {
    "hosts": {
        "h1": {"cpu": 10, "memory": 100, "own": {"cpu": 1, "memory": 30}},
        "h2": {"cpu": 10, "memory": 100, "own": {"cpu": 4, "memory": 10}},
        "h3": {"cpu": 20, "memory": 50, "own": {"cpu": 2, "memory": 20}},
    },
}


@pytest.mark.parametrize(
    ("strategy", "scores"),
    [
        # The fullest metric: cpu or memory.
        ("least_loaded", {"h1": 40, "h3": 60, "h2": 60}),
        # What stays free of cpu and memory, on average.
        ("pack", {"h2": 60, "h3": 60, "h1": 65}),
    ],
)
def test_the_score_of_a_host_is_in_points_of_percent(strategy: str, scores: dict[str, float]) -> None:
    state = state_of(SCORED, {"name": "n", "cpu": 2, "memory": 10}, strategy=strategy)
    unit = state.task.units[0]
    found = {host.id: state.score(unit, index) for index, host in enumerate(state.cluster.hosts)}
    assert found == pytest.approx(scores)
    chosen = answer(SCORED, {"name": "n", "cpu": 2, "memory": 10}, strategy=strategy).placements[0]
    assert chosen.score == min(scores.values())


def test_spread_scores_a_host_by_how_uneven_all_are_with_the_guest_there() -> None:
    state = state_of(SCORED, {"name": "n", "cpu": 2, "memory": 10})
    unit = state.task.units[0]
    for host in range(3):
        expected = state.score(unit, host)
        state.insert(0, host)
        assert state.unevenness == pytest.approx(expected)
        state.remove(0)


def test_the_spread_before_and_after_is_between_the_fullest_and_the_emptiest_host() -> None:
    found = answer(SCORED, {"name": "n", "cpu": 2, "memory": 10}, strategy="least_loaded")
    assert [one.host.id for one in found.placements] == ["h1"]
    assert found.spread_before == pytest.approx({"cpu": 30, "memory": 30})
    assert found.spread_after == pytest.approx({"cpu": 30, "memory": 30})
    assert found.clusters[0].load == pytest.approx(100 * 70 / 250)


@pytest.mark.parametrize(
    ("disks", "chosen"),
    [
        # san: half full; own: 70 % full.
        ([{"size": 1}], ["san"]),
        ([{"size": 1}, {"size": 2}], ["san", "san"]),
        # 25 of them make it 75 %, no more than 71.
        ([{"size": 1, "datastore": "own"}, {"size": 1}], ["own", "san"]),
        ([{"size": 49}, {"size": 2}], ["san", "own"]),
        ([{"size": 2}, {"size": 49}], ["own", "san"]),
        # What one of them asks for by name is taken before the others choose.
        ([{"size": 10}, {"size": 45, "datastore": "san"}], ["own", "san"]),
        ([{"size": 1, "shared": False}, {"size": 1, "class": "ssd"}], ["own", "own"]),
        ([], []),
    ],
)
def test_disks_go_where_least_is_taken_and_together_where_they_can(
    disks: list[dict[str, Any]], chosen: list[str]
) -> None:
    short = {"hosts": {"h1": {"datastores": STORES}}}
    (one,) = answer(short, {"name": "n", "disks": disks}).placements
    assert [disk.datastore for disk in one.disks] == chosen


@pytest.mark.parametrize(("load", "chosen"), [(0, "one"), (10, "one"), (20, "one"), (40, "two")])
def test_a_busy_datastore_is_as_bad_as_one_that_is_half_full(load: int, chosen: str) -> None:
    """The busier of both counts 50 points; two is 30 points fuller."""
    stores = {
        "one": {"shared": True, "capacity": 100 * GIB, "free": 80 * GIB, "disk_io": load},
        "two": {"shared": True, "capacity": 100 * GIB, "free": 50 * GIB, "disk_io": 10},
    }
    (one,) = answer(
        {"hosts": {"h1": {"datastores": stores}}}, {"name": "n", "disks": [{"size": 1}]}
    ).placements
    assert [disk.datastore for disk in one.disks] == [chosen]


@pytest.mark.parametrize(("free", "chosen"), [(62, "one"), (63, "two")])
def test_where_nobody_reports_how_busy_datastores_are_they_are_as_busy_as_their_guests(
    free: int, chosen: str
) -> None:
    """One has half of the first guest's 20: a quarter of the busiest, 12.5 points; and it is 26 % full."""
    stores = {
        name: {"shared": True, "capacity": 100 * GIB, "free": size * GIB}
        for name, size in (("one", 75), ("two", free), ("busy", 10))
    }
    disks = {name: {"datastore": name, "size": GIB} for name in stores}
    guests = {
        "a": {"host": "h1", "io": 20, "disks": [disks["one"], disks["busy"]]},
        "b": {"host": "h1", "io": 30, "disks": [disks["busy"]]},
    }
    short = {"hosts": {"h1": {"datastores": stores}}, "guests": guests}
    (one,) = answer(short, {"name": "n", "disks": [{"size": 1}]}).placements
    assert [disk.datastore for disk in one.disks] == [chosen]


def test_a_shared_datastore_has_as_much_free_as_the_least_that_any_host_reports() -> None:
    def shared(free: int | None) -> dict[str, Any]:
        return {"datastores": {"san": {"shared": True, "free": free and free * GIB}}}

    for frees, fits in (
        ((50, 20), False),
        ((20, 50), False),
        ((30, None), True),
        ((None, 30), True),
        ((None, None), True),
    ):
        hosts = {f"h{n}": shared(free) for n, free in enumerate(frees)}
        found = answer({"hosts": hosts}, {"name": "n", "disks": [{"size": 30}]})
        assert (found.status == "placed") is fits


@pytest.mark.parametrize(
    ("vm", "names"),
    [
        ({"name": "a"}, ["a"]),
        ({"name": "a", "count": 2}, ["a1", "a2"]),
        ({"name": "a##", "count": 2}, ["a01", "a02"]),
        ({"name": "a##b", "count": 1}, ["a01b"]),
        ({"name": "a#", "count": 10}, [f"a{n}" for n in range(1, 11)]),
    ],
)
def test_the_guests_of_a_count_are_numbered_from_one(vm: dict[str, Any], names: list[str]) -> None:
    assert wishes.names_of(asked({"vms": [vm]}).vms[0]) == names


@pytest.mark.parametrize(
    ("vms", "hosts"),
    [
        # One of 9 and two of 5 and 4: the largest first, and the others where they are left room.
        ([("a", 5), ("b", 4), ("c", 9)], {"h1": 10, "h2": 10}),
        ([("a", 4), ("b", 4), ("c", 6), ("d", 6)], {"h1": 11, "h2": 11}),
    ],
)
def test_whatever_way_there_is_to_place_all_is_found_by_trying(
    vms: Sequence[tuple[str, int]], hosts: dict[str, int]
) -> None:
    short = {"hosts": {name: {"memory": size} for name, size in hosts.items()}}
    wanted = [{"name": name, "memory": memory} for name, memory in vms]
    policy = {"limits": {"memory": 100, "memory_for_rules": 100}}
    state = state_of(short, *wanted, policy=policy)
    search = Exhaustive(state)
    assert search.run()
    assert search.proven
    assert sorted(state.seats) == list(range(len(vms)))
    bigger = state_of(short, *wanted, {"name": "z", "memory": 6}, policy=policy)
    before = everything(bigger)
    other = Exhaustive(bigger)
    assert not other.run()
    assert other.proven
    assert everything(bigger) == before


def test_the_largest_go_first_and_of_those_as_large_the_one_with_fewer_hosts() -> None:
    vms = [
        {"name": "small", "memory": 4},
        {"name": "choosy", "memory": 8, "pool": "gold"},
        {"name": "large", "memory": 30},
        {"name": "easy", "memory": 8},
        {"name": "cores", "memory": 1, "cpu": 20},
    ]
    state = state_of({"hosts": {"h1": {"pool": "gold"}, "h2": {}}}, *vms)
    names = [state.task.new[state.task.units[number].guests[0]].guest.name for number in by_hardness(state)]
    assert names == ["cores", "large", "choosy", "easy", "small"]


@pytest.mark.parametrize(
    ("vm", "host"),
    [({"memory": 60}, 1), ({"devices": [{"kind": "gpu-b", "count": 2}]}, 0), ({"pool": "gold"}, 1)],
)
def test_an_answer_that_may_not_be_is_refused_by_the_check(vm: dict[str, Any], host: int) -> None:
    """The rooms are filled without asking whether that may be."""
    short = {
        "hosts": {
            "h1": {"memory": 64, "devices": {"gpu-b": {"total": 2, "free": 1}}, "pool": "gold"},
            "h2": {"memory": 64, "devices": {"gpu-b": {"total": 2, "free": 2}}},
        }
    }
    request = asked({"vms": [{"name": "n", "memory": 1, **vm}]})
    state = state_of(short, {"name": "n", "memory": 1, **vm})
    state.insert(0, host)
    with pytest.raises(UnsafePlan, match="the answer is not safe: "):
        verify_result(state, request)
    fine = state_of(short, {"name": "n", "memory": 1})
    fine.insert(0, host)
    verify_result(fine, asked({"vms": [{"name": "n", "memory": 1}]}))


@pytest.mark.parametrize(
    ("vm", "cpu", "memory"),
    [
        # 4 cores and 30 GiB are left.
        ({"cpu": 5, "memory": 10}, 4, None),
        ({"cpu": 2, "memory": 40}, None, 30),
        ({"cpu": 2, "memory": 60, "used": {"memory": 40}}, None, 45),
        ({"cpu": 10, "memory": 30, "used": {"cpu": 5}}, 8, None),
        ({"cpu": 2, "memory": 40, "used": {"cpu": 0}}, None, 30),
    ],
)
def test_the_largest_guest_that_would_fit_is_told(
    vm: dict[str, Any], cpu: float | None, memory: float | None
) -> None:
    limits = {"cpu": 90, "memory": 90}
    (one,) = answer(ONE, {"name": "n", **vm}, policy={"limits": limits}).unplaced
    assert one.largest is not None
    assert (one.largest.cpu, one.largest.memory and round(one.largest.memory / GIB, 2)) == (cpu, memory)
    assert (one.largest.cpu_host, one.largest.memory_host) == (cpu and "h1", memory and "h1")


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        (
            {"class": "hdd"},
            "request.vms[0].disks[0].class: 'hdd' is not a class of a datastore. Available: ssd",
        ),
        (
            {"datastore": "nas*"},
            "request.vms[0].disks[0].datastore: 'nas*' is not a datastore that a host has",
        ),
        (
            {"class": "ssd", "shared": True},
            "disks[0]: 'of class ssd that is shared' is not a datastore that a host",
        ),
        (
            {"datastore": "own", "shared": True},
            "disks[0]: 'like own that is shared' is not a datastore that a host",
        ),
    ],
)
def test_a_disk_that_no_datastore_suits_is_refused_with_what_was_asked_for(
    disk: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as error:
        answer({"hosts": {"h1": {"datastores": STORES}}}, {"name": "n", "disks": [{"size": 1, **disk}]})
    assert says in str(error.value)


def test_of_several_hosts_the_one_that_would_take_the_largest_guest_is_named() -> None:
    hosts = {f"h{n}": {"cpu": 10, "memory": 100, "own": own} for n, own in enumerate(OWN)}
    short = {"hosts": hosts}
    limits = {"limits": {"cpu": 90, "memory": 90}}
    (one,) = answer(short, {"name": "n", "cpu": 9, "memory": 60}, policy=limits).unplaced
    assert one.largest is not None
    assert (one.largest.cpu, one.largest.cpu_host) == (7, "h1")
    (one,) = answer(short, {"name": "n", "cpu": 2, "memory": 90}, policy=limits).unplaced
    assert one.largest is not None
    assert (one.largest.memory and round(one.largest.memory / GIB), one.largest.memory_host) == (70, "h1")


OWN = ({"cpu": 4, "memory": 40}, {"cpu": 2, "memory": 20}, {"cpu": 3, "memory": 30})


def test_a_guest_that_uses_nothing_has_no_place_where_all_hosts_are_spare() -> None:
    vm = {"name": "n", "used": {"cpu": 0, "memory": 0}}
    assert answer(UNEQUAL, vm, spare=2).status == "placed"
    assert answer(UNEQUAL, vm, spare=3).status == "impossible"


@pytest.mark.parametrize(
    ("size", "fits"), [({"cpu": 3, "memory": 30}, True), ({"cpu": 4}, False), ({"memory": 31}, False)]
)
def test_a_guest_under_way_takes_its_room_where_it_goes(size: dict[str, Any], fits: bool) -> None:
    hosts = {
        "h1": {"cpu": 10, "memory": 100, "own": {"cpu": 4, "memory": 40}},
        "h2": {"cpu": 10, "memory": 100, "maintenance": True},
    }
    going = {"host": "h2", "cpu": 2, "memory": 20, "migrating_to": "h1"}
    policy = {"limits": {"cpu": 90, "memory": 90}}
    found = answer({"hosts": hosts, "guests": {"going": going}}, {"name": "n", **size}, policy=policy)
    assert (found.status == "placed") is fits


def test_metrics_that_new_guests_do_not_have_level_nothing() -> None:
    found = answer({"hosts": {"h1": {}, "h2": {}}}, {"name": "n"}, policy={"metrics": ["pressure_cpu"]})
    assert (found.status, found.spread_before, found.spread_after) == ("placed", {}, {})


@pytest.mark.parametrize(("less", "fits"), [(0, True), (1, False)])
def test_a_disk_needs_every_byte_of_its_size(less: int, fits: bool) -> None:
    stores = {"own": {"shared": False, "capacity": 100 * GIB, "free": 30 * GIB - less}}
    found = answer({"hosts": {"h1": {"datastores": stores}}}, {"name": "n", "disks": [{"size": 30}]})
    assert (found.status == "placed") is fits


def test_asking_how_far_wishes_are_from_holding_changes_nothing() -> None:
    rules = [{"by": "name_prefix", "kind": "anti_affinity", "strict": False}]
    short = {"hosts": {"h1": {}, "h2": {}}, "guests": {"web1": {"host": "h1"}}}
    state = state_of(short, {"name": "web2"}, policy={"rules": rules})
    before = everything(state)
    for _time in range(2):
        assert state.wishes(0, 0) > state.wishes(0, 1) == 0
        assert everything(state) == before


def test_facts_of_a_host_stand_in_place_of_what_the_platform_reports() -> None:
    short = {"hosts": {"h1": {"max_guests": 2}, "h2": {"max_guests": 2}}}
    facts = [{"hosts": {"names": ["h1"]}, "max_guests": 1}, {"hosts": {"names": ["h2"]}, "pool": "gold"}]
    for many, fits in ((3, True), (4, False)):
        assert (answer(short, {"name": "n", "count": many}, hosts=facts).status == "placed") is fits


def test_what_would_fit_is_said_of_a_guest_that_uses_no_cores() -> None:
    wanted = {"name": "n", "cpu": 20, "memory": 4, "used": {"cpu": 0, "memory": 4}}
    found = answer({"hosts": {"h1": {"cpu": 10}}}, wanted, policy={"limits": {"cpu_overcommit": 1}})
    assert "What would fit: with 4.0 GiB of memory at most 10 cores (h1)" in found.says


@pytest.mark.parametrize("dedicated", [False, True])
def test_room_is_made_on_dedicated_hosts_for_dedicated_guests_alone(dedicated: bool) -> None:
    hosts = {name: {"memory": 100, "dedicated": kind} for name, kind in (("h1", True), ("h2", True))}
    hosts |= {name: {"memory": 100, "dedicated": False} for name in ("h3", "h4")}
    short = {
        "hosts": hosts,
        "guests": {name.replace("h", "g"): {"host": name, "memory": 40} for name in hosts},
    }
    policy = {"limits": {"memory": 100, "memory_for_rules": 100}}
    found = answer(short, {"name": "n", "memory": 90, "dedicated": dedicated}, make_room=True, policy=policy)
    (step,) = found.plan.migrations if found.plan else ()
    (one,) = found.placements
    assert {step.source, step.target} == ({"h1", "h2"} if dedicated else {"h3", "h4"})
    assert one.host.id == step.source


@pytest.mark.parametrize("many", [10, 11, 13])
def test_of_many_without_a_place_ten_are_named(many: int) -> None:
    found = answer({"hosts": {"h1": {"memory": 1}}}, {"name": "n", "count": many})
    assert sum("0 of 1 host fit" in line for line in found.says) == 10
    rest = [line for line in found.says if "more without a place" in line]
    assert rest == ([] if many == 10 else [f"and {many - 10} more without a place"])


@pytest.mark.parametrize(("many", "more"), [(10, ""), (11, " …")])
def test_of_many_that_fit_together_ten_are_named(many: int, more: str) -> None:
    short = {"hosts": {"h1": {"max_guests": many}}}
    found = answer(short, {"name": "n##", "count": many + 1}, all_or_nothing=False)
    names = ", ".join(f"n{number:02}" for number in range(1, 11))
    assert f"{many} of {many + 1} fit together: {names}{more}" in found.says


def test_three_sizes_that_would_fit_are_said() -> None:
    vms = [{"name": f"n{cores}", "cpu": cores, "memory": 200} for cores in (1, 2, 3, 4)]
    found = answer({"hosts": {"h1": {"memory": 100}}}, *vms, all_or_nothing=False)
    said = [line.partition(" cores ")[0] for line in found.says if line.startswith("What would fit")]
    assert said == [f"What would fit: with {cores}" for cores in (1, 2, 3)]


def test_a_cluster_that_refuses_the_request_is_told_with_nothing_done() -> None:
    named = [
        replace(cluster({"hosts": {"h1": values}}), cluster=ClusterRef(id=name, name=name))
        for name, values in (("one", {}), ("two", {"pool": "gold"}))
    ]
    found = place(named, asked({"vms": [{"name": "n", "count": 2, "pool": "gold"}]}))
    assert found.cluster.id == "two"
    taken, refused = found.clusters
    assert (taken.cluster.id, taken.placed, taken.wanted, taken.migrations) == ("two", 2, 2, 0)
    assert (refused.cluster.id, refused.placed, refused.wanted, refused.migrations) == ("one", 0, 2, 0)


def test_a_guest_under_way_of_which_nothing_is_measured_weighs_nothing() -> None:
    hosts = {"h1": {"cpu": 10, "io": 10}, "h2": {"cpu": 10, "io": 10}}
    guests = {"going": {"host": "h1", "migrating_to": "h2"}, "other": {"host": "h1", "io": 5}}
    found = answer(
        {"hosts": hosts, "guests": guests}, {"name": "n"}, policy={"metrics": ["disk_io"]}, runners_up=0
    )
    assert found.spread_before == {"disk_io": 50}


def test_the_check_reports_three_defects() -> None:
    vms = [{"name": f"n{number}", "memory": 1, "pool": "gold"} for number in range(5)]
    short = {"hosts": {"h1": {"pool": "gold"}, "h2": {"pool": "lead"}}}
    state = state_of(short, *vms)
    for number in range(5):
        state.insert(number, 1)
    with pytest.raises(UnsafePlan) as error:
        verify_result(state, asked({"vms": vms}))
    assert [f"n{number}" in str(error.value) for number in range(5)] == [True, True, True, False, False]


def test_a_migration_that_makes_room_names_five_guests_that_come() -> None:
    short = {
        "hosts": {"h1": {"memory": 100}, "h2": {"memory": 44}},
        "guests": {"a": {"host": "h1", "memory": 40}},
    }
    wanted = {"name": "n#", "count": 6, "memory": 16, "hosts": {"names": ["h1"]}}
    found = answer(short, wanted, make_room=True, policy={"limits": {"memory": 100, "memory_for_rules": 100}})
    assert found.plan is not None, found.says
    assert [step.why for step in found.plan.migrations] == ["makes room for n1, n2, n3, n4, n5 on h1"]


def test_an_answer_says_in_full_what_has_no_place_what_would_fit_and_where_the_others_are() -> None:
    short = {
        "hosts": {
            "h1": {"cpu": 10, "memory": 100, "datastores": STORES},
            "h2": {"cpu": 10, "memory": 50, "maintenance": True},
        },
        "guests": {"old": {"host": "h1", "cpu": 1, "memory": 10}},
    }
    found = answer(
        short,
        {"name": "old", "cpu": 1, "memory": 10},
        {"name": "fits", "cpu": 1, "memory": 20, "disks": [{"size": 1}, {"size": 2}]},
        {"name": "large", "cpu": 2, "memory": 70},
        all_or_nothing=False,
        policy={"limits": {"cpu": 90, "memory": 90}},
    )
    # Those that are placed first leave less for those that come after them.
    assert found.status == "partial"
    assert list(found.says) == [
        "fits: 0 of 2 hosts fit: 1 maintenance, 1 memory",
        "What would fit: with 1 cores at most 10.0 GiB of memory (h1)",
        "1 of 2 fit together: large",
        "old → h1 on san (present already)",
        "large → h1",
    ]
    assert [(one.name, one.state, one.host.id) for one in found.placements] == [
        ("old", "present", "h1"),
        ("large", "new", "h1"),
    ]
    assert [(one.guest, one.host, one.cpu, one.memory) for one in found.promises] == [
        ("large", "h1", 2, 70 * GIB)
    ]
    (tried,) = found.clusters
    assert (tried.placed, tried.wanted, tried.migrations, tried.load) == (2, 3, 0, None)


def test_of_guests_that_are_placed_as_one_each_has_its_own_disks() -> None:
    short = {"hosts": {"h1": {"datastores": STORES}, "h2": {"datastores": STORES}}}
    found = answer(
        short,
        {"name": "a", "disks": [{"size": 1, "datastore": "own"}, {"size": 2, "datastore": "san"}]},
        {"name": "b", "affinity": ["a"], "disks": [{"size": 3, "datastore": "san"}]},
        {"name": "c", "affinity": ["a"], "disks": [{"size": 4, "datastore": "own"}]},
    )
    disks = {one.name: [(d.datastore, (d.size or 0) // GIB) for d in one.disks] for one in found.placements}
    assert disks == {"a": [("own", 1), ("san", 2)], "b": [("san", 3)], "c": [("own", 4)]}
    assert len({one.host.id for one in found.placements}) == 1
    kept = [(one.guest, [disk.size for disk in one.disks]) for one in found.promises]
    assert kept == [("a", [GIB, 2 * GIB]), ("b", [3 * GIB]), ("c", [4 * GIB])]


def test_runners_up_are_the_next_best_hosts_with_their_scores() -> None:
    (one,) = answer(
        SCORED, {"name": "n", "cpu": 2, "memory": 10}, strategy="least_loaded", runners_up=2
    ).placements
    assert [(other.host.id, other.score) for other in one.runners_up] == [("h2", 60), ("h3", 60)]
    (one,) = answer(
        SCORED, {"name": "n", "cpu": 2, "memory": 10}, strategy="least_loaded", runners_up=0
    ).placements
    assert one.runners_up == ()


def test_facts_of_a_datastore_that_no_host_has_are_refused_with_those_there_are() -> None:
    facts = {"datastores": ["nas"], "class": "ssd"}
    with pytest.raises(PlanningError, match="no host has a datastore 'nas'") as error:
        answer({"hosts": {"h1": {"datastores": STORES}}}, {"name": "n"}, datastores=[facts])
    assert "Available: own, san" in str(error.value)


TIGHT: dict[str, Any] = {
    "hosts": {"h1": {"memory": 100, "own": {"memory": 10}}, "h2": {"memory": 100, "own": {"memory": 10}}},
    "guests": {
        "a": {"host": "h1", "memory": 30},
        "b": {"host": "h1", "memory": 20},
        "c": {"host": "h2", "memory": 40, "blockers": ["snapshot"]},
    },
}


@pytest.mark.parametrize(
    ("memory", "more", "moves"),
    [
        (40, {}, []),
        (50, {}, [("b", "h2")]),
        (50, {"make_room": False}, None),
        (50, {"policy": {"max_migrations": 0}}, None),
        (60, {}, [("a", "h2")]),
        (61, {}, None),
    ],
)
def test_room_is_made_by_the_fewest_bytes_that_suffice(
    memory: int, more: dict[str, Any], moves: list[tuple[str, str]] | None
) -> None:
    policy = {"limits": {"memory": 90}, **more.get("policy", {})}
    found = answer(TIGHT, {"name": "n", "memory": memory}, **{"make_room": True, **more, "policy": policy})
    if moves is None:
        assert (found.status, found.plan) == ("impossible", None)
        return
    assert found.status == "placed"
    steps = found.plan.migrations if found.plan else ()
    assert [(step.guest.name, step.target) for step in steps] == moves
    for step in steps:
        assert (step.kind, step.why, step.wave, step.after) == ("balance", "makes room for n on h1", 1, ())
    if found.plan:
        assert found.placements[0].host.id == "h1"
        assert found.plan.proof.optimal
        assert found.clusters[0].migrations == len(moves)
        assert "room is made by 1 migration" in found.says
        assert found.plan.policy.goal == "spread"


@pytest.mark.parametrize(("memory", "guest"), [(41, "b"), (49, "b"), (50, "b"), (51, "a"), (60, "a")])
def test_no_two_make_room_where_one_on_a_fuller_host_suffices(memory: int, guest: str) -> None:
    """Less is missing on h2, but the guest that would have to leave there finds no host as things are."""
    short = {**TIGHT, "guests": {**TIGHT["guests"], "c": {"host": "h2", "memory": 40}}}
    found = answer(short, {"name": "n", "memory": memory}, make_room=True, policy={"limits": {"memory": 90}})
    assert found.plan
    assert [(step.guest.name, step.target) for step in found.plan.migrations] == [(guest, "h2")]


def test_what_would_fit_is_said_in_cores_and_gib() -> None:
    policy = {"limits": {"cpu": 90, "memory": 90}}
    found = answer(ONE, {"name": "n", "cpu": 5, "memory": 10}, policy=policy)
    assert list(found.says) == [
        "n: 0 of 2 hosts fit: 1 cpu, 1 maintenance",
        "What would fit: with 10.0 GiB of memory at most 4 cores (h1)",
    ]


def test_a_sibling_under_way_is_met_where_it_is_and_where_it_goes() -> None:
    short = {
        "hosts": {"h1": {}, "h2": {}, "h3": {"own": {"memory": 60}}},
        "guests": {"web1": {"host": "h1", "migrating_to": "h2"}},
    }
    (one,) = answer(short, {"name": "web2", "name_prefix": "anti_affinity"}).placements
    assert one.host.id == "h3"


def test_a_datastore_of_which_nobody_knows_what_is_free_is_the_last_choice() -> None:
    stores = {"a": {"shared": True}, "b": {"shared": True, "capacity": 100 * GIB, "free": 10 * GIB}}
    for size, chosen in ((1, "b"), (11, "a")):
        (one,) = answer(
            {"hosts": {"h1": {"datastores": stores}}}, {"name": "n", "disks": [{"size": size}]}
        ).placements
        assert [disk.datastore for disk in one.disks] == [chosen]


def test_scores_are_rounded_to_thousandths_of_a_point() -> None:
    short = {"hosts": {"h1": {"cpu": 7, "memory": 100}}}
    (one,) = answer(short, {"name": "n", "cpu": 1, "memory": 1}, strategy="least_loaded").placements
    assert one.score == 14.286
    assert one.search is not None
    assert one.search.says == "1 of 1 host fits"
