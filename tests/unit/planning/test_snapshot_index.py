# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of a snapshot: numbers, the host that counts as a guest's own, and the hosts of rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, RuleKind
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.snapshot_index import (
    SnapshotIndex,
    bits,
    mask_of,
)

from .test_scenarios import cluster

SNAPSHOT = cluster(
    {
        "hosts": {"h1": {}, "h2": {}, "h3": {}},
        "guests": {"a": {"host": "h1"}, "b": {"host": "h2"}, "c": {"host": "h3"}, "d": {"host": "h1"}},
    }
)
A, B, C, D = SNAPSHOT.guests
# b leaves the cluster's known hosts, c is off while it is said to migrate, d stays where it is.
INDEX = SnapshotIndex(
    replace(
        SNAPSHOT,
        guests=(
            replace(A, migrating_to="h3"),
            replace(B, migrating_to="elsewhere"),
            replace(C, migrating_to="h1", power="off"),
            replace(D, migrating_to="h1"),
        ),
    )
)


def rule(kind: RuleKind, *guests: str) -> Rule:
    return Rule(name="r", kind=kind, guests=guests, hosts=("h1", "h3"), strict=True, source="test")


def test_the_target_of_a_migration_under_way_counts_as_home() -> None:
    assert INDEX.home == (2, 1, 0, 0)


def test_only_running_guests_arrive_on_other_known_hosts() -> None:
    assert [(guest.id, source, target) for guest, source, target in INDEX.arriving] == [("a", 0, 2)]


def test_hosts_have_names_and_unknown_ones_keep_their_id() -> None:
    assert [INDEX.host_name(host) for host in ("h2", "elsewhere")] == ["h2", "elsewhere"]


@pytest.mark.parametrize(
    ("kind", "allowed", "broken"),
    [("host_affinity", {0, 2}, ["b"]), ("host_anti_affinity", {1}, ["a", "c", "d"])],
)
def test_a_host_rule_allows_its_hosts_or_all_others(
    kind: RuleKind, allowed: set[int], broken: list[str]
) -> None:
    assert set(bits(INDEX.allowed_hosts(rule(kind)))) == allowed
    assert [guest for guest in "abcd" if INDEX.broken_pin(rule(kind, guest))] == broken


def test_masks_hold_the_hosts_whose_flag_is_set() -> None:
    assert list(bits(mask_of([True, False, False, True, True]))) == [0, 3, 4]
