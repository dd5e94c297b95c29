# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups for module_defaults: each member accepts what a playbook sets for the group."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.platform import (
    PLATFORM_ARGUMENTS,
)
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure
from ansible_collections.evenkeel.cluster.tools.options import PLUGINS, documented_options

ROOT: Final = Path(__file__).parents[3]
GROUPS: Final[Mapping[str, list[str]]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())[
    "action_groups"
]
# Groups of what works with the state database only.
KINDS: Final = ("capacity", "history", "service")
MEMBERS: Final = sorted({member for members in GROUPS.values() for member in members})


def options_of(group: str) -> set[str]:
    return {"state_url"} if group in KINDS else set(PLATFORM_ARGUMENTS)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_each_member_has_the_options_that_the_group_is_for(group: str) -> None:
    for member in GROUPS[group]:
        assert options_of(group) <= set(documented_options(member)), member


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_no_other_module_has_these_options(group: str) -> None:
    """One that has is a member, unless it works with a platform and keeps its history there."""
    modules = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py"))
    platforms = set(GROUPS["proxmox"])
    found = {name for name in modules if options_of(group) <= set(documented_options(name))}
    kinds = {member for group in KINDS for member in GROUPS[group]}
    assert found - platforms - (kinds - set(GROUPS[group])) <= set(GROUPS[group])


@pytest.mark.parametrize("module", MEMBERS)
def test_the_documentation_names_the_groups_of_a_module(module: str) -> None:
    documented = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION)
    found: set[str] = set()
    for name in documented["extends_documentation_fragment"]:
        _namespace, _collection, file, *part = name.split(".")
        fragments = importlib.import_module(f"{PLUGINS}.doc_fragments.{file}").ModuleDocFragment
        text = yaml.safe_load(getattr(fragments, part[0].upper() if part else "DOCUMENTATION"))
        found |= set(text.get("attributes", {}).get("action_group", {}).get("membership", ()))
    assert found == {f"evenkeel.cluster.{group}" for group, members in GROUPS.items() if module in members}


def test_names_that_other_collections_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and variables as in vmware.vmware, community.vmware and community.proxmox."""
    said: dict[str, Any] = {}
    for case, options, environment in (
        (
            "vsphere",
            {"platform": "vsphere", "hostname": "h", "user": "u", "pwd": "p", "cluster_name": "c"},
            {},
        ),
        ("user", {"platform": "proxmox", "api_host": ["h"], "api_password": "p"}, {}),
        ("timeout", {"platform": "rehearsal"}, {"PROXMOX_API_TIMEOUT": "soon"}),
    ):
        # Reaching a platform comes after its options, and ends here.
        wrong = {"ca_path": str(tmp_path / "gone.pem")}
        said[case] = failure("cluster_facts", {**options, **wrong}, monkeypatch, environment)
    for case in ("vsphere", "user"):
        assert said[case].startswith("ca_path: "), said[case]
    assert said["timeout"].startswith("argument 'api_timeout' is of type")
