# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The returned values of modules are documented to their leaves, and alike where modules share them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import summary
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement import Placement
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.schema import json_schema
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.modules import (
    balance_plan,
    capacity_lease,
    capacity_pool,
    vm_migrate,
    vm_placement,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tools.options import documented_options

PLAN, MIGRATED, PLACED, LEASED, POOL = (
    yaml.safe_load(module.RETURN)
    for module in (balance_plan, vm_migrate, vm_placement, capacity_lease, capacity_pool)
)


def differences(
    part: Mapping[str, Any], documented: Mapping[str, Any], shapes: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Fields of a shape that are documented and do not exist, or exist and are not documented."""
    fields = shapes[part["$ref"].removeprefix("#/$defs/")]["properties"]
    for name in fields.keys() ^ documented.get("contains", {}).keys():
        yield f"{path}.{name}"
    for name in fields.keys() & documented.get("contains", {}).keys():
        inner = fields[name].get("items", fields[name])
        # The policy is documented by the options of the module, and a summary of an id by its sample.
        if "$ref" in inner and name != "policy" and "contains" in documented["contains"][name]:
            yield from differences(inner, documented["contains"][name], shapes, f"{path}.{name}")


@pytest.mark.parametrize(
    ("shape", "documented"),
    [(Plan, PLAN["plan"]), (Outcome, MIGRATED["outcome"]), (Placement, PLACED["placement"])],
)
def test_a_result_is_documented_to_its_leaves(shape: type, documented: Mapping[str, Any]) -> None:
    schema = json_schema(shape, "result")
    assert list(differences(schema, documented, schema["$defs"], shape.__name__)) == []


def test_a_summary_is_documented() -> None:
    result = summary(plan(generate(Shape(hosts=3, guests=10)), Policy(storage=StoragePolicy())), None)
    assert result.keys() == PLAN["summary"]["contains"].keys()


def test_the_place_of_a_pool_is_documented_alike_in_a_lease() -> None:
    leased, pool = LEASED["lease"]["contains"]["pools"]["contains"], POOL["pool"]["contains"]
    place = leased.keys() & pool.keys() - {"vcpus", "memory", "storage", "networks"}
    assert len(place) == 13
    assert {name: leased[name] for name in place} == {name: pool[name] for name in place}


def test_a_reservation_is_documented_alike_as_an_option_and_as_a_result() -> None:
    returned = LEASED["lease"]["contains"]["placements"]["contains"]
    options = documented_options("capacity_lease")["placements"]["suboptions"]
    assert returned.keys() == options.keys()
    memory = {"memory"}  # an option may have a unit
    for name in returned.keys() - memory:
        assert returned[name]["description"] == options[name]["description"], name
        assert returned[name]["type"] == options[name]["type"], name
