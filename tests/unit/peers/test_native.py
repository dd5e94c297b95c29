# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published rule of Proxmox VE's own balancer, on clusters that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.peers.native import (
    PAGE,
    beside,
    lines,
    spread,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.native_balancer import (
    Settings,
    balance,
)

EAGER = Settings(threshold=0.0, margin=0.0)


def cluster(
    places: Mapping[str, str],
    rules: Sequence[Rule] = (),
    nodes: Sequence[str] = ("n1", "n2", "n3"),
    maintenance: Sequence[str] = (),
) -> Snapshot:
    """Guests of one core and one byte on nodes of ten of each."""
    loads = {node: float(list(places.values()).count(node)) for node in nodes}
    return Snapshot(
        platform="proxmox",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=3600,
        hosts=tuple(
            Host(
                id=node,
                name=node,
                status="online",
                maintenance=node in maintenance,
                schedulable=True,
                capacity={"cpu": 10.0, "memory": 10},
                used={"cpu": loads[node], "memory": loads[node]},
            )
            for node in nodes
        ),
        guests=tuple(
            Guest(
                id=guest,
                name=guest,
                kind="vm",
                host=node,
                power="running",
                assigned={"cpu": 1.0, "memory": 1},
                used={"cpu": 1.0, "memory": 1},
                migratable=True,
            )
            for guest, node in places.items()
        ),
        rules=tuple(rules),
    )


def moves(snapshot: Snapshot, settings: Settings = EAGER) -> list[tuple[tuple[str, ...], str]]:
    return [(move.guests, move.target) for move in balance(snapshot, settings).moves]


def rule(kind: str, guests: Sequence[str], hosts: Sequence[str] = ()) -> Rule:
    return Rule(  # type: ignore[arg-type]
        name=f"{kind} {guests}",
        kind=kind,
        guests=tuple(guests),
        hosts=tuple(hosts),
        strict=True,
        source="ha-rule:r",
    )


def test_all_load_on_one_node_is_an_imbalance_of_one_for_any_number_of_nodes() -> None:
    for count in (2, 3, 8):
        nodes = [f"n{number}" for number in range(count)]
        assert balance(cluster({"a": "n0"}, nodes=nodes)).before == pytest.approx(1.0)


def test_an_imbalance_that_is_not_scaled_grows_with_the_nodes() -> None:
    assert balance(cluster({"a": "n1"}), Settings(scaled=False)).before == pytest.approx(2**0.5)


def test_guests_that_are_alike_go_by_name_to_the_first_node_by_name() -> None:
    assert moves(cluster({"a": "n1", "b": "n1", "c": "n1"})) == [(("a",), "n2"), (("b",), "n3")]


def test_one_guest_alone_goes_nowhere_because_nothing_gets_better() -> None:
    assert moves(cluster({"a": "n1"}), Settings()) == []


def test_nothing_moves_at_or_below_the_threshold() -> None:
    places = dict.fromkeys("abcdef", "n1") | dict.fromkeys("ghi", "n2") | dict.fromkeys("jkl", "n3")
    before = balance(cluster(places)).before
    assert moves(cluster(places), Settings(threshold=before)) == []
    assert moves(cluster(places), Settings(threshold=before - 0.01)) == [(("a",), "n2")]


def test_a_gain_below_the_margin_moves_nothing() -> None:
    snapshot = cluster({"a": "n1", "b": "n1", "c": "n1"})
    gain = 1 - balance(snapshot, EAGER).moves[0].imbalance
    assert moves(snapshot, Settings(margin=gain + 0.01)) == []
    assert moves(snapshot, Settings(margin=gain - 0.01))


def test_a_group_that_is_kept_together_goes_as_one_and_rules_that_share_a_guest_are_one_group() -> None:
    rules = [rule("affinity", ["a", "b"]), rule("affinity", ["b", "c"])]
    assert moves(cluster(dict.fromkeys("abcd", "n1"), rules)) == [(("a", "b", "c"), "n2")]
    assert moves(cluster(dict.fromkeys("abcde", "n1"), rules)) == [(("a", "b", "c"), "n2"), (("d",), "n3")]


def test_a_group_that_is_not_on_one_node_stays() -> None:
    places = {"a": "n1", "b": "n2", "c": "n1", "d": "n1"}
    assert all(move[0] in (("c",), ("d",)) for move in moves(cluster(places, [rule("affinity", ["a", "b"])])))


def test_no_guest_goes_where_a_rule_forbids_it_or_to_a_node_in_maintenance() -> None:
    places = {"a": "n1", "b": "n1", "c": "n2"}
    apart = [rule("anti_affinity", ["a", "c"]), rule("anti_affinity", ["b", "c"])]
    assert moves(cluster(places, apart)) == [(("a",), "n3")]
    pinned = [rule("host_affinity", ["a"], ["n1"]), rule("host_affinity", ["b"], ["n1", "n3"])]
    assert moves(cluster(places, pinned)) == [(("b",), "n3")]
    assert moves(cluster({"a": "n1", "b": "n1"}, maintenance=["n2"])) == [(("a",), "n3")]


def test_settings_are_read_from_the_options_of_a_datacenter_in_shares_or_percent() -> None:
    assert Settings.of({}) == Settings()
    crs = {"ha": "static", "ha-auto-rebalance-threshold": 40, "ha-auto-rebalance-margin": 0.2}
    more = {"ha-auto-rebalance-hold-duration": 5, "ha-auto-rebalance-method": "topsis"}
    assert Settings.of({**crs, **more}, scaled=False) == Settings(
        threshold=0.4, margin=0.2, hold_rounds=5, method="topsis", load="static", scaled=False
    )


def test_topsis_levels_the_same_cluster() -> None:
    snapshot = cluster({"a": "n1", "b": "n1", "c": "n1"})
    run = balance(snapshot, Settings(method="topsis", threshold=0.0, margin=0.0))
    assert {move.target for move in run.moves} == {"n2", "n3"}
    assert run.after == pytest.approx(0.0)


def test_beside_a_plan_both_start_from_the_same_spread_and_the_plan_ends_within_its_band() -> None:
    snapshot = cluster(dict.fromkeys("abcdef", "n1"))
    both = beside("six on one", snapshot)
    assert both.before == spread(snapshot) == pytest.approx(60.0)
    assert (both.until, both.forced.migrations) == (3, 4)
    assert both.forced_spread == pytest.approx(0.0)
    # Three rounds of ten seconds before each of the four.
    assert both.forced_seconds == pytest.approx(120.0)
    assert both.ours_spread <= 20


def test_the_page_has_a_table_of_the_same_columns() -> None:
    table = lines([beside("six on one", cluster(dict.fromkeys("abcdef", "n1")))])
    page = PAGE.read_text()
    shown = page.split("<!-- begin native -->\n")[1].split("<!-- end native -->")[0]
    assert shown.splitlines()[:2] == table.splitlines()[:2]
    assert {line.count("|") for line in shown.splitlines()} == {table.splitlines()[0].count("|")}
