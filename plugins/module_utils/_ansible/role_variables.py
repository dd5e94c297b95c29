# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of roles: which exist, and what is wrong with those that are set."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from .._model.errors import InputError
from .._model.text.nearest import nearest
from .._model.text.wording import listed

PREFIXES: Mapping[str, Sequence[str]] = {
    "balance": ("balance_",),
    "evacuate": ("evacuate_", "balance_"),
    "host_load": ("host_load_",),
    "lease": ("lease_",),
    "place": ("place_", "balance_"),
}
"""The prefixes of the variables that a role reads."""

OF_PLAYBOOKS: Mapping[str, Mapping[str, Any]] = {
    "balance_clusters": {"type": "raw"},
    "pipeline_keep_lease": {"type": "bool"},
    "reap_state_url": {"type": "str", "no_log": True},
    "reap_gone_owners": {"type": "list", "elements": "str"},
    "reap_living_owners": {"type": "list", "elements": "str"},
    "reap_living_tasks": {"type": "str"},
    "reap_cleanup_tasks": {"type": "str"},
    "reap_grace": {"type": "float"},
}
"""Variables of the playbooks themselves."""

# What the roles and playbooks name for themselves: variables of tasks, facts and results.
INTERNAL = frozenset(
    {
        "balance_again",
        "balance_block",
        "balance_error",
        "balance_is_stale",
        "balance_loaded",
        "balance_migrated",
        "balance_missing",
        "balance_newly_refused",
        "balance_planned",
        "balance_ran",
        "balance_refusals",
        "balance_refused",
        "balance_round",
        "balance_shown",
        "balance_snapshots",
        "balance_summary",
        "balance_unbalanced",
        "balance_unresolved",
        "evacuate_check",
        "evacuate_failure",
        "evacuate_listed",
        "evacuate_returning",
        "evacuate_this",
        "host_load_by_address",
        "host_load_hosts",
        "host_load_inventory_name",
        "host_load_known",
        "host_load_measured",
        "host_load_measured_by_id",
        "host_load_merged",
        "host_load_target",
        "lease_answer",
        "lease_failure",
        "lease_got",
        "lease_leased",
        "place_all",
        "place_by_name",
        "place_causes",
        "place_checks_left",
        "place_chosen",
        "place_differences",
        "place_existing",
        "place_failure",
        "place_failures",
        "place_found",
        "place_located",
        "place_misplaced",
        "place_new",
        "place_read",
        "place_result",
        "place_room",
        "place_vm",
        "place_why",
    }
)
# A file that two clusters write holds only the second one.
FILES = (
    "balance_journal_path",
    "balance_outcome_path",
    "balance_plan_path",
    "balance_snapshot_path",
    "place_snapshot_path",
)
_MISSING = "missing required arguments: "
_MAX_NAMED = 4


def specs_of(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The options of the entry points `main` below the folder with the roles, by role."""
    found = {}
    for role in PREFIXES:
        text = (folder / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
        found[role] = yaml_load(text)["argument_specs"]["main"]["options"]
    return found


def refuse_strangers(
    role: str, specs: Mapping[str, Mapping[str, Any]], names: Iterable[str], own: Container[str]
) -> None:
    """Raises InputError for a name with a prefix of the role that no role or playbook has; `own` are names of
    facts and results.
    """
    known = {name for options in specs.values() for name in options} | set(OF_PLAYBOOKS)
    strangers = (name for name in sorted(names) if name not in known | INTERNAL and name not in own)
    for name in strangers:
        for prefix in filter(name.startswith, PREFIXES[role]):
            # What all of them begin with would make any two of them alike.
            ends = {one.removeprefix(prefix): one for one in sorted(known) if one.startswith(prefix)}
            near = ends.get(nearest(name.removeprefix(prefix), ends) or "")
            raise InputError(
                name,
                name,
                "a variable of a role",
                statement=f" is not a variable of the role {role}",
                hint=f"Did you mean {near}?" if near else "Remove or rename it",
            )


def refuse_values(role: str, options: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises InputError for required variables that are not set, and for values that are not possible."""
    messages = ArgumentSpecValidator(dict(options)).validate(dict(values)).error_messages
    if not messages:
        return
    first = messages[0].rstrip(".")
    if first.startswith(_MISSING):
        names = first.removeprefix(_MISSING)
        raise InputError(
            names,
            None,
            "set",
            statement=f" {'are' if ',' in names else 'is'} required by the role {role}",
            hint="Set it for the cluster in the inventory, or with -e",
        )
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    raise InputError(f"role {role}", None, "possible", statement=f": {first}{more}")


def refuse_shared_files(own: Mapping[str, object], others: Mapping[str, Mapping[str, object]]) -> None:
    """Raises InputError when a file of `own`, by variable, is that of another cluster, of which `others` has
    the files by name.
    """
    for name, path in own.items():
        if not isinstance(path, str) or not path:
            continue
        same = [host for host, files in others.items() if _same(files.get(name), path)]
        if same:
            raise InputError(
                name,
                path,
                "a file of one cluster",
                statement=f" is {path} for {listed(same, _MAX_NAMED)} too,"
                " and each cluster needs a file of its own",
                hint=f'Use the name of the cluster in it: {name}: "{_example(path)}"',
            )


def _same(other: object, path: str) -> bool:
    return isinstance(other, str) and os.path.realpath(other) == os.path.realpath(path)


def _example(path: str) -> str:
    stem, dot = os.path.splitext(os.path.basename(path))
    return os.path.join(os.path.dirname(path), f"{stem}-{{{{ inventory_hostname }}}}{dot}")


def files_of(values: Mapping[str, Any], resolve: Callable[[Any], Any]) -> Mapping[str, object]:
    """The values of FILES that are set, resolved."""
    return {name: resolve(values[name]) for name in FILES if name in values}
