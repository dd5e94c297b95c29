# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the variables of a role before anything else is done."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.once import once
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.role_variables import (
    PREFIXES,
    REPORTS,
    files_of,
    refuse_shared_files,
    refuse_strangers,
    refuse_unwritable_files,
    refuse_values,
    specs_of,
    users_of_files,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

ARGUMENTS = {"role": {"type": "str", "required": True, "choices": sorted(PREFIXES)}}
ROLES = Path(__file__).parents[2] / "roles"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Compares them with the specification of the role, and the files with those of other clusters."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            self._check(arguments["role"], variables)
        except EvenKeelError as error:
            return {**found, "failed": True, "msg": str(error), "error": type(error).__name__}
        return {**found, "changed": False}

    def _check(self, role: str, variables: Mapping[str, Any]) -> None:
        specs = specs_of(ROLES)
        refuse_strangers(role, specs, variables, _facts(variables))
        given = {name: variables[name] for name in specs[role] if name in variables}
        values = self._templar.template(given)
        refuse_values(role, specs[role], values)
        if self._connection.transport == "local":
            tags = {"all", "plan"} & set(variables.get("ansible_run_tags", ["all"]))
            refuse_unwritable_files(values, plans=bool(tags))
            self._check_reports(role, specs["balance"], variables)
        files = files_of(given, self._templar.template)
        hosts = variables["ansible_play_hosts_all"]
        if files and len(hosts) > 1:
            # Each host compares its files with those of all others, which are resolved once for all hosts.
            name = f"evenkeel-files-{self._task._uuid}"
            users = once(
                Path(constants.DEFAULT_LOCAL_TMP),
                name,
                lambda: users_of_files(self._files_of_all(hosts, specs[role], variables)),
            )
            refuse_shared_files(variables["inventory_hostname"], files, users)

    def _check_reports(self, role: str, specs: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        """Where the run is reported. What loads the libraries for that is loaded only where they are used."""
        given = {name: variables[name] for name in REPORTS if name in variables}
        if role not in ("balance", "evacuate") or not given:
            return
        from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.role_reports import (
            refuse_useless_reports,
        )

        values = self._templar.template(given)
        refuse_values("balance", {name: specs[name] for name in given}, values)
        python = self._templar.template(variables.get("ansible_python_interpreter", ""))
        refuse_useless_reports(values, variables["inventory_hostname"], own_python=python == sys.executable)

    def _files_of_all(
        self, hosts: Sequence[str], names: Container[str], variables: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, object]]:
        """The files of each host of the play. What the play sets is evaluated anew for it."""
        every = variables["hostvars"]
        mine = every.raw_get(variables["inventory_hostname"])
        of_play = {name: value for name, value in variables.items() if name not in mine}
        found = {}
        for host in hosts:
            there = {**of_play, **every.raw_get(host), "inventory_hostname": host}
            templar = self._templar.copy_with_new_env(available_variables=there)
            given = {name: value for name, value in there.items() if name in names}
            # A host whose files can't be resolved fails by itself, and not the others.
            with suppress(AnsibleError):
                found[host] = files_of(given, templar.template)
        return found


def _facts(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Results and facts of the host, which a playbook may name as it likes."""
    manager = getattr(variables["hostvars"], "_variable_manager", None)
    found: Mapping[str, Any] = getattr(manager, "_nonpersistent_fact_cache", {}).get(
        variables["inventory_hostname"], {}
    )
    return found
