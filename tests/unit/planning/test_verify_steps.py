# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier knows who may move and where to: each case changes one fact of a legal step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    HostDatastore,
    Refusal,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import Exclusions

from .paper_plans import defects, step
from .test_scenarios import cluster

TWO = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})
MOVE = step(1, "a", "h1", "h2")
SHARED, OWN = HostDatastore(shared=True), HostDatastore(shared=False, free=2**40)


def changed(
    guest: dict[str, Any], home: dict[str, Any], target: dict[str, Any], snapshot: Snapshot = TWO
) -> Snapshot:
    first, second = snapshot.hosts
    return replace(
        snapshot,
        guests=(replace(snapshot.guests[0], **guest), *snapshot.guests[1:]),
        hosts=(replace(first, **home), replace(second, **target)),
    )


GUEST_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("", {}, {}),
    ("may not move", {"power": "stopped"}, {}),
    ("may not move", {"power": "unknown"}, {}),
    ("for the platform to move", {"platform_managed": True}, {}),
    ("is being migrated already", {"migrating_to": "h2"}, {}),
    ("", {"migrating_to": "h1"}, {}),
    ("can't be migrated", {"migratable": False}, {}),
    ("can't be migrated", {"migratable": False, "blockers": ("snapshot",)}, {}),
    ("", {"migratable": False, "blockers": ("snapshot",)}, {"allow_blockers": ["snapshot"]}),
    (
        "can't be migrated",
        {"migratable": False, "blockers": ("snapshot", "local_cd")},
        {"allow_blockers": ["snapshot"]},
    ),
    ("can't be migrated", {"migratable": False}, {"allow_blockers": ["snapshot"]}),
    ("none of those that it can be migrated to", {"targets": ("h1",)}, {}),
    ("none of those that it can be migrated to", {"targets": ()}, {}),
    ("", {"targets": ("h2",)}, {}),
]


@pytest.mark.parametrize(("says", "guest", "policy"), GUEST_CASES)
def test_a_guest_that_may_not_move_is_found(says: str, guest: dict[str, Any], policy: dict[str, Any]) -> None:
    found = defects(changed(guest, {}, {}), MOVE, **policy)
    assert [says in text for text in found] == ([True] if says else [])


HOST_CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("nothing may leave", {}, {"status": "offline"}, {}, {}),
    ("takes no guests", {}, {}, {"maintenance": True}, {}),
    ("takes no guests", {}, {}, {"schedulable": False}, {}),
    ("takes no guests", {}, {}, {"status": "unknown"}, {}),
    ("exchange no guests", {}, {}, {"dedicated": True}, {}),
    ("exchange no guests", {}, {"dedicated": True}, {}, {}),
    ("", {}, {"dedicated": True}, {"dedicated": True}, {}),
    ("lacks datastore san", {}, {}, {"datastores": {}}, {}),
    ("lacks datastore san", {}, {}, {"datastores": {"san": OWN}}, {}),
    ("lacks datastore san", {}, {"datastores": {"san": OWN}}, {}, {}),
    ("", {}, {"datastores": {"san": OWN}}, {"datastores": {"san": OWN}}, {}),
    ("", {}, {"datastores": {}}, {"datastores": {"san": SHARED}}, {}),
    (
        "takes no new disks",
        {},
        {"datastores": {"san": OWN}},
        {"datastores": {"san": replace(OWN, closed_because="read-only")}},
        {},
    ),
    ("", {}, {}, {"datastores": {"san": replace(SHARED, closed_because="in maintenance mode")}}, {}),
    ("lacks a network", {"networks": ("lan", "dmz")}, {}, {}, {}),
    ("", {"networks": ()}, {}, {}, {}),
    ("CPU model is old", {"cpu_models": ("new",)}, {}, {"cpu_model": "old"}, {}),
    ("", {"cpu_models": ("new",)}, {}, {"cpu_model": "new"}, {}),
    ("", {"cpu_models": ("new",)}, {}, {"cpu_model": None}, {}),
    ("not known to have CPU feature avx", {"cpu_features": ("avx",)}, {}, {"cpu_features": ("sse",)}, {}),
    ("not known to have CPU feature avx", {"cpu_features": ("sse", "avx")}, {}, {"cpu_features": None}, {}),
    ("", {"cpu_features": ("avx",)}, {}, {"cpu_features": ("sse", "avx")}, {}),
    ("", {"cpu_features": ("avx",)}, {"cpu_model": "one"}, {"cpu_model": "one"}, {}),
    ("CPU feature", {"cpu_features": ("avx",)}, {"cpu_model": "one"}, {"cpu_model": "other"}, {}),
    (
        "CPU feature",
        {"cpu_features": ("avx",)},
        {"cpu_model": "one"},
        {"cpu_model": "one", "cpu_features": ()},
        {},
    ),
    ("version is 8.1", {"min_version": "8.2"}, {}, {"version": "8.1"}, {}),
    ("", {"min_version": "8.2.0"}, {}, {"version": "8.2"}, {}),
    ("", {"min_version": "8.2"}, {}, {"version": "8.10"}, {}),
    ("", {"min_version": "8.2"}, {}, {"version": None}, {}),
    ("", {}, {"version": "9"}, {"version": "8"}, {"target_version": "any"}),
    ("version is 8", {}, {"version": "9"}, {"version": "8"}, {"target_version": "not_older"}),
    ("", {}, {"version": None}, {"version": "8"}, {"target_version": "not_older"}),
]


@pytest.mark.parametrize(("says", "guest", "home", "target", "policy"), HOST_CASES)
def test_a_host_that_may_not_take_or_give_the_guest_is_found(
    says: str,
    guest: dict[str, Any],
    home: dict[str, Any],
    target: dict[str, Any],
    policy: dict[str, Any],
) -> None:
    found = defects(changed(guest, home, target), MOVE, **policy)
    assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("barred", "home", "says"),
    [
        (Exclusions(guests=frozenset({"a"})), {}, "may not move"),
        (Exclusions(guests=frozenset({"b"})), {}, ""),
        (Exclusions(sources=frozenset({"h1"})), {}, "nothing may leave"),
        (Exclusions(sources=frozenset({"h2"})), {}, ""),
        (Exclusions(targets=frozenset({"h2"})), {}, "takes no guests"),
        (Exclusions(targets=frozenset({"h1"})), {}, ""),
        (Exclusions(may_stay=frozenset({"a"})), {}, ""),
        (Exclusions(may_stay=frozenset({"a"})), {"maintenance": True}, "may stay on its host"),
        (Exclusions(may_stay=frozenset({"b"})), {"maintenance": True}, ""),
    ],
)
def test_what_the_policy_excludes_is_found(barred: Exclusions, home: dict[str, Any], says: str) -> None:
    found = defects(changed({}, home, {}), MOVE, barred=barred)
    assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("retry", "guest", "host", "at", "says"),
    [
        (3600, "a", "h2", "2025-12-31T23:30:00Z", "has refused this"),
        (3600, "a", "h2", "2025-12-31T23:00:01Z", "has refused this"),
        (3600, "a", "h2", "2025-12-31T23:00:00Z", ""),
        (0, "a", "h2", "2025-12-31T23:59:59Z", ""),
        (3600, "b", "h2", "2025-12-31T23:30:00Z", ""),
        (3600, "a", "h1", "2025-12-31T23:30:00Z", ""),
    ],
)
def test_what_the_platform_has_refused_is_not_asked_again_for_a_while(
    retry: int, guest: str, host: str, at: str, says: str
) -> None:
    snapshot = replace(TWO, refusals=(Refusal(guest=guest, host=host, why="no", at=at),))
    found = defects(snapshot, MOVE, retry_refused_after=retry)
    assert [says in text for text in found] == ([True] if says else [])


THREE = cluster({"hosts": {"h1": {}, "h2": {}, "h3": {}}, "guests": {"a": {"host": "h1"}}})


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(1, "a", "h1", "h2"), step(2, "a", "h2", "h3", 1)], ""),
        ([step(1, "a", "h1", "h2"), step(2, "a", "h2", "h3")], "not ordered after step 1"),
        ([step(1, "a", "h1", "h2"), step(2, "a", "h1", "h3", 1)], "the guest is on h2"),
        ([step(1, "a", "h1", "h1")], "the guest is on h1"),
        ([step(1, "ghost", "h1", "h2")], "no such guest or host"),
        ([step(1, "a", "h1", "h9")], "no such guest or host"),
        ([step(1, "a", "h9", "h2")], "no such guest or host"),
        ([step(2, "a", "h1", "h2", 1)], "step 1, which does not stand before it"),
        ([step(1, "a", "h1", "h2"), replace(step(2, "a", "h2", "h3", 1), wave=1)], "in no later wave"),
    ],
)
def test_steps_follow_from_each_other(steps: list[Any], says: str) -> None:
    found = defects(THREE, *steps)
    assert [says in text for text in found] == ([True] if says else [])


def test_an_order_by_way_of_another_step_suffices() -> None:
    snapshot = cluster(
        {"hosts": {"h1": {}, "h2": {}, "h3": {}}, "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}}}
    )
    steps = [step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2", 1), step(3, "a", "h2", "h3", 2)]
    assert defects(snapshot, *steps) == ()


@pytest.mark.parametrize(("most", "legal"), [(0, False), (1, False), (2, True), (3, True)])
def test_no_more_migrations_than_the_policy_allows(most: int, legal: bool) -> None:
    found = defects(
        THREE, step(1, "a", "h1", "h2"), step(2, "a", "h2", "h3", 1, kind="balance"), max_migrations=most
    )
    assert found == (() if legal else (f"2 migrations are more than max_migrations, {most}",))


def test_a_disk_of_the_hosts_own_needs_as_much_free_on_the_target() -> None:
    def found(free: int) -> tuple[str, ...]:
        own = HostDatastore(shared=False, free=free)
        disks = (
            Disk(datastore="own", size=60),
            Disk(datastore="own", size=41),
            Disk(datastore="san", size=9),
        )
        here = {"datastores": {"san": SHARED, "own": OWN}}
        there = {"datastores": {"san": SHARED, "own": own}}
        return defects(changed({"disks": disks}, here, there), MOVE)

    assert found(101) == ()
    assert [text.partition(" can come to ")[2] for text in found(100)] == [
        "101 of datastore own, and 100 is its limit"
    ]
