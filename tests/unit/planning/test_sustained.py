# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what has been out of its band for a while is acted on, by the readings of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Reading,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.shortfall import shortfall
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

GIB = 1024**3
NOW = "2026-01-31T22:00:00Z"
MEMORY = {"metrics": ["memory"], "max_spread": 15}
RELIEVE: Mapping[str, Any] = {"goal": "relieve", "relieve": {"overload": {"memory": 70}}}


def guest(number: int, host: str, gib: float = 8, cpu: float = 1) -> Guest:
    return Guest(
        id=f"{number}", name=f"g{number}", kind="vm", host=host, power="running", migratable=True,
        assigned={"cpu": 4, "memory": int(gib * GIB)}, used={"cpu": cpu, "memory": int(gib * GIB)},
    )  # fmt: skip


def cluster(*counts: int, cpu: Sequence[float] = (), rules: Sequence[Rule] = (), **changes: Any) -> Snapshot:
    """Hosts with that many guests of 8 of 100 GiB; by host, the CPU of each of its guests."""
    guests, hosts = [], []
    for index, count in enumerate(counts):
        name = f"h{index + 1}"
        each = cpu[index] if cpu else 1.0
        guests += [guest(len(guests) + number, name, cpu=each) for number in range(count)]
        hosts.append(
            Host(
                id=name,
                name=name,
                status="online",
                maintenance=False,
                schedulable=True,
                capacity={"cpu": 32.0, "memory": 100 * GIB},
                used={"cpu": each * count, "memory": 8 * count * GIB},
            )
        )
    snapshot = Snapshot(
        platform="proxmox", cluster=ClusterRef(id="c", name="c"), taken_at=NOW, window_seconds=0,
        hosts=tuple(hosts), guests=tuple(guests), rules=tuple(rules), readings=(),
    )  # fmt: skip
    return replace(snapshot, **changes)


def read(minutes: float, broken: Sequence[str] = (), **spread: float | None) -> Reading:
    """Before so many minutes; the fullest host is at 80 %."""
    used: dict[str, float | None] = dict.fromkeys(spread, 80.0)
    empty = {metric: 80.0 - (points or 0.0) for metric, points in spread.items()}
    return Reading(
        at=later(NOW, -60 * minutes), window_seconds=0, demand="used", spread=spread,
        hosts={"h1": used, "h2": empty}, broken=tuple(broken),
    )  # fmt: skip


def planned(snapshot: Snapshot, readings: Sequence[Reading] = (), **policy: Any) -> Plan:
    wanted = Policy.from_json({**MEMORY, "sustained": 3, **policy})
    return plan(replace(snapshot, readings=tuple(readings)), wanted)


FULL = cluster(8, 2)


def seen(found: Plan) -> tuple[int, bool]:
    assert found.sustained is not None
    assert found.sustained.seen == max((one.readings for one in found.sustained.out_of_band), default=0)
    return found.sustained.seen, bool(found.migrations)


def test_a_spike_of_one_reading_moves_nobody() -> None:
    found = planned(FULL)
    assert seen(found) == (1, False)
    assert found.status == "unchanged"
    assert not found.proof.optimal
    assert [(item.code, item.subject) for item in found.unresolved] == [("not_sustained", "memory")]
    assert found.waiting() == 1
    assert found.unresolved[0].why.startswith(
        "out of band in 1 of 3 consecutive readings: no guest is migrated for it yet; 48.0 points"
    )
    assert found.notices[-1] == (
        "spread of memory: out of band in 1 of 3 consecutive readings: no guest is migrated for it yet"
    )
    assert found.policy.max_spread == 15, "the plan says what the user wants"


def test_it_acts_when_there_were_enough() -> None:
    assert seen(planned(FULL, [read(10, memory=40.0)])) == (2, False)
    found = planned(FULL, [read(10, memory=40.0), read(20, memory=30.0)])
    assert seen(found) == (3, True)
    assert found.status == "balanced"
    assert found.sustained is not None
    (part,) = found.sustained.out_of_band
    assert (part.what, part.subject, part.since, part.waits) == (
        "spread of memory", "memory", "2026-01-31T21:40:00Z", False,
    )  # fmt: skip
    assert found.notices[-1] == (
        "spread of memory: out of band in 3 of 3 consecutive readings, since 2026-01-31T21:40:00Z"
    )
    without = plan(FULL, Policy.from_json(MEMORY))
    assert found.migrations == without.migrations
    assert found.proof == without.proof
    assert without.sustained is None


def test_one_reading_inside_starts_the_count_anew() -> None:
    readings = [read(10, memory=40.0), read(20, memory=14.0), read(30, memory=40.0), read(40, memory=40.0)]
    assert seen(planned(FULL, readings)) == (2, False)


def test_inside_of_the_band_nothing_waits() -> None:
    found = planned(cluster(5, 5), [read(10, memory=40.0)])
    assert seen(found) == (0, False)
    assert (found.status, found.unresolved, found.notices) == ("balanced", (), ())


def test_the_present_policy_says_what_was_out() -> None:
    readings = [read(10, memory=40.0), read(20, memory=30.0)]
    assert seen(planned(FULL, readings, max_spread=35)) == (2, False)
    # Nobody was above 85 %, and nobody is.
    assert seen(planned(FULL, readings, level_above=85)) == (0, False)
    assert seen(planned(FULL, readings, level_above=60)) == (3, True)


@pytest.mark.parametrize(
    "other",
    [
        read(0.5, memory=40.0),
        read(-30, memory=40.0),
        read(0, memory=40.0),
        replace(read(10, memory=40.0), demand="assigned"),
        replace(read(10, memory=40.0), window_seconds=3600),
        read(10, cpu=40.0),
        read(10, memory=None),
    ],
)
def test_what_is_no_other_reading_of_the_same_does_not_count(other: Reading) -> None:
    assert seen(planned(FULL, [other, read(20, memory=40.0)])) == (2, False)


def test_readings_of_one_run_count_once_but_may_be_inside() -> None:
    again = [read(10, memory=40.0), read(10.5, memory=40.0), read(10.9, memory=40.0)]
    assert seen(planned(FULL, again)) == (2, False)
    assert seen(planned(FULL, [read(10, memory=40.0), read(10.5, memory=3.0), read(20, memory=40.0)])) == (
        2,
        False,
    )


def test_readings_in_any_order_are_the_same() -> None:
    readings = [read(20, memory=40.0), read(10, memory=40.0)]
    assert planned(FULL, readings).migrations == planned(FULL, readings[::-1]).migrations


def test_readings_that_are_far_apart_are_not_consecutive() -> None:
    days = 24 * 60
    assert seen(planned(FULL, [read(1.9 * days, memory=40.0), read(3.8 * days, memory=40.0)])) == (3, True)
    found = planned(FULL, [read(2.1 * days, memory=40.0)])
    assert seen(found) == (1, False)
    assert (
        "(the reading of 2026-01-29T19:36:00Z does not count, because it is more than 2 d before the next)"
        in found.unresolved[0].why
    )


def test_for_a_time() -> None:
    wants: Mapping[str, Any] = {"sustained": 1, "sustained_for": 3600}
    assert seen(planned(FULL, [read(30, memory=40.0)], **wants)) == (2, False)
    assert seen(planned(FULL, [read(30, memory=40.0), read(60, memory=40.0)], **wants)) == (3, True)
    # A gap of which nobody knows anything does not count.
    found = planned(FULL, [read(95, memory=40.0)], **wants)
    assert seen(found) == (1, False)
    assert found.notices[-1] == (
        "spread of memory: out of band in 1 consecutive reading, for 0 s of 1 h: no guest is migrated for it"
        " yet (the reading of 2026-01-31T20:25:00Z does not count, because it is more than 1.5 h before the"
        " next)"
    )
    both = {**wants, "sustained": 3}
    assert seen(planned(FULL, [read(61, memory=40.0)], **both)) == (2, False)


def test_each_metric_has_its_own_count() -> None:
    wants = {"metrics": ["cpu", "memory"]}
    spike = cluster(8, 2, cpu=(3, 1))
    # By memory they act, and CPU is no worse for it.
    long = [read(10, cpu=1.0, memory=40.0), read(20, cpu=1.0, memory=40.0)]
    found = planned(spike, long, **wants)
    assert found.migrations
    assert found.sustained is not None
    assert {part.subject: (part.readings, part.waits) for part in found.sustained.out_of_band} == {
        "cpu": (1, True), "memory": (3, False),
    }  # fmt: skip
    assert (found.after.spread["memory"] or 0.0) <= 15
    assert (found.after.spread["cpu"] or 0.0) <= (found.before.spread["cpu"] or 0.0)
    # Two metrics by turns are two spikes.
    turns = [read(10, cpu=40.0, memory=1.0), read(20, cpu=1.0, memory=40.0)]
    assert seen(planned(spike, turns, **wants)) == (2, False)


APART = Rule(name="apart", kind="anti_affinity", guests=("0", "1"), strict=True, source="test")


def test_rules_do_not_wait_and_hosts_are_not_levelled_meanwhile() -> None:
    found = planned(cluster(8, 2, rules=[APART]))
    assert [step.kind for step in found.migrations] == ["rule"]
    assert found.status == "improved"
    assert [item.code for item in found.unresolved] == ["not_sustained"]
    assert found.after.violations == ()


def test_rules_wait_where_they_are_not_excepted() -> None:
    both = cluster(8, 2, rules=[APART])
    found = planned(both, sustained_except=[])
    assert found.migrations == ()
    assert sorted(item.subject for item in found.unresolved) == ["apart", "memory"]
    assert {item.code for item in found.unresolved} == {"not_sustained"}
    long = [read(10, broken=["apart"], memory=1.0), read(20, broken=["apart"], memory=1.0)]
    found = planned(both, long, sustained_except=[])
    assert [step.kind for step in found.migrations] == ["rule"]
    assert found.sustained is not None
    assert {part.subject: part.waits for part in found.sustained.out_of_band} == {
        "apart": False, "memory": True,
    }  # fmt: skip
    other = [read(10, broken=["other"], memory=1.0), read(20, broken=["other"], memory=1.0)]
    assert planned(both, other, sustained_except=[]).migrations == ()
    only = planned(cluster(5, 5, rules=[APART]), goal="rules", max_spread=None, sustained_except=[])
    assert (only.migrations, only.waiting()) == ((), 1)
    assert planned(cluster(5, 5, rules=[APART]), goal="rules", max_spread=None).migrations


@pytest.mark.parametrize("excepted", [["rules"], []])
def test_a_host_in_maintenance_is_emptied_at_once(excepted: list[str]) -> None:
    snapshot = cluster(3, 1, 9, rules=[replace(APART, guests=("4", "5"))])
    hosts = (replace(snapshot.hosts[0], maintenance=True), *snapshot.hosts[1:])
    found = planned(replace(snapshot, hosts=hosts), sustained_except=excepted)
    kinds = [step.kind for step in found.migrations]
    assert kinds.count("evacuate") == 3
    assert len(kinds) - 3 == (1 if excepted else 0)
    assert found.waiting() == (1 if excepted else 2)


def test_an_overloaded_host_does_not_wait_where_that_is_excepted() -> None:
    hot = cluster(12, 2)
    assert planned(hot).migrations == ()
    found = planned(hot, sustained_except=["rules", "overload"])
    assert found.migrations
    assert found.notices[-1] == (
        "spread of memory: out of band in 1 of 3 consecutive readings; it does not wait, because h1 exceeds"
        " its limit"
    )
    # It is nearly full, but no more.
    assert planned(cluster(11, 2), sustained_except=["overload"]).migrations == ()


def hosts_at(minutes: float, **used: float) -> Reading:
    return replace(
        read(minutes, memory=50.0), hosts={host: {"memory": value} for host, value in used.items()}
    )


def test_each_overloaded_host_has_its_own_count() -> None:
    wants = {**RELIEVE, "metrics": ["memory"], "max_spread": None}
    hot = cluster(10, 10, 1, 1)
    long = [hosts_at(10, h1=80, h2=50, h3=8, h4=8), hosts_at(20, h1=80, h2=80, h3=8, h4=8)]
    found = planned(hot, long, **wants)
    assert {step.source for step in found.migrations} == {"h1"}
    assert [(item.code, item.subject) for item in found.unresolved] == [("not_sustained", "h2")]
    assert found.unresolved[0].why.startswith(
        "out of band in 1 of 3 consecutive readings: no guest is migrated"
    )
    assert found.status == "improved"
    nobody = planned(hot, long[:1], **wants)
    assert (nobody.migrations, nobody.waiting()) == ((), 2)
    everybody = planned(hot, [hosts_at(10, h1=80, h2=80), hosts_at(20, h1=80, h2=80)], **wants)
    assert {step.source for step in everybody.migrations} == {"h1", "h2"}
    full = planned(cluster(12, 10, 1, 1), [], **wants, sustained_except=["overload"])
    assert {step.source for step in full.migrations} == {"h1"}


def test_goals_that_the_user_asks_for_do_not_wait() -> None:
    found = planned(replace(FULL, readings=None), goal="evacuate", evacuate={"names": ["h2"]})
    assert found.migrations
    assert found.sustained is None
    bare = plan(
        replace(FULL, readings=None),
        Policy.from_json({"goal": "consolidate", "sustained": 3, "metrics": ["memory"]}),
    )
    assert bare.sustained is None


def test_nobody_plans_by_readings_that_nobody_has_seen() -> None:
    for wants, option in ({"sustained": 2}, "sustained"), ({"sustained_for": 60}, "sustained_for"):
        with pytest.raises(PlanningError, match=f"{option}: the readings of earlier runs are required"):
            plan(replace(cluster(5, 5), readings=None), Policy.from_json({**MEMORY, **wants}))


def test_another_balancer_comes_first() -> None:
    found = planned(replace(FULL, other_balancers=("DRS",)))
    assert (found.sustained, found.unresolved[0].code) == (None, "other_balancer")


def test_what_waits_is_not_in_order() -> None:
    """As the run says it afterwards."""
    found = planned(cluster(8, 2, rules=[APART]))
    left = shortfall(snapshot_after(cluster(8, 2, rules=[APART]), found), found.policy)
    assert [item.code for item in left] == ["spread_exceeded"]


@pytest.mark.parametrize("seed", range(3))
def test_what_waits_gets_no_worse_and_what_acts_is_levelled(seed: int) -> None:
    """On generated clusters, with rules: for each of two metrics by turns the readings are long enough."""
    snapshot = generate(Shape(hosts=4, guests=16, seed=seed))
    limits = {"cpu": 10, "memory": 10}
    wants = {"metrics": ["cpu", "memory"], "max_spread": limits, "effort": 1, "sustained": 2}
    for long in ("cpu", "memory", None):
        past = Reading(
            at=later(snapshot.taken_at, -600), window_seconds=snapshot.window_seconds, demand="used",
            spread={metric: 50.0 if metric == long else 0.0 for metric in limits},
            hosts={host.id: {"cpu": 50.0, "memory": 50.0} for host in snapshot.hosts},
        )  # fmt: skip
        found = plan(replace(snapshot, readings=(past,)), Policy.from_json(wants))
        assert found.sustained is not None
        for part in found.sustained.out_of_band:
            before, after = (state.spread[part.subject] or 0.0 for state in (found.before, found.after))
            assert part.waits == (part.subject != long)
            if part.waits:
                assert after <= before + 0.01
            elif found.status == "balanced":
                assert after <= limits[part.subject] + 0.01
        waits = {part.subject for part in found.sustained.out_of_band if part.waits}
        told = {item.subject for item in found.unresolved if item.code == "not_sustained"}
        assert told <= waits
        assert found.status != "balanced" or not told
        if long is None and not found.before.violations:
            assert {step.kind for step in found.migrations} <= {"evacuate"}


def test_plans_come_back_from_json() -> None:
    found = planned(FULL, [read(10, memory=40.0)])
    assert Plan.from_json(found.to_json()) == found
    snapshot = replace(FULL, readings=(read(10, memory=40.0),))
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


@pytest.mark.parametrize(
    "wrong", [{"sustained": 0}, {"sustained_for": -1}, {"sustained_except": ["rules", "rules"]}]
)
def test_wrong_options(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Policy.from_json({**MEMORY, **wrong})
