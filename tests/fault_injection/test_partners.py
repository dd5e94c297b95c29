# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HA of Proxmox VE moves the partners of a guest along, wherever they are, and no host is filled by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import DryRunPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Platform
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support import tight_cluster
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import (
    carry_out,
    cluster_of,
    connect,
    places,
    settle,
    violations,
)
from ansible_collections.evenkeel.cluster.tests.support.tight_cluster import GIB, step

Execute = Callable[..., tuple[Outcome, dict[str, str]]]
APART = Rule(name="apart", kind="anti_affinity", guests=("101", "107"), strict=True, source="tag:apart")
"""Ours alone: HA knows nothing of it. 107 is on h2."""


def group(*guests: int) -> Rule:
    names = tuple(str(guest) for guest in guests)
    return Rule(
        name="group",
        kind="affinity",
        guests=names,
        strict=True,
        source="ha-rule:group",
        co_migrates=True,
        enforced=True,
    )


@pytest.fixture
def execute(tmp_path: Path) -> Iterator[Execute]:
    """Carry steps out in the tight cluster under these rules; gives the outcome and where everybody is."""
    with ExitStack() as stack:

        def run(rules: list[Rule], *steps: Migration, dry: bool = False) -> tuple[Outcome, dict[str, str]]:
            planned = replace(tight_cluster.planned_run(*rules), migrations=steps)
            simulator: Simulator = stack.enter_context(planned.start("proxmox", tmp_path / "simulator"))
            before = simulator.state()
            with closing(connect(simulator.connection)) as real:
                platform: Platform = (
                    DryRunPlatform(real, {step.guest.id: 8 * GIB for step in steps}) if dry else real
                )
                outcome = carry_out(planned, platform, cluster_of(real), journal=tmp_path / "journal")
            after = settle(simulator)
            members = [guest for rule in rules for guest in rule.guests]
            assert violations(planned, before, after, members) == []
            return outcome, places(after)

        yield run


def along(outcome: Outcome, number: int = 0) -> list[tuple[str, str]]:
    return [(moved.guest.id, moved.source) for moved in outcome.migrations[number].along]


def test_partners_that_find_no_room_keep_a_guest_where_it_is(execute: Execute) -> None:
    """On h2 are 18 GiB, and 57.6 are allowed: room for four, not for five."""
    outcome, where = execute([group(115, 101, 102, 103, 104)], step(1, 115, "h4", "h2"))
    (ended,) = outcome.migrations
    assert (ended.result, where["115"], where["101"]) == ("skipped", "h4", "h1")
    assert ended.why == (
        "h2 has too little free memory: 18432 MiB in use or arriving, 40960 MiB needed with guest101 (101),"
        " guest102 (102), guest103 (103), guest104 (104), which the platform migrates with it,"
        " 58982 MiB allowed"
    )


def test_partners_that_came_along_are_told(execute: Execute) -> None:
    outcome, where = execute([group(115, 101, 102, 107)], step(1, 115, "h4", "h2"))
    assert outcome.status == "done"
    assert {where[guest] for guest in ("115", "101", "102", "107")} == {"h2"}
    # 107 was there before.
    assert along(outcome) == [("101", "h1"), ("102", "h1")]
    assert [moved.memory for moved in outcome.migrations[0].along] == [8 * GIB, 8 * GIB]
    assert outcome.migrations[0].why == "HA moves along: guest101 (101), guest102 (102)"


def test_partners_count_as_long_as_they_are_on_their_way(execute: Execute) -> None:
    """Four fit, and a fifth does not, whenever it is looked at."""
    outcome, where = execute([group(115, 101, 102, 103)], step(1, 115, "h4", "h2"), step(2, 109, "h3", "h2"))
    assert [ended.result for ended in outcome.migrations] == ["migrated", "skipped"]
    assert (list(where.values()).count("h2"), where["109"]) == (6, "h3")


def test_a_partner_that_may_not_go_there_keeps_a_guest_where_it_is(execute: Execute) -> None:
    outcome, where = execute([group(115, 101), APART], step(1, 115, "h4", "h2"))
    (ended,) = outcome.migrations
    assert (ended.result, where["115"], where["101"]) == ("skipped", "h4", "h1")
    assert ended.why == (
        "the platform would migrate guest101 (101) together with it:"
        " it would break rule apart: guest 107 is on h2"
    )


def test_a_partner_of_the_plan_is_one_of_its_steps_and_none_besides(execute: Execute) -> None:
    outcome, where = execute([group(110, 111)], step(1, 110, "h3", "h4"), step(2, 111, "h3", "h4"))
    assert (outcome.status, where["110"], where["111"]) == ("done", "h4", "h4")
    assert [ended.result for ended in outcome.migrations] == ["migrated", "migrated"]
    assert [along(outcome, number) for number in (0, 1)] == [[], []]
    assert "migrated by the platform together with step" in "".join(ended.why for ended in outcome.migrations)


def test_check_mode_counts_partners_too(execute: Execute) -> None:
    rules = [group(115, 101, 102, 103)]
    outcome, where = execute(rules, step(1, 115, "h4", "h2"), step(2, 109, "h3", "h2"), dry=True)
    assert where["115"] == "h4"
    first, second = outcome.as_planned().migrations
    assert (first.result, second.result) == ("planned", "skipped")
    assert [moved.guest.id for moved in first.along] == ["101", "102", "103"]
    assert "h2 has too little free memory: 51200 MiB in use" in second.why
