# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier refuses what relieving and consolidating must not do: each test makes a legal plan
illegal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import (
    Exclusions,
    verify_plan,
)

from .paper_plans import defects as paper
from .paper_plans import step
from .preset_clusters import cluster

RELIEVE = Policy.from_json({"preset": "vmmanager"})
CONSOLIDATE = Policy.from_json({"goal": "consolidate", "consolidate": {"min_hosts": 2, "fill": 60}})
HOT = cluster(
    {
        "hosts": {"n1": {"cpu": 10}, "n2": {"cpu": 10, "version": "7"}, "n3": {"cpu": 10}},
        "guests": {
            "a": {"host": "n1", "vcpus": 69},
            "b": {"host": "n1", "vcpus": 2},
            "c": {"host": "n2", "vcpus": 69},
        },
    }
)
IDLE = cluster(
    {
        "hosts": {"n1": {}, "n2": {}, "n3": {}},
        "guests": {
            "a": {"host": "n1", "memory": 20},
            "b": {"host": "n2", "memory": 30},
            "c": {"host": "n3", "memory": 35},
        },
    }
)


def defects(snapshot: Snapshot, policy: Policy, result: Plan) -> tuple[str, ...]:
    return verify_plan(snapshot, policy, snapshot.rules, result, Exclusions())


def test_plans_of_the_planner_pass() -> None:
    assert defects(HOT, RELIEVE, plan(HOT, RELIEVE)) == ()
    assert defects(IDLE, CONSOLIDATE, plan(IDLE, CONSOLIDATE)) == ()


def test_a_host_that_is_not_overloaded_is_not_relieved() -> None:
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], guest=replace(result.migrations[0].guest, id="c"), source="n2")
    found = defects(HOT, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("n2 is not overloaded" in text for text in found)


def test_no_host_is_overloaded_by_relief() -> None:
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], target="n2")
    found = defects(HOT, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("n2 comes to 710 % vcpu, overloaded" in text for text in found)


def test_no_guest_goes_to_an_older_version() -> None:
    hosts = (replace(host, version="8") if host.id == "n1" else host for host in HOT.hosts)
    newer = replace(HOT, hosts=tuple(hosts))
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], target="n2")
    found = defects(newer, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("the target's version is 7" in text for text in found)


def test_enough_hosts_stay_on() -> None:
    result = plan(IDLE, CONSOLIDATE)
    first = result.migrations[0]
    other = replace(first, step=2, guest=replace(first.guest, id="b", name="b"), source="n2", target="n3")
    found = defects(IDLE, CONSOLIDATE, replace(result, migrations=(replace(first, target="n3"), other)))
    assert any("1 hosts stay on, and 2 shall" in text for text in found)


def test_hosts_are_not_filled_past_what_was_told() -> None:
    tight = replace(CONSOLIDATE, consolidate=replace(CONSOLIDATE.consolidate, fill=45))  # type: ignore[type-var]
    found = defects(IDLE, tight, plan(IDLE, CONSOLIDATE))
    assert any("of memory" in text and "is its limit" in text for text in found)


def test_a_host_that_is_called_empty_is_empty() -> None:
    result = replace(plan(IDLE, CONSOLIDATE), emptied=("n3",))
    assert any("n3 is called empty" in text for text in defects(IDLE, CONSOLIDATE, result))


def relieved(
    overload: dict[str, float],
    *,
    platform: str = "scenario",
    h1: dict[str, Any] | None = None,
    h2: dict[str, Any] | None = None,
    guest: dict[str, Any] | None = None,
    off: dict[str, Any] | None = None,
    before: tuple[Migration, ...] = (),
    **policy: Any,
) -> tuple[str, ...]:
    """A guest of 10 cores, 10 GiB and 5 vCPUs leaves n1 (all of it, and 50 besides) for n2 (20)."""
    snapshot = cluster(
        {
            "hosts": {
                "n1": {"own": {"cpu": 50, "memory": 50}, **(h1 or {})},
                "n2": {"own": {"cpu": 20, "memory": 20}, **(h2 or {})},
                "n3": {},
            },
            "guests": {
                "a": {"host": "n1", "cpu": 10, "memory": 10, "vcpus": 5, **(guest or {})},
                "off": {"host": "n2", "vcpus": 0, "power": "stopped", **(off or {})},
                "late": {"host": "n3", "cpu": 1, "memory": 1},
            },
        }
    )
    steps = (*before, step(1 + len(before), "a", "n1", "n2", kind="relieve"))
    return paper(
        replace(snapshot, platform=platform),
        *steps,
        goal="relieve",
        relieve={"overload": overload},
        limits={"cpu": 100, "memory": 100, "cpu_for_rules": 100, "memory_for_rules": 100},
        **policy,
    )


@pytest.mark.parametrize(
    ("overload", "more", "says"),
    [
        ({"cpu": 59}, {}, ""),
        ({"cpu": 60}, {}, "n1 is not overloaded"),
        ({"memory": 59}, {}, ""),
        ({"memory": 60}, {}, "n1 is not overloaded"),
        ({"vcpus_per_core": 0.04}, {}, "n2 comes to 5 % vcpu"),
        ({"vcpus_per_core": 0.05}, {}, "n1 is not overloaded"),
        # Where one of them is not known, nobody says that it is not overloaded.
        ({"cpu": 60, "memory": 60}, {"h1": {"used": {"cpu": 60, "memory": None}}}, ""),
        ({"cpu": 60}, {"h1": {"used": {"cpu": 61, "memory": None}}}, ""),
        ({"vcpus_per_core": 9}, {"h1": {"capacity": {"cpu": None, "memory": 100 * 2**30}}}, ""),
        # It arrives at 30 %.
        ({"cpu": 30}, {}, ""),
        ({"cpu": 29}, {}, "n2 comes to 30 % cpu, overloaded"),
        ({"memory": 30}, {}, ""),
        ({"memory": 29}, {}, "n2 comes to 30 % memory, overloaded"),
        # What was assigned weighs as the policy says.
        ({"memory": 30}, {"guest": {"given": 20}}, ""),
        ({"memory": 30}, {"guest": {"given": 20}, "demand": "assigned"}, "comes to 40 % memory"),
        ({"memory": 30}, {"guest": {"given": 20}, "demand": "max"}, "comes to 40 % memory"),
        ({"memory": 27}, {"guest": {"given": 5}, "demand": "assigned"}, ""),
        ({"memory": 27}, {"guest": {"given": 5}, "demand": "max"}, "comes to 30 % memory"),
        # Off, it counts on VMmanager alone: its vCPUs always, its memory where that is what counts.
        ({"vcpus_per_core": 0.049}, {"off": {"vcpus": 3}}, "n2 comes to 5 % vcpu"),
        ({"vcpus_per_core": 0.049}, {"platform": "vmmanager"}, "n2 comes to 5 % vcpu"),
        ({"vcpus_per_core": 0.049}, {"off": {"vcpus": 3}, "platform": "vmmanager"}, "n2 comes to 8 % vcpu"),
        ({"memory": 29}, {"off": {"given": 9}, "platform": "vmmanager"}, "n2 comes to 30 % memory"),
        (
            {"memory": 29},
            {"off": {"given": 9}, "platform": "vmmanager", "demand": "assigned"},
            "n2 comes to 39 % memory",
        ),
        ({"cpu": 29}, {"off": {"vcpus": 9}, "platform": "vmmanager"}, "n2 comes to 30 % cpu"),
        # Cores that the hypervisor keeps for itself are not there for vCPUs.
        ({"vcpus_per_core": 0.049}, {"h2": {"reserved": {"cpu": 50}}}, "n2 comes to 10 % vcpu"),
        # What is being migrated already counts where it goes.
        (
            {"cpu": 30},
            {"off": {"host": "n3", "power": "running", "cpu": 4, "migrating_to": "n2"}},
            "34 % cpu",
        ),
        ({"disk_io": 20}, {"h2": {"disk": 100}, "guest": {"disk": 21}}, "n2 comes to 21 % disk_io"),
        ({"disk_io": 21}, {"h2": {"disk": 100}, "guest": {"disk": 21}}, ""),
    ],
)
def test_relief_leaves_only_what_is_overloaded_and_overloads_nobody(
    overload: dict[str, float], more: dict[str, Any], says: str
) -> None:
    found = relieved(overload, **more)
    assert [text for text in found if says in text] == ([*found] if says else [])
    assert bool(found) is bool(says)


def test_a_host_that_others_came_to_meanwhile_may_be_relieved_of_what_was_there() -> None:
    for kind, legal in (("parking", True), ("rule", True), ("relieve", False)):
        first = step(1, "late", "n3", "n1", kind=kind)  # type: ignore[arg-type]
        found = [text for text in relieved({"cpu": 80}, before=(first,)) if "n1 is not overloaded" in text]
        assert (found == []) is legal


def test_what_is_unmeasured_weighs_nothing_and_what_nobody_measures_as_much_as_it_was_given() -> None:
    nothing = {"used": {"cpu": None, "memory": None}, "given": 10}
    fresh = {**nothing, "sources": {"memory": "not_yet_measured", "cpu": "not_yet_measured"}}
    used = {"used": {"cpu": 60, "memory": 60 * 2**30}}
    limits: dict[str, float] = {"memory": 29}
    for guest, percent in ((nothing, 30), (fresh, 20)):
        host = {"used": {"cpu": 20, "memory": 20 * 2**30}}
        found = _ends(guest, used, host, limits)
        assert found == ([f"n2 comes to {percent} % memory, overloaded"] if percent > 29 else [])


def _ends(
    guest: dict[str, Any], home: dict[str, Any], target: dict[str, Any], overload: dict[str, float]
) -> list[str]:
    short = {
        "hosts": {"n1": {}, "n2": {}},
        "guests": {"a": {"host": "n1", "given": guest.get("given", 1)}},
    }
    snapshot = cluster(short)
    first, second = snapshot.hosts
    changes = {key: value for key, value in guest.items() if key != "given"}
    snapshot = replace(
        snapshot,
        hosts=(replace(first, **home), replace(second, **target)),
        guests=(replace(snapshot.guests[0], **changes),),
    )
    move = step(1, "a", "n1", "n2", kind="relieve")
    found = paper(snapshot, move, goal="relieve", relieve={"overload": overload})
    return [text.removeprefix("step 1: ") for text in found]


@pytest.mark.parametrize(
    ("least", "guests", "stays", "says"),
    [
        (1, {"a": "n1", "b": "n2"}, (), ""),
        (2, {"a": "n1", "b": "n2"}, (), "1 hosts stay on, and 2 shall"),
        (2, {"a": "n1", "b": "n2", "c": "n3"}, (), ""),
        (3, {"a": "n1", "b": "n2", "c": "n3"}, (), "2 hosts stay on, and 3 shall"),
        # Nothing is emptied, as somebody stays; unless that one may.
        (2, {"a": "n1", "a2": "n1", "b": "n2"}, (), ""),
        (2, {"a": "n1", "a2": "n1", "b": "n2"}, ("a2",), "1 hosts stay on, and 2 shall"),
    ],
)
def test_as_many_hosts_stay_on_as_are_asked_for(
    least: int, guests: dict[str, str], stays: tuple[str, ...], says: str
) -> None:
    snapshot = cluster(
        {
            "hosts": {"n1": {}, "n2": {}, "n3": {}},
            "guests": {name: {"host": host} for name, host in guests.items()},
        }
    )
    found = paper(
        snapshot,
        step(1, "a", "n1", "n2", kind="consolidate"),
        barred=Exclusions(may_stay=frozenset(stays)),
        goal="consolidate",
        consolidate={"min_hosts": least},
    )
    assert found == ((says,) if says else ())


@pytest.mark.parametrize(
    ("emptied", "other", "says"),
    [
        (("n1",), {}, ""),
        (("n1",), {"host": "n1"}, "n1 is called empty, with 2 guests before and 1 after"),
        (("n1",), {"host": "n1", "platform_managed": True}, ""),
        (("n1",), {"host": "n1", "power": "stopped"}, ""),
        (("n1",), {"host": "n1", "power": "unknown"}, "n1 is called empty, with 2 guests before and 1 after"),
        (("n1",), {"host": "n2", "migrating_to": "n1"}, "n1 is called empty, with 2 guests before and 1"),
        (("n3",), {}, "n3 is called empty, with 0 guests before and 0 after"),
        (("n2",), {}, "n2 is called empty, with 1 guests before and 2 after"),
    ],
)
def test_a_host_is_called_empty_where_all_that_count_have_left(
    emptied: tuple[str, ...], other: dict[str, Any], says: str
) -> None:
    snapshot = cluster(
        {
            "hosts": {"n1": {}, "n2": {}, "n3": {}},
            "guests": {"a": {"host": "n1"}, "b": {"host": "n2"}, **({"c": other} if other else {})},
        }
    )
    found = paper(snapshot, step(1, "a", "n1", "n2", kind="consolidate"), emptied=emptied, goal="consolidate")
    assert [says in text for text in found] == ([True] if says else [])


def test_a_host_in_maintenance_is_emptied_wholly_or_not_begun() -> None:
    guests = {"a": {"host": "n1"}, "b": {"host": "n1"}}
    snapshot = cluster({"hosts": {"n1": {"maintenance": True}, "n2": {}}, "guests": guests})
    one, two = (step(n, guest, "n1", "n2", kind="consolidate") for n, guest in ((1, "a"), (2, "b")))
    assert paper(snapshot, one, two, goal="consolidate") == ()
    assert paper(snapshot, one, goal="consolidate") == ("step 1: n1 keeps 1 guests",)
    assert paper(snapshot, replace(one, kind="evacuate"), goal="consolidate") == ()
