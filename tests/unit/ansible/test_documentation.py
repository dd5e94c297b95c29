# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role takes what its modules take, described alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.host_load_merge import (
    HOST_LOAD_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.prometheus_load import (
    PROMETHEUS_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.capacity import (
    LeaseOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.placement import (
    PLACEMENT_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.platform import (
    PLATFORM_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.policy import POLICY_ARGUMENTS
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    LOCK_ARGUMENTS,
    STATE_ARGUMENTS,
)

ROLE = Path(__file__).parents[3] / "roles" / "balance"
SPEC: dict[str, Any] = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))


def tasks_of_the_role() -> str:
    files = [*sorted((ROLE / "tasks").glob("*.yml")), ROLE / "vars" / "main.yml"]
    return "".join(file.read_text(encoding="utf-8") for file in files)


def differences(module: dict[str, Any], role: dict[str, Any], path: str) -> list[str]:
    """Where type, elements, choices or secrecy of an option of the role are not those of the module."""
    found = [
        f"{path}: {key} is {role.get(key)}, in the module {module.get(key)}"
        for key in ("type", "elements", "choices", "no_log")
        if (role.get(key) or None) != (module.get(key) or None)
    ]
    for name, option in (module.get("options") or {}).items():
        if name not in role.get("options", {}):
            found.append(f"{path}.{name} is missing")
        else:
            found += differences(option, role["options"][name], f"{path}.{name}")
    return found


def test_the_role_takes_what_the_modules_take() -> None:
    options = SPEC["argument_specs"]["main"]["options"]
    found = []
    modules = {**PLATFORM_ARGUMENTS, **POLICY_ARGUMENTS, **STATE_ARGUMENTS, **LOCK_ARGUMENTS}
    for name, spec in modules.items():
        if f"balance_{name}" not in options:
            found.append(f"balance_{name} is missing")
        else:
            found += differences(spec, options[f"balance_{name}"], f"balance_{name}")
    assert found == []


def test_the_role_takes_what_prometheus_load_takes() -> None:
    option = SPEC["argument_specs"]["main"]["options"]["balance_prometheus"]
    assert differences({"type": "dict", "options": PROMETHEUS_ARGUMENTS}, option, "") == []
    tasks = tasks_of_the_role()
    assert [name for name in PROMETHEUS_ARGUMENTS if f"balance_prometheus.{name} |" not in tasks] == []


def test_the_role_host_load_takes_what_its_module_takes() -> None:
    text = (ROLE.parent / "host_load" / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    assert HOST_LOAD_ARGUMENTS
    found = [
        difference
        for name, spec in HOST_LOAD_ARGUMENTS.items()
        for difference in differences(spec, options[f"host_load_{name}"], name)
    ]
    assert found == []


def test_the_role_lease_takes_what_its_module_takes() -> None:
    role = ROLE.parent / "lease"
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    tasks = (role / "tasks" / "main.yml").read_text(encoding="utf-8")
    found = []
    for name, spec in argument_spec(LeaseOptions).items():
        found += differences(spec, options.get(f"lease_{name}", {}), name)
        found += [] if f'    {name}: "{{{{ lease_{name}' in tasks else [f"{name} is not passed on"]
    assert found == []


def test_the_role_place_takes_what_its_module_takes() -> None:
    role = ROLE.parent / "place"
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    found = [
        difference
        for name, spec in PLACEMENT_ARGUMENTS.items()
        for difference in differences(spec, options[f"place_{name}"], name)
    ]
    assert found == []
    tasks = (role / "tasks" / "main.yml").read_text(encoding="utf-8")
    tasks += (role / "tasks" / "verify.yml").read_text(encoding="utf-8")
    assert [name for name in options if name.startswith("place_") and name not in tasks] == []


def test_every_variable_of_the_tasks_is_described() -> None:
    options = SPEC["argument_specs"]["main"]["options"]
    tasks = tasks_of_the_role()
    missing = [name for name in options if name not in tasks]
    assert missing == []
