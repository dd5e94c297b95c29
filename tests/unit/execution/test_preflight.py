# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with a migration whose turn it is, in the cluster as it is now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.preflight import (
    GO,
    free_capacity,
    preflight,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    ClusterNow,
    GuestNow,
    HostNow,
)

GIB = 1024**3
MIGRATION = Migration(
    step=1,
    wave=1,
    guest=GuestRef(id="g", name="web01"),
    source="a",
    target="b",
    kind="balance",
    why="",
    after=(),
    cost=Cost(memory=10 * GIB, seconds=1),
)
GUEST = GuestNow(host="a", power="running")
HOST = HostNow(active=True, memory_capacity=100 * GIB, memory_used=50 * GIB)


def now(guest: GuestNow | None = GUEST, target: HostNow | None = HOST) -> ClusterNow:
    hosts = {"a": HOST} if target is None else {"a": HOST, "b": target}
    return ClusterNow(cluster="c", guests={} if guest is None else {"g": guest}, hosts=hosts)


def with_used(gib: float) -> HostNow:
    return replace(HOST, memory_used=int(gib * GIB))


@pytest.mark.parametrize(
    ("state", "answer", "why"),
    [
        (now(), "go", ""),
        (now(guest=None), "drop", "no longer exists"),
        (now(guest=replace(GUEST, host="b")), "there", ""),
        (now(guest=replace(GUEST, host="b", busy="migrate")), "busy", "busy: migrate"),
        (now(guest=replace(GUEST, busy="backup")), "busy", "busy: backup"),
        (now(guest=replace(GUEST, host="x")), "drop", "on x, not on a"),
        (now(guest=replace(GUEST, power="stopped")), "drop", "stopped"),
        (now(target=None), "drop", "no host b"),
        (now(target=replace(HOST, active=False)), "drop", "does not accept guests"),
        (now(target=with_used(80)), "go", ""),
        (now(target=with_used(80.001)), "drop", "too little free memory"),
        (now(target=replace(HOST, memory_used=None)), "go", ""),
    ],
)
def test_verdict(state: ClusterNow, answer: str, why: str) -> None:
    judged = preflight(MIGRATION, state, [], Limits())
    assert (judged.answer, why in judged.why) == (answer, True)


def test_mending_a_rule_may_fill_a_host_further() -> None:
    mending = replace(MIGRATION, kind="rule")
    assert preflight(mending, now(target=with_used(85)), [], Limits()).answer == "go"
    assert preflight(mending, now(target=with_used(85.1)), [], Limits()).answer == "drop"


@pytest.mark.parametrize("kind", ["rule", "evacuate", "rollback"])
def test_what_mends_may_fill_a_host_further_and_so_may_what_goes_there_beside_it(kind: Any) -> None:
    full = now(target=with_used(85))
    assert preflight(MIGRATION, full, [], Limits()).answer == "drop"
    assert preflight(replace(MIGRATION, kind=kind), full, [], Limits()).answer == "go"
    assert preflight(MIGRATION, full, [], Limits(), rule_targets={MIGRATION.target}).answer == "go"


def test_what_is_on_its_way_counts_and_is_waited_for() -> None:
    arriving = replace(MIGRATION, step=2, guest=GuestRef(id="h", name="h"))
    leaving = replace(arriving, source="b", target="a")
    assert preflight(MIGRATION, now(target=with_used(70)), [arriving], Limits()).answer == "go"
    assert preflight(MIGRATION, now(target=with_used(75)), [arriving], Limits()).answer == "wait"
    assert preflight(MIGRATION, now(target=with_used(85)), [leaving], Limits()).answer == "wait"


def test_a_guest_that_was_moved_on_already_is_there() -> None:
    state = now(guest=replace(GUEST, host="z"))
    assert preflight(MIGRATION, state, [], Limits(), later={"z"}).answer == "there"


def test_a_reserve_is_kept_free() -> None:
    assert (
        preflight(MIGRATION, now(target=with_used(70)), [], Limits(memory_reserve=11 * GIB)).answer == "drop"
    )


@pytest.mark.parametrize(
    ("used", "arriving", "answer", "why"),
    [
        (
            85,
            [],
            "drop",
            "host-b has too little free memory: 87040 MiB in use or arriving,"
            " 10240 MiB needed, 92160 MiB allowed",
        ),
        (
            75,
            [("b", 7), ("c", 50)],
            "wait",
            "host-b has too little free memory: 83968 MiB in use or arriving,"
            " 10240 MiB needed, 92160 MiB allowed",
        ),
        (85, [("c", 50)], "drop", "87040 MiB in use or arriving"),
    ],
)
def test_what_is_said_of_a_host_without_room(
    used: float, arriving: list[tuple[str, int]], answer: str, why: str
) -> None:
    underway = [
        replace(MIGRATION, target=target, cost=Cost(memory=memory * GIB, seconds=1))
        for target, memory in arriving
    ]
    judged = preflight(MIGRATION, now(target=with_used(used)), underway, Limits(), names={"b": "host-b"})
    assert judged.answer == answer
    assert why in judged.why


def test_who_comes_along_counts_and_is_named() -> None:
    partner = replace(MIGRATION, guest=GuestRef(id="p", name="db"), cost=Cost(memory=5 * GIB, seconds=1))
    assert free_capacity([MIGRATION, partner], now(target=with_used(75)), [], Limits()) == GO
    judged = free_capacity([MIGRATION, partner], now(target=with_used(76)), [], Limits())
    assert judged.answer == "drop"
    assert "15360 MiB needed with db (p), which the platform migrates with it, 92160 MiB" in judged.why


@pytest.mark.parametrize("unknown", ["memory_used", "memory_capacity"])
def test_a_host_whose_memory_is_not_known_is_no_obstacle(unknown: str) -> None:
    target = replace(with_used(99), **{unknown: None})
    assert preflight(MIGRATION, now(target=target), [], Limits()) == GO


def test_names_are_those_that_people_know() -> None:
    names = {"a": "host-a", "b": "host-b", "x": "host-x"}
    elsewhere = now(guest=replace(GUEST, host="x"))
    assert preflight(MIGRATION, elsewhere, [], Limits(), names=names).why == (
        "the guest is on host-x, not on host-a as planned"
    )
    assert preflight(MIGRATION, now(target=None), [], Limits(), names=names).why == (
        "there is no host host-b any more"
    )
    closed = now(target=replace(HOST, active=False))
    assert preflight(MIGRATION, closed, [], Limits(), names=names).why == "host-b does not accept guests now"
