# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One source for an option: what is documented is what the argument spec has, and what the dataclass has."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.placement import (
    PLACEMENT_ARGUMENTS,
    VM,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import (
    POLICY_ARGUMENTS,
    policy_in_plain_numbers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.values import only_given
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.tools import options

# Ansible looks for the C library by a process when this is imported, which no test may.
importlib.import_module("ansible.utils.display")

PLUGINS = Path(__file__).parents[3] / "plugins"
PACKAGE = "ansible_collections.evenkeel.cluster.plugins"
NAMES = sorted(file.stem for file in (PLUGINS / "modules").glob("*.py"))


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    if not hasattr(module, "main"):
        # An action plugin is all of it.
        arguments: dict[str, Any] = importlib.import_module(f"{PACKAGE}.action.{name}").ARGUMENTS
        return arguments
    found: list[dict[str, Any]] = []

    class Constructed(Exception):
        pass

    def construct(argument_spec: dict[str, Any], **_rules: Any) -> None:
        found.append(argument_spec)
        raise Constructed

    monkeypatch.setattr(module, "AnsibleModule", construct)
    monkeypatch.setattr(module, "given_arguments", dict, raising=False)
    with pytest.raises(Constructed):
        module.main()
    return found[0]


def differences(spec: Mapping[str, Any], shown: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name in sorted(spec.keys() ^ shown.keys()):
        yield f"{path}{name} is only in {'the argument spec' if name in spec else 'the documentation'}"
    for name in spec.keys() & shown.keys():
        for key in ("type", "elements", "choices", "default", "required"):
            expected, documented = spec[name].get(key), shown[name].get(key)
            if expected != documented and (expected or documented or key == "default"):
                yield f"{path}{name}.{key} is {expected!r}, and documented as {documented!r}"
        inner = shown[name].get("suboptions") or {}
        yield from differences(spec[name].get("options") or {}, inner, f"{path}{name}.")


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_of_a_module_has_the_types_choices_and_defaults_of_its_argument_spec(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(differences(argument_spec(name, monkeypatch), options.documented_options(name))) == []


def prose_defaults(shown: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Options without a default whose description has a plain value for it."""
    for name, option in shown.items():
        text = " ".join(
            [option["description"]] if isinstance(option["description"], str) else option["description"]
        )
        plain = re.search(
            r"[Dd]efaults? (?:to|is) (?:V\(|C\()?(?:-?\d|true|false)|unless this is V\((?:true|false)", text
        )
        if plain and "default" not in option and "Falls back to E(" not in text:
            yield f"{path}{name}: {plain[0]}"
        inner = option.get("suboptions") or option.get("options") or {}
        yield from prose_defaults(inner, f"{path}{name}.")


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_default_of_a_module_is_no_prose(name: str) -> None:
    assert list(prose_defaults(options.documented_options(name))) == []


@pytest.mark.parametrize("role", options.ROLES)
def test_a_plain_default_of_a_role_is_no_prose(role: str) -> None:
    specs = yaml.safe_load((PLUGINS.parent / "roles" / role / "meta" / "argument_specs.yml").read_text())
    for entry in specs["argument_specs"].values():
        assert list(prose_defaults(entry["options"])) == []


def test_what_is_written_from_the_dataclasses_is_not_stale() -> None:
    command = ".venv/bin/python -m ansible_collections.evenkeel.cluster.tools.options"
    assert options.stale() == [], f"run {command}"


def test_the_defaults_of_the_argument_spec_are_those_of_a_policy() -> None:
    def given(spec: Mapping[str, Any]) -> dict[str, Any]:
        """Every default, explicitly; a dictionary of which no part is required with its own."""
        found = {name: option["default"] for name, option in spec.items() if "default" in option}
        for name in ("limits", "exclude"):
            if name in spec:
                found[name] = given(spec[name]["options"])
        return found

    assert Policy.from_json(policy_in_plain_numbers(given(POLICY_ARGUMENTS))) == Policy()


def test_a_default_does_not_hide_what_a_preset_has() -> None:
    validated = {
        "preset": "fdrs",
        "metrics": ["cpu", "memory"],
        "limits": {"cpu": 80.0, "memory": 90},
        "rules": [{"by": "tag", "strict": True}],
        "seed": 1,
        "now": None,
    }
    given = {"preset": "fdrs", "limits": "cpu=80", "rules": [{"by": "tag"}], "now": None, "plan_path": "x"}
    assert only_given(validated, given) == {
        "preset": "fdrs",
        "limits": {"cpu": 80.0},
        "rules": [{"by": "tag"}],
    }


def test_the_defaults_of_a_placement_are_those_of_a_request() -> None:
    def defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
        return {name: option["default"] for name, option in spec.items() if "default" in option}

    vm = {"name": "x", "cpu": 1, "memory": 1}
    explicit = {**defaults(PLACEMENT_ARGUMENTS), "vms": [{**vm, **defaults(VM)}]}
    assert PlacementRequest.from_json(explicit) == PlacementRequest.from_json({"vms": [vm]})
