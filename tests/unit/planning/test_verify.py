# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier refuses what must not happen: each test makes one legal plan illegal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef, Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import (
    Exclusions,
    verify_plan,
)

from .test_scenarios import cluster

RULES = Policy(goal="rules")
FULL_HOST = cluster(
    {
        "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}, "h3": {"memory": 100}},
        "guests": {
            "pinned": {"host": "h1", "memory": 40},
            "fills": {"host": "h2", "memory": 60},
            "rest": {"host": "h2", "memory": 30, "blockers": ["snapshot"]},
        },
        "rules": {"licence": {"kind": "host_affinity", "guests": ["pinned"], "hosts": ["h2"]}},
    }
)
SIBLINGS = cluster(
    {
        "hosts": {"h1": {}, "h2": {}, "h3": {}},
        "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}, "c": {"host": "h1"}},
        "rules": {"far": {"kind": "anti_affinity", "guests": ["a", "b", "c"]}},
    }
)


def defects(snapshot: Snapshot, result: Plan, barred: Exclusions | None = None) -> tuple[str, ...]:
    return verify_plan(snapshot, RULES, snapshot.rules, result, barred or Exclusions())


def with_migrations(result: Plan, migrations: Sequence[Migration]) -> Plan:
    return replace(result, migrations=tuple(migrations))


def one(result: Plan, guest: str, target: str) -> Plan:
    """The plan with one migration only: this guest to this host."""
    first = result.migrations[0]
    home = next(m.source for m in result.migrations if m.guest.id == guest)
    ref = next(m.guest for m in result.migrations if m.guest.id == guest)
    return with_migrations(
        result, [replace(first, step=1, wave=1, after=(), guest=ref, source=home, target=target)]
    )


def test_a_plan_of_the_planner_passes() -> None:
    assert defects(FULL_HOST, plan(FULL_HOST, RULES)) == ()


def test_room_that_is_not_there_yet() -> None:
    result = plan(FULL_HOST, RULES)
    hurried = [replace(migration, after=()) for migration in result.migrations]
    assert any("memory" in text for text in defects(FULL_HOST, with_migrations(result, hurried)))


def test_a_host_that_is_too_full_to_begin_with() -> None:
    """80 is the limit, and there are 90: nothing may come before enough has left, even below 90."""
    asked = Policy.from_json({"metrics": ["memory"], "max_spread": 10, "limits": {"memory": 80}})
    crowded = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}},
            "guests": {
                "large": {"host": "h1", "memory": 30},
                "stays": {"host": "h1", "memory": 60, "blockers": ["snapshot"]},
                "small": {"host": "h2", "memory": 10},
                "other": {"host": "h2", "memory": 35, "blockers": ["snapshot"]},
            },
        }
    )
    result = plan(crowded, asked)
    away = next(m for m in result.migrations if m.guest.id == "large")
    back = replace(away, step=2, wave=2, guest=replace(away.guest, id="small"), source="h2", target="h1")
    for after, legal in (((), False), ((1,), True)):
        both = with_migrations(result, [replace(away, step=1, after=()), replace(back, after=after)])
        found = verify_plan(crowded, replace(asked, goal="rules"), (), both, Exclusions())
        assert any("of memory" in text for text in found) is not legal


def onwards(snapshot: Snapshot, guest: str, target: str) -> tuple[Snapshot, Plan]:
    """The cluster after its plan, when every rule holds, and a plan that sends this guest on from there."""
    result = plan(snapshot, RULES)
    step = next(m for m in result.migrations if m.guest.id == guest)
    further = replace(step, step=1, wave=1, after=(), source=step.target, target=target)
    return snapshot_after(snapshot, result), with_migrations(result, [further])


def test_a_sibling_that_is_still_there() -> None:
    guest = plan(SIBLINGS, RULES).migrations[0].guest.id
    assert any("can meet on h2" in text for text in defects(*onwards(SIBLINGS, guest, "h2")))


def test_siblings_that_are_together_already_and_more_of_them() -> None:
    """One that leaves may wait beside another where as many were together before, but no two."""
    crowded = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}, "h4": {}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}, "c": {"host": "h2"}, "d": {"host": "h3"}},
            "rules": {"far": {"kind": "anti_affinity", "guests": ["a", "b", "c", "d"]}},
        }
    )
    result = plan(crowded, RULES)
    first = replace(result.migrations[0], step=1, wave=1, after=())
    away = replace(first, target="h2", kind="parking")
    then = replace(first, step=2, wave=2, after=(1,), source="h2", target="h4")
    other = replace(then, guest=GuestRef(id="d", name="d"), source="h3", target="h2", after=())
    assert defects(crowded, with_migrations(result, [away, then])) == ()
    found = defects(crowded, with_migrations(result, [away, replace(other, wave=1), replace(then, step=3)]))
    assert any("h2 can come to have 3 of its guests" in text for text in found)


def test_a_host_that_the_rule_does_not_allow() -> None:
    assert any("rule licence" in text for text in defects(*onwards(FULL_HOST, "pinned", "h3")))


def test_a_guest_whose_rule_is_broken_may_wait_where_it_stays_so() -> None:
    result = plan(FULL_HOST, RULES)
    assert defects(FULL_HOST, one(result, "pinned", "h3")) == ()


def test_partners_go_on_only_when_all_are_there() -> None:
    pair = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}},
            "rules": {"near": {"kind": "affinity", "guests": ["a", "b"]}},
        }
    )
    template = plan(FULL_HOST, RULES).migrations[0]

    def step(number: int, guest: str, source: str, target: str, *after: int) -> Migration:
        ref = GuestRef(id=guest, name=guest)
        wave = 1 + max(after, default=0)
        return replace(template, step=number, wave=wave, guest=ref, source=source, target=target, after=after)

    first = [step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2", 1)]
    on = [step(3, "a", "h2", "h3", 1, 2), step(4, "b", "h2", "h3", 3)]
    ahead = [step(1, "a", "h1", "h2"), step(2, "a", "h2", "h3", 1), step(3, "b", "h1", "h2", 2)]
    base = plan(pair, RULES)
    assert defects(pair, with_migrations(base, first + on)) == ()
    found = defects(pair, with_migrations(base, [*ahead, step(4, "b", "h2", "h3", 3)]))
    assert any("before all are together again" in text for text in found)


def test_more_migrations_than_there_may_be() -> None:
    result = plan(FULL_HOST, RULES)
    fewer = replace(RULES, max_migrations=len(result.migrations) - 1)
    found = verify_plan(FULL_HOST, fewer, FULL_HOST.rules, result, Exclusions())
    assert any("max_migrations" in text for text in found)


def test_a_guest_that_is_elsewhere() -> None:
    result = plan(SIBLINGS, RULES)
    wrong = [replace(result.migrations[0], source="h3", target="h1")]
    assert any("the guest is on h1" in text for text in defects(SIBLINGS, with_migrations(result, wrong)))


def test_waves_that_do_not_respect_after() -> None:
    result = plan(FULL_HOST, RULES)
    flat = [replace(migration, wave=1) for migration in result.migrations]
    assert any("later wave" in text for text in defects(FULL_HOST, with_migrations(result, flat)))


def test_what_the_policy_excludes() -> None:
    result = plan(SIBLINGS, RULES)
    moved = result.migrations[0]
    for barred in (
        Exclusions(guests=frozenset({moved.guest.id})),
        Exclusions(sources=frozenset({moved.source})),
        Exclusions(targets=frozenset({moved.target})),
    ):
        assert defects(SIBLINGS, result, barred)


def test_waiting_where_nobody_may_stay() -> None:
    """Only by a detour, only on a host that is called a shelter, and never for good."""
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}, "h3": {"memory": 100}},
            "guests": {
                "a": {"host": "h1", "memory": 50},
                "b": {"host": "h2", "memory": 50},
                "card": {"host": "h1", "memory": 10, "blockers": ["passthrough_device"]},
                "other": {"host": "h2", "memory": 10, "blockers": ["passthrough_device"]},
            },
            "rules": {"licence": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]}},
        }
    )
    result = plan(snapshot, Policy(goal="consolidate"))
    away, _there, back = result.migrations
    assert (away.kind, away.target, back.source) == ("parking", "h3", "h3")
    shut = replace(
        snapshot, hosts=tuple(replace(host, maintenance=host.id == "h3") for host in snapshot.hosts)
    )
    shelter = Exclusions(shelters=frozenset({"h3"}))
    assert defects(shut, result, shelter) == ()
    assert any("takes no guests" in text for text in defects(shut, result))
    named = with_migrations(result, [replace(away, kind="rule"), *result.migrations[1:]])
    assert any("takes no guests" in text for text in defects(shut, named, shelter))
    for_good = with_migrations(result, result.migrations[:-1])
    assert any("may only wait" in text for text in defects(shut, for_good, shelter))


def test_partners_that_the_platform_moves_along() -> None:
    """One that goes alone takes the others with it: they must be there, or go there too, and at once."""
    split = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}, "c": {"host": "h2"}, "d": {"host": "h3"}},
            "rules": {
                "pair": {"kind": "affinity", "guests": ["a", "b"], "source": "ha-rule:pair"},
                "tied": {"kind": "affinity", "guests": ["b", "c"], "source": "ha-rule:tied"},
            },
        }
    )
    result = plan(split, RULES)
    assert [(m.guest.id, m.target) for m in result.migrations] == [("a", "h2")]
    assert defects(split, result) == ()
    (alone,) = one(result, "a", "h3").migrations
    assert defects(split, with_migrations(result, [alone])) == (
        "rule pair: step 1 takes b, c along to h3, where the plan does not want them",
    )

    def moved(guest: str, step: int, target: str = "h3") -> Migration:
        ref = replace(alone.guest, id=guest, name=guest)
        home = next(item.host for item in split.guests if item.id == guest)
        return replace(alone, step=step, guest=ref, source=home, target=target)

    everyone = [alone, moved("b", 2), moved("c", 3)]
    assert defects(split, with_migrations(result, everyone)) == ()
    first = moved("d", 1, target="h1")
    later = [replace(step, step=step.step + 1, wave=2, after=(1,)) for step in everyone]
    assert defects(split, with_migrations(result, [first, *later])) == ()
    hurried = [first, *later[:2], replace(later[2], wave=1, after=())]
    assert defects(split, with_migrations(result, hurried)) == (
        "rule pair: its guests go at once, and come after different steps",
    )
    again = replace(later[0], step=5, wave=3, source="h3", target="h1", after=(2,))
    twice = defects(split, with_migrations(result, [first, *later, again]))
    assert any("migrated twice" in text for text in twice)


def test_counts_that_come_apart_on_a_host_that_is_not_touched() -> None:
    """3, 1 and 1, two may be between them: the host that gives falls behind the first, which has no part."""
    even = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {
                **{f"g{number}": {"host": "h1"} for number in range(3)},
                "middle": {"host": "h2"},
                "goes": {"host": "h3"},
            },
            "rules": {
                "even": {
                    "kind": "even_spread",
                    "guests": ["g0", "g1", "g2", "middle", "goes"],
                    "max_skew": 2,
                }
            },
        }
    )
    move = replace(plan(SIBLINGS, RULES).migrations[0], step=1, wave=1, after=(), source="h3", target="h2")
    move = replace(move, guest=replace(move.guest, id="goes", name="goes"))
    result = with_migrations(plan(even, RULES), [move])
    assert defects(even, result) == ("rule even: h1 can come to hold 3 more than h3",)


def test_a_host_that_is_dedicated_to_others() -> None:
    result = plan(SIBLINGS, RULES)
    taken = {migration.target for migration in result.migrations}
    hosts = tuple(replace(host, dedicated=host.id in taken) for host in SIBLINGS.hosts)
    assert any("dedicated" in text for text in defects(replace(SIBLINGS, hosts=hosts), result))


def test_partners_take_the_same_way_and_one_alone_any() -> None:
    def parked(*guests: str) -> tuple[str, ...]:
        """The first guest goes to h3 over h2, the others directly."""
        hosts = {"h1": {}, "h2": {}, "h3": {}}
        rules = {"partners": {"kind": "affinity", "guests": [*guests]}}
        snapshot = cluster(
            {"hosts": hosts, "guests": {name: {"host": "h1"} for name in ("a", "b", "c")}, "rules": rules}
        )
        result = plan(SIBLINGS, RULES)
        first = result.migrations[0]

        def step(number: int, guest: str, source: str, target: str, after: tuple[int, ...] = ()) -> Migration:
            ref = replace(first.guest, id=guest, name=guest)
            wave = 1 + len(after)
            return replace(
                first, step=number, wave=wave, guest=ref, source=source, target=target, after=after
            )

        way = [step(1, guests[0], "h1", "h2"), step(2, guests[0], "h2", "h3", (1,))]
        rest = [step(3 + index, guest, "h1", "h3") for index, guest in enumerate(guests[1:])]
        return defects(snapshot, with_migrations(result, [*way, *rest]))

    assert parked("a") == ()
    assert any("different ways" in text for text in parked("a", "b"))
