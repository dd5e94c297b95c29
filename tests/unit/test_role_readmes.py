# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role has a README, as Galaxy asks: purpose, the five variables that are set most often, example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"


def _variables_of(role: str) -> set[str]:
    """The variables of the role, and those of `balance`, whose connection and policy other roles use."""
    found: set[str] = set()
    for name in (role, "balance"):
        specs = yaml.safe_load((ROLES / name / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        for spec in specs.values():
            found |= set(spec["options"])
    return found


@pytest.mark.parametrize(
    "role", sorted(path.parent.parent.name for path in ROLES.glob("*/meta/argument_specs.yml"))
)
def test_the_readme_of_a_role_names_variables_that_it_has(role: str) -> None:
    text = (ROLES / role / "README.md").read_text()
    title, purpose = text.split("\n\n")[:2]
    assert title == f"# Role `evenkeel.cluster.{role}`"
    assert len(purpose) > 60
    table = text.split("## The five variables that are set most often")[1].split("## Example")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert len(rows) == 5
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named <= _variables_of(role)
    example = text.split("## Example")[1].split("```yaml\n")[1].split("```")[0]
    assert f"evenkeel.cluster.{role}" in example
    set_there = set(re.findall(rf"\b((?:{role}|balance)_\w+):", example))
    assert set_there <= _variables_of(role)
    assert isinstance(yaml.safe_load(example), list)


def test_the_role_that_only_other_roles_use_says_so() -> None:
    [role] = [path.name for path in ROLES.iterdir() if not (path / "meta" / "argument_specs.yml").exists()]
    assert (ROLES / role / "README.md").read_text().startswith(f"# Role `evenkeel.cluster.{role}`\n\nPart of")
