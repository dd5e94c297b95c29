# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that have no answer: an error that names the thing, and no plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import UnknownName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import (
    Exclusions,
    Policy,
    Priority,
    Reserve,
    Selector,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.rule_spec import RuleSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.windows import MaintenanceWindow
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Notice
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .test_scenarios import cluster

SMALL = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})


def test_a_cluster_without_hosts() -> None:
    with pytest.raises(PlanningError, match="no hosts"):
        plan(replace(SMALL, hosts=(), guests=()), Policy())


def test_an_exact_host_name_that_nobody_has() -> None:
    policy = Policy(exclude=Exclusions(targets=Selector(names=("h7",))))
    with pytest.raises(UnknownName, match=r"policy.exclude.targets.names.*'h7'"):
        plan(SMALL, policy)


def test_a_pattern_that_matches_nothing_is_no_error() -> None:
    policy = Policy(exclude=Exclusions(targets=Selector(names=("old-*",)), guests=Selector(names=("gone",))))
    assert plan(SMALL, policy).status == "balanced"


POOLS = replace(SMALL, notices=(Notice(text="Pool.Audit is missing on /pool", hides=("pools",)),))


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (Policy(exclude=Exclusions(guests=Selector(pools=("db",)))), "policy.exclude.guests.pools"),
        (Policy(may_stay=Selector(pools=("db",))), "policy.may_stay.pools"),
        (
            Policy(priorities=(Priority(guests=Selector(pools=("db",)), priority=1),)),
            r"policy.priorities\[0\].guests.pools",
        ),
        (Policy(rules=(RuleSpec(by="pool", kind="anti_affinity"),)), r"policy.rules\[0\].by"),
    ],
)
def test_a_policy_that_selects_by_what_was_not_read(policy: Policy, field: str) -> None:
    with pytest.raises(PlanningError, match=rf"{field}.*by pools.*Pool.Audit is missing on /pool"):
        plan(POOLS, policy)


def test_what_was_not_read_and_is_not_asked_for_is_a_notice() -> None:
    policy = Policy(exclude=Exclusions(guests=Selector(names=("a",))))
    assert plan(POOLS, policy).notices == ("Pool.Audit is missing on /pool",)


@pytest.mark.parametrize(
    ("policy", "notice"),
    [
        (
            Policy(exclude=Exclusions(guests=Selector(names=("a", "gone*"), tags=("prod",)))),
            (
                "policy.exclude.guests.names: 'gone*' matches no guest",
                "policy.exclude.guests.tags: 'prod' matches no guest",
            ),
        ),
        (
            Policy(exclude=Exclusions(targets=Selector(names=("old-*",), labels={"rack": "7"}))),
            (
                "policy.exclude.targets.names: 'old-*' matches no host",
                "policy.exclude.targets.labels: 'rack=7' matches no host",
            ),
        ),
        (
            Policy(may_stay=Selector(regex="x.*"), shut_down=Selector(kinds=("container",))),
            (
                "policy.may_stay.regex: 'x.*' matches no guest",
                "policy.shut_down.kinds: 'container' matches no guest",
            ),
        ),
        (
            Policy(reserves=(Reserve(hosts=Selector(names=("n*",)), memory=1),)),
            ("policy.reserves[0].hosts.names: 'n*' matches no host",),
        ),
        (
            Policy(
                maintenance_windows=(MaintenanceWindow(hosts=Selector(pools=("p",)), start="01:00", hours=1),)
            ),
            ("policy.maintenance_windows[0].hosts.pools: 'p' matches no host",),
        ),
        (
            Policy(
                rules=(
                    RuleSpec(by="tag", kind="anti_affinity", pattern="db*"),
                    RuleSpec(by="guests", kind="affinity", guests=Selector(names=("a", "b"))),
                )
            ),
            (
                "policy.rules[1].guests.names: 'b' matches no guest",
                "policy.rules[0]: there are no guests with a tag like 'db*', so no rule comes of it",
                "policy.rules[1]: there are never 2 guests that it selects, but 1 at most, so no rule comes"
                " of it",
            ),
        ),
        (
            Policy(rules=(RuleSpec(by="name_prefix", kind="anti_affinity"),)),
            (
                "policy.rules[0]: there are never 2 guests whose names are alike but for trailing digits, but"
                " 1 at most, so no rule comes of it",
            ),
        ),
        (Policy.from_json({"preset": "fdrs"}), ()),
    ],
)
def test_what_matches_nothing_is_a_notice_or_an_error(policy: Policy, notice: tuple[str, ...]) -> None:
    assert tuple(text for text in plan(SMALL, policy).notices if text.startswith("policy.")) == notice
    strict = replace(policy, strict_selectors=True)
    if notice:
        with pytest.raises(PlanningError, match=r"match|no rule comes of it"):
            plan(SMALL, strict)
    else:
        plan(SMALL, strict)


def test_a_placement_tells_what_its_policy_does_not_match() -> None:
    request = {"vms": [{"name": "new", "cpu": 1, "memory": 1024}]}
    policy = {"exclude": {"targets": {"names": ["old-*"]}}}
    answer = place([SMALL], PlacementRequest.from_json({**request, "policy": policy}))
    assert answer.notes == ("policy.exclude.targets.names: 'old-*' matches no host",)
    strict = {**policy, "strict_selectors": True}
    with pytest.raises(PlanningError, match="'old-\\*' matches no host"):
        place([SMALL], PlacementRequest.from_json({**request, "policy": strict}))
