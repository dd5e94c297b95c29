# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot file behaves as a cluster: it refuses, has migrations under way, and agrees with the planner on
what a migration does to the loads.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import snapshot_after_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Refusal,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import NotFound, Refused
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

GIB = 1024**3
# To shrink an example takes minutes: each plans twice.
EXAMPLES = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def host(name: str, **changes: Any) -> Host:
    plain = Host(
        id=name,
        name=name,
        status="online",
        maintenance=False,
        schedulable=True,
        capacity={"cpu": 16, "memory": 64 * GIB},
        used={"cpu": 4, "memory": 32 * GIB, "storage": 100 * GIB},
        pressure={"cpu": 10.0},
        datastores={
            "san": HostDatastore(shared=True),
            "local": HostDatastore(shared=False, capacity=500 * GIB, free=400 * GIB),
        },
    )
    return replace(plain, **changes)


def guest(name: str, place: str, **changes: Any) -> Guest:
    plain = Guest(
        id=name,
        name=f"guest{name}",
        kind="vm",
        host=place,
        power="running",
        assigned={"cpu": 4, "memory": 16 * GIB},
        used={"cpu": 2, "memory": 8 * GIB},
        disks=(Disk(datastore="san", size=GIB),),
        migratable=True,
    )
    return replace(plain, **changes)


def cluster(*guests: Guest, hosts: tuple[Host, ...] = (host("a"), host("b")), **changes: Any) -> Snapshot:
    plain = Snapshot(
        platform="rehearsal",
        cluster=ClusterRef(id="c", name="prod"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=3600,
        hosts=hosts,
        guests=guests,
        rules=(),
    )
    return replace(plain, **changes)


def rehearsal(folder: Path, snapshot: Snapshot) -> RehearsalPlatform:
    path = folder / "cluster.json"
    path.write_text(json.dumps(snapshot.to_json()))
    return RehearsalPlatform(str(path))


def request(name: str, source: str, target: str) -> MigrationRequest:
    return MigrationRequest(guest=name, source=source, target=target)


def test_the_whole_snapshot_is_given_back(tmp_path: Path) -> None:
    snapshot = cluster(
        guest("1", "a", run_state="paused", cpu_features=("avx2",), targets=("b",)),
        guest("2", "a", used={"cpu": None, "memory": None}, sources={"cpu": "not_yet_measured"}),
        guest("3", "a", platform_managed=True),
        hosts=(host("a"), host("b", cpu_features=("avx2",), closed_because="no VMkernel port")),
    )
    assert rehearsal(tmp_path, snapshot).read() == snapshot


def test_a_refusal_that_is_to_come_is_not_seen_before_the_platform_is_asked(tmp_path: Path) -> None:
    past = Refusal(guest="1", host="b", why="no licence", at="2026-11-20T21:00:00Z")
    future = Refusal(guest="2", host="b", why="the adapter is not supported", at="2099-01-01T00:00:00Z")
    platform = rehearsal(tmp_path, cluster(guest("1", "a"), guest("2", "a"), refusals=(past, future)))
    assert platform.read().refusals == (past,)
    assert str(platform.prepare(request("1", "a", "b")).objection) == "no licence"
    assert str(platform.prepare(request("2", "a", "b")).objection) == "the adapter is not supported"
    with pytest.raises(Refused, match="adapter is not supported"):
        platform.start(platform.prepare(request("2", "a", "b")))
    # What is still to come stays in the file.
    platform.set_maintenance("b", on=True, timeout=1)
    platform.set_maintenance("b", on=False, timeout=1)
    assert str(platform.prepare(request("2", "a", "b")).objection) == "the adapter is not supported"


@pytest.mark.parametrize(
    ("changes", "target", "why", "passing"),
    [
        ({"targets": ("c", "d")}, {}, "the guest can be migrated to c, d only", False),
        ({"migratable": False, "blockers": ("locked",)}, {}, "can't be migrated: locked", True),
        ({"migratable": False, "blockers": ("locked", "snapshot")}, {}, "locked, snapshot", False),
        ({"cpu_features": ("avx2", "sse4")}, {"cpu_features": ("sse4",)}, "b lacks CPU feature avx2", False),
        (
            {},
            {"schedulable": False, "closed_because": "no VMkernel port"},
            "schedulable (no VMkernel port)",
            True,
        ),
        ({"migrating_to": "b"}, {}, "it is being migrated to b", True),
        (
            {"used": {"cpu": None, "memory": None}},
            {"used": {"memory": 56 * GIB}},
            "no room for 17179869184",
            True,
        ),
    ],
)
def test_what_a_real_cluster_would_refuse(
    changes: dict[str, Any], target: dict[str, Any], why: str, passing: bool, tmp_path: Path
) -> None:
    snapshot = cluster(guest("1", "a", **changes), hosts=(host("a"), host("b", **target)))
    objection = rehearsal(tmp_path, snapshot).prepare(request("1", "a", "b")).objection
    assert objection is not None
    assert why in objection.why
    assert objection.passing is passing


def test_a_migration_under_way_ends_when_it_is_followed(tmp_path: Path) -> None:
    platform = rehearsal(tmp_path, cluster(guest("1", "a", migrating_to="b"), guest("2", "a")))
    assert platform.look(["1", "2"]).guests["1"].busy == "it is being migrated to b"
    assert platform.look(["1", "2"]).guests["2"].busy is None
    assert platform.find(request("2", "a", "b")) is None
    wanted = request("1", "a", "b")
    task = platform.find(wanted)
    assert task is not None
    assert platform.poll({task: wanted})[task].state == "migrated"
    after = platform.read()
    assert (after.guests[0].host, after.guests[0].migrating_to) == ("b", None)
    assert [entry.used["memory"] for entry in after.hosts] == [24 * GIB, 40 * GIB]


def test_a_migration_under_way_may_go_elsewhere_or_be_cancelled(tmp_path: Path) -> None:
    hosts = (host("a"), host("b"), host("c"))
    platform = rehearsal(
        tmp_path,
        cluster(guest("1", "a", migrating_to="b"), guest("2", "a", migrating_to="b"), hosts=hosts),
    )
    wanted, other = request("1", "a", "c"), request("2", "a", "b")
    task, cancelled = platform.find(wanted), platform.find(other)
    assert task is not None
    assert cancelled is not None
    platform.cancel(cancelled)
    assert (platform.look(["2"]).guests["2"].busy, platform.find(other)) == (None, None)
    state = platform.poll({task: wanted})[task]
    assert (state.state, state.why) == ("failed", "the guest is on b")


def test_disks_that_go_to_another_datastore_are_found_there(tmp_path: Path) -> None:
    fast = {**host("b").datastores, "fast": HostDatastore(shared=False, capacity=100 * GIB, free=90 * GIB)}
    disks = (Disk(datastore="local", size=10 * GIB), Disk(datastore="san", size=GIB))
    platform = rehearsal(
        tmp_path, cluster(guest("1", "a", disks=disks), hosts=(host("a"), host("b", datastores=fast)))
    )
    wanted = replace(request("1", "a", "b"), storage={"local": "fast"})
    assert (
        str(platform.prepare(replace(wanted, storage={"local": "slow"})).objection)
        == "b lacks datastore slow"
    )
    platform.start(platform.prepare(wanted))
    after = platform.read()
    assert [disk.datastore for disk in after.guests[0].disks] == ["fast", "san"]
    assert after.hosts[0].datastores["local"].free == 410 * GIB
    free = {name: place.free for name, place in after.hosts[1].datastores.items()}
    assert free == {"san": None, "local": 400 * GIB, "fast": 80 * GIB}
    assert [entry.used["storage"] for entry in after.hosts] == [90 * GIB, 110 * GIB]


def test_a_guest_that_is_shut_down_gives_back_what_it_used_and_keeps_its_disks(tmp_path: Path) -> None:
    platform = rehearsal(
        tmp_path, cluster(guest("1", "a", disks=(Disk(datastore="local", size=10 * GIB),)), guest("2", "a"))
    )
    platform.shut_down("1", timeout=1)
    after = platform.read()
    off = after.guests[0]
    assert (off.power, off.host, off.is_on_host) == ("stopped", "a", False)
    assert (after.hosts[0].used["memory"], after.hosts[0].used["cpu"]) == (24 * GIB, 2)
    assert after.hosts[0].datastores["local"].free == 400 * GIB
    assert after.hosts[0].used["storage"] == 100 * GIB
    assert len(after.hosts) == 2
    platform.shut_down("1", timeout=1)
    assert platform.read() == after
    with pytest.raises(NotFound, match="no guest 9"):
        platform.shut_down("9", timeout=1)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"run_state": "paused"}, "paused"),
        ({"power": "unknown"}, "unknown"),
        ({"migrating_to": "b"}, "migrated"),
    ],
)
def test_a_guest_that_can_not_be_asked_to_shut_down(
    changes: dict[str, Any], state: str, tmp_path: Path
) -> None:
    platform = rehearsal(tmp_path, cluster(guest("1", "a", **changes)))
    with pytest.raises(Refused, match=state):
        platform.shut_down("1", timeout=1)


def test_the_platforms_own_agents_are_shut_down_when_their_host_enters_maintenance(tmp_path: Path) -> None:
    platform = rehearsal(
        tmp_path, cluster(guest("1", "a", platform_managed=True), guest("2", "a"), guest("3", "b"))
    )
    platform.set_maintenance("a", on=True, timeout=1)
    assert [entry.power for entry in platform.read().guests] == ["stopped", "running", "running"]
    assert platform.in_maintenance("a")


@st.composite
def rehearsed(draw: st.DrawFn) -> Snapshot:
    """Generated clusters with pressures, disks on local datastores, and loads that were not measured."""
    snapshot = generate(
        Shape(
            hosts=draw(st.integers(2, 6)),
            guests=draw(st.integers(4, 16)),
            seed=draw(st.integers(0, 10**6)),
            fill=draw(st.sampled_from([0.4, 0.6, 0.75])),
            fixed=0.1,
        )
    )
    local = draw(st.sampled_from([0, 3]))
    unmeasured = draw(st.sampled_from([0, 5]))
    guests = tuple(
        replace(
            item,
            disks=(Disk(datastore="local", size=GIB),) if local and index % local == 0 else item.disks,
            used={**item.used, "cpu": None} if unmeasured and index % unmeasured == 1 else item.used,
        )
        for index, item in enumerate(snapshot.guests)
    )
    more = dict.fromkeys((item.id for item in snapshot.hosts), 0.0)
    for old, new in zip(snapshot.guests, guests, strict=True):
        # What stands for a use that was not measured is within what its host was measured to use.
        if new.used["cpu"] is None:
            more[old.host] += (old.assigned["cpu"] or 0.0) - (old.used["cpu"] or 0.0)
    places = {"local": HostDatastore(shared=False, capacity=1000 * GIB, free=500 * GIB)}
    hosts = tuple(
        replace(
            item,
            datastores={**item.datastores, **places},
            used={**item.used, "cpu": (item.used["cpu"] or 0.0) + more[item.id], "storage": 500 * GIB},
            capacity={**item.capacity, "storage": 1000 * GIB},
            pressure={"cpu": 5.0 * index, "memory": 0.5, "io": None},
        )
        for index, item in enumerate(snapshot.hosts)
    )
    return replace(snapshot, hosts=hosts, guests=guests)


@EXAMPLES
@given(rehearsed(), st.integers(1, 5), st.booleans())
def test_a_plan_that_was_rehearsed_leaves_nothing_to_do(
    snapshot: Snapshot, aggressiveness: int, storage: bool
) -> None:
    metrics = ("cpu", "memory", "storage") if storage else ("cpu", "memory")
    policy = Policy(aggressiveness=aggressiveness, metrics=metrics, effort=4)
    first = plan(snapshot, policy)
    event(f"{min(len(first.migrations), 5)} migrations or more")
    with tempfile.TemporaryDirectory() as folder:
        platform = rehearsal(Path(folder), snapshot)
        for step in first.migrations:
            wanted = request(step.guest.id, step.source, step.target)
            prepared = platform.prepare(wanted)
            assert prepared.objection is None
            assert platform.poll({platform.start(prepared): wanted}).values()
        after = platform.read()
    assert plan(after, policy).migrations == ()
    expected = snapshot_after(snapshot, first)
    for found, planned in zip(after.hosts, expected.hosts, strict=True):
        assert found.used == pytest.approx(planned.used)
        assert found.datastores == planned.datastores
    assert after.guests == expected.guests


@EXAMPLES
@given(rehearsed(), st.randoms(use_true_random=False))
def test_there_and_back_is_as_before(snapshot: Snapshot, rng: Any) -> None:
    going = {item.id: rng.choice(snapshot.hosts).id for item in snapshot.guests if rng.random() < 0.3}
    assume(going)
    away = snapshot_after_moves(snapshot, going)
    back = snapshot_after_moves(away, {item.id: item.host for item in snapshot.guests})
    assert back.guests == snapshot.guests
    for found, before in zip(back.hosts, snapshot.hosts, strict=True):
        assert found.datastores == before.datastores
        assert found.used == pytest.approx(before.used, abs=1e-6)
