# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest to one host, the hosts that there are for it, and the way back from a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import UnknownName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    MigrationOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.by_hand import (
    Moved,
    moved_by,
    plan_back,
    plan_move,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.ranking import rank_hosts
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .small_clusters import policies, snapshots
from .test_scenarios import cluster

SIX = cluster(
    {
        "hosts": {
            "h1": {},
            "h2": {"maintenance": True},
            "h3": {"datastores": {}},
            "h4": {},
            "h5": {"memory": 10},
            "h6": {},
            "h7": {},
        },
        "guests": {
            "a": {"host": "h1", "memory": 10},
            "b": {"host": "h4"},
            "c": {"host": "h6", "memory": 90},
            "d": {"host": "h1", "memory": 10},
        },
        "rules": {
            "apart": {"kind": "anti_affinity", "guests": ["a", "b"]},
            "pair": {"kind": "affinity", "guests": ["a", "d"]},
        },
    }
)


def test_the_best_host_comes_first_and_the_others_say_why_not() -> None:
    found = rank_hosts(SIX, "a", Policy())
    assert (found.guest.id, found.host) == ("a", "h1")
    assert [(one.id, one.why_not) for one in found.hosts] == [
        ("h7", ""),
        ("h6", ""),
        ("h2", "it is in maintenance, or being emptied"),
        ("h3", "does not meet a requirement: datastore san"),
        ("h4", "rule apart would not hold with it there beside b"),
        ("h5", "it would have 20.0 GiB of memory, and its limit is 9.5 GiB"),
    ]
    best = found.hosts[0]
    assert best.along == ("d",)
    assert best.used["memory"] == pytest.approx(100 * 20 / 128, abs=0.01)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"blockers": ["snapshot"]}, "it can't be migrated: snapshot"),
        ({"power": "stopped"}, "it is stopped"),
    ],
)
def test_a_guest_that_cannot_move_has_the_reason_at_each_host(more: dict[str, Any], why: str) -> None:
    snapshot = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1", **more}}})
    assert [one.why_not.startswith(why) for one in rank_hosts(snapshot, "a", Policy()).hosts] == [True]


def test_a_guest_that_rests_may_go_when_a_person_asks() -> None:
    snapshot = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})
    moment = snapshot.taken_at
    resting = replace(
        snapshot,
        guests=tuple(replace(one, last_migrated_at=moment, last_failed_at=moment) for one in snapshot.guests),
    )
    policy = Policy(cool_down=86400)
    assert rank_hosts(resting, "a", policy).hosts[0].possible
    assert len(plan_move(resting, "a", "h2", policy).migrations) == 1


def test_names_that_nothing_has_are_refused() -> None:
    with pytest.raises(UnknownName, match="no guest has the name or id 'z'"):
        rank_hosts(SIX, "z", Policy())
    with pytest.raises(UnknownName, match="no host has the name or id 'z'"):
        plan_move(SIX, "a", "z", Policy())


@given(snapshots(), policies(), st.data())
def test_a_host_is_possible_where_the_verified_plan_brings_the_guest_there(
    snapshot: Any, policy: Policy, data: st.DataObject
) -> None:
    if not snapshot.guests:
        return
    guest = data.draw(st.sampled_from(snapshot.guests))
    ranking = rank_hosts(snapshot, guest.id, policy)
    assert {one.id for one in ranking.hosts} | {guest.host} == {host.id for host in snapshot.hosts}
    for one in ranking.hosts:
        result = plan_move(snapshot, guest.id, one.id, policy)
        arrives = any(step.guest.id == guest.id and step.target == one.id for step in result.migrations)
        assert arrives == one.possible, (one, result.unresolved)
        assert {step.kind for step in result.migrations} <= {"manual", "parking"}
        assert result.status == "balanced" or not arrives
        # A plan is a file: what it was made by can be read again.
        assert Plan.from_json(result.to_json()) == result


def outcome(*steps: tuple[str, str, str, str], along: dict[str, str] | None = None) -> Outcome:
    return Outcome(
        cluster=SIX.cluster,
        status="stopped",
        started_at="2026-01-01T00:00:00Z",
        seconds=1,
        migrations=tuple(
            MigrationOutcome(
                step=number + 1,
                guest=GuestRef(id=guest, name=guest),
                source=source,
                target=target,
                result=result,  # type: ignore[arg-type]
                along=tuple(
                    CoMigrated(guest=GuestRef(id=one, name=one), source=place, memory=1)
                    for one, place in (along or {}).items()
                    if result == "migrated"
                ),
            )
            for number, (guest, source, target, result) in enumerate(steps)
        ),
    )


def test_what_a_run_moved_is_each_guest_once_from_first_to_last() -> None:
    moved = moved_by(
        outcome(
            ("a", "h1", "h2", "migrated"),
            ("b", "h1", "h2", "failed"),
            ("a", "h2", "h3", "migrated"),
            ("c", "h1", "h2", "already_there"),
            along={"d": "h1"},
        )
    )
    assert [(one.guest.id, one.source, one.target) for one in moved] == [("a", "h1", "h3"), ("d", "h1", "h3")]


def test_guests_return_and_those_that_are_elsewhere_are_named_and_left() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {"a": {"host": "h2"}, "b": {"host": "h3"}, "c": {"host": "h1"}, "e": {"host": "h2"}},
        }
    )

    def way(guest: str, source: str, target: str) -> Moved:
        return Moved(guest=GuestRef(id=guest, name=guest), source=source, target=target)

    result = plan_back(
        snapshot,
        [way("a", "h1", "h2"), way("b", "h1", "h2"), way("c", "h1", "h2"), way("d", "h1", "h2")],
        Policy(max_migrations=0),
    )
    assert [(step.guest.id, step.target, step.kind, step.why) for step in result.migrations] == [
        ("a", "h1", "rollback", "returns to the host that it came from")
    ]
    assert [(item.what, item.why, item.code) for item in result.unresolved] == [
        ("guest b", "it is on h3 now, and was moved to h2", "not_where_moved"),
        ("guest d", "it is not there any more", "not_where_moved"),
    ]
    assert result.status == "improved"
    nothing = plan_back(snapshot, [way("c", "h1", "h2")], Policy())
    assert (nothing.migrations, nothing.unresolved, nothing.status) == ((), (), "unchanged")


def test_a_return_that_would_break_a_rule_is_left_with_the_reason() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}},
            "guests": {"a": {"host": "h2"}, "b": {"host": "h1"}},
            "rules": {"apart": {"kind": "anti_affinity", "guests": ["a", "b"]}},
        }
    )
    moved = [Moved(guest=GuestRef(id="a", name="a"), source="h1", target="h2")]
    result = plan_back(snapshot, moved, Policy())
    assert not result.migrations
    assert [item.what for item in result.unresolved] == ["rule a on h1 by choice"]


@given(snapshots(), policies())
def test_a_run_that_was_done_can_be_undone_or_says_what_stays(snapshot: Any, policy: Policy) -> None:
    first = plan(snapshot, policy)
    after = snapshot_after(snapshot, first)
    done = Outcome(
        cluster=snapshot.cluster,
        status="done",
        started_at=snapshot.taken_at,
        seconds=1,
        migrations=tuple(
            MigrationOutcome(
                step=step.step, guest=step.guest, source=step.source, target=step.target, result="migrated"
            )
            for step in first.migrations
        ),
    )
    back = plan_back(after, moved_by(done), policy)
    home = {one.id: one.host for one in snapshot.guests}
    last = {one.id: one.host for one in snapshot_after(after, back).guests}
    away = [guest for guest, host in last.items() if home[guest] != host]
    assert len(back.unresolved) >= bool(away)
    assert back.status != "balanced" or not away


def test_a_guest_that_is_not_measured_again_yet_counts_with_its_load_of_before() -> None:
    before = cluster(
        {
            "hosts": {"h1": {"memory": 60}, "h2": {"memory": 60}},
            "guests": {"a": {"host": "h2", "memory": 10}, "b": {"host": "h1", "memory": 30}},
        }
    )
    arrived = replace(
        before.guests[0],
        used={**before.guests[0].used, "memory": None},
        sources={"memory": "not_yet_measured"},
        assigned={**before.guests[0].assigned, "memory": 40 * 2**30},
    )
    now = replace(before, guests=(arrived, before.guests[1]))
    moved = [Moved(guest=GuestRef(id="a", name="a"), source="h1", target="h2")]
    # Its assigned memory would be too much for the host that it came from.
    assert not plan_back(now, moved, Policy()).migrations
    assert len(plan_back(now, moved, Policy(), before).migrations) == 1


def test_a_partner_moves_along_with_a_guest_that_is_migrated_by_hand() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}, "c": {"host": "h1"}},
            "rules": {"pair": {"kind": "affinity", "guests": ["a", "b"]}},
        }
    )
    assert {step.guest.id for step in plan_move(snapshot, "a", "h2", Policy()).migrations} == {"a", "b"}
    assert rank_hosts(snapshot, "a", Policy()).hosts[0].along == ("b",)


def test_a_partner_elsewhere_stays_where_a_guest_cannot_go_where_it_is_wanted() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {"datastores": {}}},
            "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}},
            "rules": {"pair": {"kind": "affinity", "guests": ["a", "b"]}},
        }
    )
    result = plan_move(snapshot, "a", "h3", Policy())
    assert not result.migrations
    assert "rule a on h3 by choice" in [item.what for item in result.unresolved]
