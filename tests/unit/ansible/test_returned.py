# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module returns is described to its leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import summary
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.schema import json_schema
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.modules import balance_plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

RETURN: Mapping[str, Any] = yaml.safe_load(balance_plan.RETURN)


def differences(
    part: Mapping[str, Any], told: Mapping[str, Any], shapes: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Fields of one shape that are described without being there, or are there without being described."""
    fields = shapes[part["$ref"].removeprefix("#/$defs/")]["properties"]
    for name in fields.keys() ^ told.get("contains", {}).keys():
        yield f"{path}.{name}"
    for name in fields.keys() & told.get("contains", {}).keys():
        inner = fields[name].get("items", fields[name])
        # The policy is described by the options of the module.
        if "$ref" in inner and name != "policy":
            yield from differences(inner, told["contains"][name], shapes, f"{path}.{name}")


def test_a_plan_is_described_to_its_leaves() -> None:
    schema = json_schema(Plan, "plan")
    assert list(differences(schema, RETURN["plan"], schema["$defs"], "plan")) == []


def test_a_summary_is_described() -> None:
    result = summary(plan(generate(Shape(hosts=3, guests=10)), Policy()), None)
    assert result.keys() == RETURN["summary"]["contains"].keys()
