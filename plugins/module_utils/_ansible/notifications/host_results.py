# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles balance and evacuate have left in the variables of a host, as a run for notify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOT_RUN = "No run began, because an earlier task failed."


def run_of(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The run on the cluster that is the inventory host `name`."""
    kept = variables.get("balance_run")
    if isinstance(kept, Mapping):
        # The role balance has kept it for a digest.
        return {**kept, "cluster": name}
    shown = variables.get("balance_shown")
    failure = str(variables.get("evacuate_failure") or variables.get("balance_failure") or "")
    if not isinstance(shown, Mapping):
        return {"cluster": name, "error": failure or NOT_RUN}
    planned, migrated = _mapping(variables, "balance_planned"), _mapping(variables, "balance_migrated")
    left = migrated.get("unresolved")
    return {
        "cluster": name,
        "plan": planned.get("summary") or {},
        "outcome": migrated.get("summary") or {},
        "unresolved": left if left is not None else planned.get("unresolved") or [],
        "report": shown.get("report") or migrated.get("report") or planned.get("report") or [],
        "error": failure or (str(shown.get("msg") or "") if shown.get("failed") else ""),
        "lock_taken_over": str(migrated.get("lock_taken_over") or ""),
        **_page(variables),
    }


def _page(variables: Mapping[str, Any]) -> dict[str, str]:
    """The page of the run, where the role has written one."""
    page = _mapping(variables, "balance_page")
    return {"page": str(page["path"]), "page_url": str(page["url"])} if page else {}


def runs_of(names: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Raises nothing for a name that is no host: nothing has run there."""
    names = list(names)
    known = {name: hostvars[name] for name in names if name in hostvars}
    return [run_of(name, known.get(name, {})) for name in names]


def _mapping(variables: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = variables.get(key)
    return value if isinstance(value, Mapping) else {}
