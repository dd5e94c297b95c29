# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy that selects by expressions plans as one that names the same guests and hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Guest,
    Host,
    Notice,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.selectors import (
    with_expressions_answered,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.report.unmatched_selectors import (
    unmatched_selectors,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.shortfall import shortfall
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

CLUSTER: Snapshot = generate(Shape(hosts=3, guests=12, seed=4))
FULLEST = max(CLUSTER.hosts, key=lambda host: host.used["memory"] or 0)


def guests(chosen: Callable[[Guest], bool]) -> list[str]:
    return sorted(guest.id for guest in CLUSTER.guests if chosen(guest))


def hosts(chosen: Callable[[Host], bool]) -> list[str]:
    return sorted(host.id for host in CLUSTER.hosts if chosen(host))


def percent(host: Host) -> float:
    return 100 * (host.used["memory"] or 0) / (host.capacity["memory"] or 1)


WEB = {"where": "contains(name, 'web')"}, {"names": guests(lambda guest: "web" in guest.name)}
LARGE = (
    {"where": "used.memory > bytes('2G') && kind == 'vm'"},
    {"names": guests(lambda guest: (guest.used["memory"] or 0) > 2 * 1024**3 and guest.kind == "vm")},
)
FULL = {"where": "percent.memory > `40`"}, {"names": hosts(lambda host: percent(host) > 40)}
ONE = {"where": f"name == '{FULLEST.name}'"}, {"names": [FULLEST.id]}


def decided(found: Plan) -> Any:
    return found.status, found.migrations, found.after, found.unresolved


@pytest.mark.parametrize(
    "policy",
    [
        lambda n: {"exclude": {"guests": LARGE[n]}},
        lambda n: {"exclude": {"targets": FULL[n]}},
        lambda n: {"exclude": {"sources": ONE[n], "guests": WEB[n]}},
        lambda n: {"goal": "evacuate", "evacuate": ONE[n], "may_stay": WEB[n], "shut_down": LARGE[n]},
        lambda n: {"reserves": [{"hosts": FULL[n], "memory": 1024**3}]},
        lambda n: {"priorities": [{"guests": LARGE[n], "priority": 9}]},
        lambda n: {"maintenance_windows": [{"hosts": ONE[n], "start": "00:00", "hours": 24}]},
        lambda n: {"rules": [{"by": "guests", "kind": "host_affinity", "guests": WEB[n], "hosts": ONE[n]}]},
    ],
)
def test_the_same_policy_as_by_names(policy: Callable[[int], dict[str, Any]]) -> None:
    by_expression, by_name = (Policy.from_json(policy(n)) for n in (0, 1))
    assert with_expressions_answered(by_expression, CLUSTER) == by_name


def test_a_plan_is_the_same_and_has_the_policy_as_it_was_written() -> None:
    """The part `names` adds up with the expression. Targets close by their load before the plan, not by that
    on the way.
    """
    exclude = {"guests": {"names": ["*web*"], "where": LARGE[0]["where"]}, "targets": FULL[0]}
    policy = Policy.from_json({"engine": "search", "exclude": exclude})
    exclude = {"guests": {"names": [*WEB[1]["names"], *LARGE[1]["names"]]}, "targets": FULL[1]}
    found = plan(CLUSTER, policy)
    assert found.policy == policy
    by_name = Policy.from_json({"engine": "search", "exclude": exclude})
    assert decided(found) == decided(plan(CLUSTER, by_name))
    assert shortfall(CLUSTER, policy) == shortfall(CLUSTER, by_name)


def test_a_placement_on_hosts_for_which_an_expression_is_true() -> None:
    wanted = {
        "name": "new",
        "cpu": 1,
        "memory": 1024**3,
        "hosts": {"where": f"status == 'online' && name == '{FULLEST.name}'"},
    }
    found = place([CLUSTER], PlacementRequest.from_json({"vms": [wanted]}))
    assert [one.host.id for one in found.placements] == [FULLEST.id]
    wrong = {**wanted, "hosts": {"where": "naem == 'a'"}}
    with pytest.raises(InputError, match=r"request.vms\[0\].hosts.where: .*Did you mean name"):
        PlacementRequest.from_json({"vms": [wrong]})


def test_what_matches_nothing_is_a_notice_or_an_error() -> None:
    given = {"exclude": {"guests": {"where": "name == 'nobody'"}, "targets": {"where": "name == 'none'"}}}
    assert unmatched_selectors(CLUSTER, Policy.from_json(given)) == (
        "policy.exclude.guests.where: \"name == 'nobody'\" matches no guest",
        "policy.exclude.targets.where: \"name == 'none'\" matches no host",
    )
    with pytest.raises(PlanningError, match=r"policy.exclude.guests.where.*matches no guest; and 1 more"):
        plan(CLUSTER, Policy.from_json({**given, "strict_selectors": True}))


@pytest.mark.parametrize(
    ("given", "fact", "message"),
    [
        (
            {"exclude": {"guests": {"where": "name == 'a' || tags[0] == 'x'"}}},
            "tags",
            "policy.exclude.guests.where: it selects guests by tags, which could not be read: not seen. Let "
            "the account read the tags, or select by something else",
        ),
        (
            {"exclude": {"targets": {"where": "percent.cpu > `80`"}}},
            "loads",
            "policy.exclude.targets.where: it selects hosts by percent, which could not be read: not seen. "
            "Let the account read the loads, or select by something else",
        ),
    ],
)
def test_what_was_not_read_selects_nothing_silently(given: dict[str, Any], fact: Any, message: str) -> None:
    unread = replace(CLUSTER, notices=(Notice(text="not seen", hides=(fact,)),))
    with pytest.raises(PlanningError) as caught:
        plan(unread, Policy.from_json(given))
    assert str(caught.value) == message
    other = {"exclude": {"guests": {"where": "name == 'a'"}}}
    assert unmatched_selectors(unread, Policy.from_json(other)) == (
        "policy.exclude.guests.where: \"name == 'a'\" matches no guest",
    )


def test_an_expression_that_fails_names_the_field_and_the_guest() -> None:
    first = CLUSTER.guests[0]
    policy = Policy.from_json({"may_stay": {"where": "starts_with(pool, 'x')"}})
    with pytest.raises(
        InputError, match=rf"^policy.may_stay.where: .* for guest {first.name} \({first.id}\)"
    ):
        plan(replace(CLUSTER, guests=(replace(first, pool=None), *CLUSTER.guests[1:])), policy)
