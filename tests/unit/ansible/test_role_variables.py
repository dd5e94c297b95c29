# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of roles that do not exist, are missing or are not possible are refused with one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.errors import FileError
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.role_variables import (
    INTERNAL,
    OF_PLAYBOOKS,
    PREFIXES,
    refuse_shared_files,
    refuse_strangers,
    refuse_unwritable_files,
    refuse_values,
    specs_of,
    users_of_files,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError

ROOT = Path(__file__).parents[3]
SPECS = specs_of(ROOT / "roles")
PROXMOX = {"balance_platform": "proxmox"}


def names_in(part: Any) -> Iterator[str]:
    """What tasks name: results, facts and vars."""
    if isinstance(part, list):
        for item in part:
            yield from names_in(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("vars", "ansible.builtin.set_fact"):
                yield from value
            elif key in ("register", "loop_var"):
                yield value
            yield from names_in(value)


def test_the_names_that_roles_have_for_themselves_are_known() -> None:
    found: set[str] = set()
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        found |= set(names_in(yaml.safe_load(path.read_text())))
    for path in ROOT.glob("roles/*/vars/*.yml"):
        found |= set(yaml.safe_load(path.read_text()))
    known = {name for options in SPECS.values() for name in options} | set(OF_PLAYBOOKS)
    prefixes = tuple(prefix for several in PREFIXES.values() for prefix in several)
    assert {name for name in found if name.startswith(prefixes)} - known == INTERNAL


@pytest.mark.parametrize(
    ("role", "name", "message"),
    [
        (
            "balance",
            "balance_agressiveness",
            "balance_agressiveness is not a variable of the role balance."
            " Did you mean balance_aggressiveness?",
        ),
        ("evacuate", "evacuate_host", "Did you mean evacuate_hosts?"),
        ("evacuate", "balance_max_migration", "Did you mean balance_max_migrations?"),
        ("place", "place_vm_list", "place_vm_list is not a variable of the role place"),
        ("lease", "lease_memroy", "Did you mean lease_memory?"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest(role: str, name: str, message: str) -> None:
    with pytest.raises(InputError) as found:
        refuse_strangers(role, SPECS, [name, "other"], own=())
    assert message in str(found.value)


def test_facts_results_and_variables_of_other_roles_may_have_any_name() -> None:
    mine = ["balance_report_of_last_week", "place_vms", "balance_clusters", "balance_planned", "ansible_host"]
    refuse_strangers("place", SPECS, mine, own={"balance_report_of_last_week": 1})
    refuse_strangers("lease", SPECS, ["balance_agressiveness"], own=())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {},
            "balance_platform is required by the role balance."
            " Set it for the cluster in the inventory, or with -e",
        ),
        (
            {**PROXMOX, "balance_goal": "lvel"},
            "balance_goal: 'lvel' is not one of: spread, relieve, rules, evacuate, consolidate",
        ),
        ({**PROXMOX, "balance_preset": "proxlbb"}, "sdrs. Did you mean proxlb?"),
        (
            {**PROXMOX, "balance_limits": {"cpus": 90}},
            "balance_limits.cpus is not a key of balance_limits. Did you mean cpu? Its keys: cpu,",
        ),
        (
            {**PROXMOX, "balance_rules": [{"by": "tag", "kind": "affinity"}, {"by": "tag"}]},
            "balance_rules[1].kind is required by the role balance",
        ),
        ({**PROXMOX, "balance_limits": 90}, "balance_limits: 90 is not a dictionary"),
        ({**PROXMOX, "balance_limits": ["cpu"]}, "balance_limits is not a dictionary"),
        (
            {**PROXMOX, "balance_rules": ["tag"]},
            "balance_rules is not a list of which each entry is a dictionary",
        ),
        (
            {**PROXMOX, "balance_max_migrations": "many"},
            "balance_max_migrations: 'many' is not a whole number",
        ),
    ],
)
def test_a_wrong_value_is_refused_briefly(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as found:
        refuse_values("balance", SPECS["balance"], values)
    assert message in str(found.value)
    assert len(str(found.value)) < 500


def test_two_clusters_never_share_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.json")
    own = {"balance_plan_path": path}
    others = {"b": {"balance_plan_path": f"{tmp_path}/b.json"}, "c": {}}
    refuse_shared_files("a", own, users_of_files({"a": own, **others}))
    others["b"] = {"balance_plan_path": f"{tmp_path}/./plan.json"}
    with pytest.raises(InputError) as found:
        refuse_shared_files("a", own, users_of_files({"a": own, **others}))
    assert str(found.value) == (
        f"balance_plan_path is {path} for b too, and each cluster needs a file of its own."
        " Use the name of the cluster in it:"
        f' balance_plan_path: "{tmp_path}/plan-{{{{ inventory_hostname }}}}.json"'
    )
    for name in ("balance_report_path", "evacuate_report_path", "report_path"):
        pages = {name: f"{tmp_path}/page.html"}
        with pytest.raises(InputError, match=f"{name} is .* for b too"):
            refuse_shared_files("a", pages, users_of_files({"a": pages, "b": pages}))


def test_a_file_that_can_t_be_written_later_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    well = {"balance_outcome_path": f"{tmp_path}/new/outcome.json", "lease_env_path": f"{tmp_path}/lease.sh"}
    refuse_unwritable_files(well, plans=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for name, path, why in (
        ("balance_outcome_path", "/proc/nowhere/outcome.json", "can't be written"),
        ("balance_plan_path", f"{tmp_path}/file/plan.json", "a folder of its path is a file"),
        ("balance_journal_path", str(tmp_path), "it is a folder"),
        ("lease_env_path", f"{tmp_path}/new/lease.sh", "No such file or directory"),
        ("balance_report_path", str(tmp_path), "it is a folder"),
        ("evacuate_report_path", f"{tmp_path}/file/page.html", "a folder of its path is a file"),
        ("place_report_path", "/proc/nowhere/page.html", "can't be written"),
        ("report_path", "/proc/nowhere/page.html", "can't be written"),
    ):
        with pytest.raises(FileError, match=f"{name}: .*{why}"):
            refuse_unwritable_files({name: path}, plans=True)
    refuse_unwritable_files({"balance_plan_path": "/proc/nowhere/plan.json"}, plans=False)
