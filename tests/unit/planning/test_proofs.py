# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan calls proven, where it is easily proven too much: each cluster has a placement that is better
than a careless bound allows.
"""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import (
    highs_worker,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.assignment_milp import (
    AssignmentModel,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.departures_relaxation import (
    DeparturesModel,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.solution import Solution
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .test_scenarios import GIB, cluster

HALVES = {name: {"cpu": 100, "memory": 100} for name in ("h1", "h2")}


def test_a_placement_exactly_at_the_limit_is_inside() -> None:
    """40 and 0 percent: one guest of 10 makes it 30 and 10, which is what 20 points allow."""
    four = {f"g{number}": {"host": "h1", "cpu": 10, "memory": 1} for number in range(4)}
    asked = Policy.from_json({"metrics": ["cpu"], "max_spread": 20, "engine": "exact"})
    found = plan(cluster({"hosts": HALVES, "guests": four}), asked)
    assert (found.status, len(found.migrations), found.proof.optimal) == ("balanced", 1, True)
    assert found.after.spread["cpu"] == 20


def test_partners_that_bring_load_from_a_host_that_does_not_count() -> None:
    """One of them comes from a host in maintenance, so the mean of the others rises."""
    split = cluster(
        {
            "hosts": {**HALVES, "h3": {"cpu": 100, "memory": 100, "maintenance": True}},
            "guests": {
                "here": {"host": "h1", "cpu": 2, "memory": 2},
                "there": {"host": "h3", "cpu": 40, "memory": 40},
                "other": {"host": "h2", "cpu": 15, "memory": 5},
            },
            "rules": {"pair": {"kind": "affinity", "guests": ["here", "there"]}},
        }
    )
    for engine in ("search", "exact"):
        found = plan(split, Policy.from_json({"max_spread": 40, "engine": engine}))
        assert (found.status, len(found.migrations)) == ("balanced", 1)
        assert found.after.spread["cpu"] == 27
        assert found.proof.migrations_lower_bound <= 1
        for metric, least in found.proof.spread_lower_bound.items():
            assert least is None or least <= (found.after.spread[metric] or 0)


def test_a_rule_that_can_not_be_mended_forces_no_spread() -> None:
    """The guest should be on the small host, which has no room for it, and would be full there."""
    found = plan(
        cluster(
            {
                "hosts": {"large": {"cpu": 100, "memory": 100}, "small": {"cpu": 20, "memory": 20}},
                "guests": {"guest": {"host": "large", "cpu": 30, "memory": 30}},
                "rules": {"licence": {"kind": "host_affinity", "guests": ["guest"], "hosts": ["small"]}},
            }
        ),
        Policy.from_json({"max_spread": 50}),
    )
    assert found.migrations == ()
    for metric in ("cpu", "memory"):
        assert (found.proof.spread_lower_bound[metric] or 0) <= (found.after.spread[metric] or 0) == 30


def test_hosts_with_far_more_vcpus_than_cores() -> None:
    """15 vCPUs per core, where not only the hosts that count give: the band may lie anywhere."""
    vcpus = {"assigned": {"cpu": 150, "memory": GIB}, "cpu": 1, "memory": 1}
    guests = {f"g{number}": {"host": f"h{1 + number // 6}", **vcpus} for number in range(11)}
    crowded = cluster(
        {
            "hosts": {
                "h1": {"cpu": 10},
                "h2": {"cpu": 10},
                "h3": {"cpu": 10, "maintenance": True},
            },
            "guests": {**guests, "moves": {"host": "h3", **vcpus}},
        }
    )
    asked = Policy.from_json({"metrics": ["vcpu"], "max_spread": 5})
    state = Solution(build_problem(crowded, asked))
    for program in (DeparturesModel(state), AssignmentModel(state, None)):
        answer = highs_worker.solve(program.model(None))
        assert (answer["status"], round(answer["bound"])) == ("optimal", 1)


def test_a_host_without_free_local_space_takes_no_local_disk() -> None:
    """Nothing is free, so nothing is what the solver would measure by: it must not lose the limit."""
    local = {"local": {"shared": False, "capacity": 100 * GIB, "free": 0}}
    places = {**local, "san": {"shared": True}}
    asked = Policy.from_json({"metrics": ["cpu"], "max_spread": 10})
    disk = {"disks": [{"datastore": "local", "size": GIB}]}
    full = cluster(
        {
            "hosts": {name: {**values, "datastores": places} for name, values in HALVES.items()},
            "guests": {
                "a": {"host": "h1", "cpu": 20, "memory": 1, **disk},
                "b": {"host": "h1", "cpu": 20, "memory": 1, **disk},
            },
        }
    )
    answer = highs_worker.solve(AssignmentModel(Solution(build_problem(full, asked)), None).model(None))
    assert answer["status"] == "infeasible"


def test_a_row_that_the_solver_refuses_is_an_error() -> None:
    model = {"cost": [1.0], "lower": [0.0], "upper": [1.0], "integer": [True], "seconds": None}
    row = [1.0, None, [0], [1e30]]
    with pytest.raises(ValueError, match="refuses"):
        highs_worker.solve({**model, "rows": [row], "heuristics": True})


def test_a_host_that_a_rule_empties_is_not_one_with_many_guests() -> None:
    """Three hosts stay on, and the one that is closed becomes empty by its only guest's leaving."""
    many = {f"{host}{number}": {"host": host} for host in ("h1", "h2") for number in range(5)}
    found = plan(
        cluster(
            {
                "hosts": {"h1": {}, "h2": {}, "closed": {"schedulable": False}},
                "guests": {**many, "pinned": {"host": "closed"}},
                "rules": {"licence": {"kind": "host_affinity", "guests": ["pinned"], "hosts": ["h1"]}},
            }
        ),
        Policy.from_json({"goal": "consolidate", "consolidate": {"min_hosts": 2}}),
    )
    assert found.emptied == ("closed",)
    assert found.proof.migrations_lower_bound == len(found.migrations) == 1
    assert "2 hosts stay on, where at least 2 must be" in found.proof.method


def test_hosts_that_rules_empty_need_not_stay_on() -> None:
    """Two hosts take no guests, and a rule empties both: one is enough."""
    closed = {"closed1": {"schedulable": False}, "closed2": {"schedulable": False}}
    found = plan(
        cluster(
            {
                "hosts": {"h1": {}, **closed},
                "guests": {"g0": {"host": "h1"}, **{f"g{host}": {"host": host} for host in closed}},
                "rules": {
                    "licence": {
                        "kind": "host_affinity",
                        "guests": [f"g{host}" for host in closed],
                        "hosts": ["h1"],
                    }
                },
            }
        ),
        Policy.from_json({"goal": "consolidate"}),
    )
    assert "1 host stays on, where at least 1 must be" in found.proof.method


def test_siblings_on_a_host_that_takes_nothing_can_be_apart() -> None:
    """Three guests, and only two hosts that receive: but the third is where it is."""
    apart = cluster(
        {
            "hosts": {name: {"cpu": 100, "memory": 100} for name in ("h1", "h2", "h3")},
            "guests": {
                "a": {"host": "h1", "cpu": 2, "memory": 2},
                "b": {"host": "h2", "cpu": 2, "memory": 2},
                "c": {"host": "h3", "cpu": 2, "memory": 2},
                "large": {"host": "h3", "cpu": 40, "memory": 2},
                "rest": {"host": "h3", "cpu": 35, "memory": 2},
            },
            "rules": {"far": {"kind": "anti_affinity", "guests": ["a", "b", "c"]}},
        }
    )
    asked = {"max_spread": 30, "exclude": {"targets": {"names": ["h3"]}}, "max_migrations": 0}
    assert plan(apart, Policy.from_json(asked)).status == "unchanged"


def test_a_spread_that_is_over_its_limit_by_less_than_is_told() -> None:
    """30.0005 points count as 30, but what is proven of 30 is not proven of them."""
    found = plan(
        cluster({"hosts": HALVES, "guests": {"guest": {"host": "h1", "cpu": 30.0005, "memory": 1}}}),
        Policy.from_json({"metrics": ["cpu"], "max_spread": 30}),
    )
    assert (found.status, found.migrations) == ("balanced", ())
    assert found.proof.migrations_lower_bound == 0


def test_other_hosts_than_the_chosen_might_be_emptied() -> None:
    """Both hosts with one guest could become empty by two migrations, to the one that nobody is on."""
    found = plan(
        cluster(
            {
                "hosts": {"h1": {}, "h2": {"max_guests": 3}, "h3": {}, "empty": {}},
                "guests": {
                    "a": {"host": "h1"},
                    "b": {"host": "h2"},
                    "c": {"host": "h2", "memory": 8},
                    "d": {"host": "h3"},
                },
            }
        ),
        Policy.from_json({"goal": "consolidate"}),
    )
    assert (len(found.migrations), len(found.emptied)) == (3, 2)
    assert found.proof.migrations_lower_bound == 2
    assert not found.proof.optimal
