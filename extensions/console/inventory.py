# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of the inventory, and for each the arguments that the role balance passes to its modules.

They are the templates of the role itself, so that playbook and console never differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.role_variables import (
    files_of,
    refuse_shared_files,
    refuse_strangers,
    refuse_values,
    specs_of,
    users_of_files,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError, InputError

from .settings import ClusterSettings, RoleArguments, settings_of

ROLES = Path(__file__).parents[2] / "roles"
GROUP = "clusters"
READ_ONLY = "evenkeel_console_read_only"
_MODULE = "evenkeel.cluster."
_PREFIX = "balance_"
_WORD = re.compile(r"\W")
# What the tasks take from each other; the console passes it itself.
_BETWEEN_TASKS = frozenset(
    {"snapshot", "snapshot_path", "plan", "plan_path", "what_if", "refusals", "disk_refusals"}
)


@dataclass(frozen=True, kw_only=True)
class FoundCluster:
    """A cluster of the inventory: its settings, or what is wrong with its variables."""

    name: str
    settings: ClusterSettings | None
    error: str = ""
    read_only: bool = False


def find_clusters(
    loader: DataLoader, inventory: InventoryManager, variables: VariableManager, limit: str | None
) -> Sequence[FoundCluster]:
    """The hosts of the inventory that the playbook balance would run for, in its order.

    Raises InputError when there is none, and AnsibleError for a pattern that can't be.
    """
    pattern = variables.extra_vars.get("balance_clusters", GROUP)
    pattern = pattern if isinstance(pattern, str) else list(pattern)
    if limit:
        inventory.subset(limit)
    hosts = inventory.get_hosts(pattern) if inventory.hosts else []
    if not hosts:
        shown = pattern if isinstance(pattern, str) else ":".join(pattern)
        within = f" within the limit {limit}" if limit else ""
        raise InputError(
            "inventory",
            shown,
            "a group or pattern of clusters",
            statement=f": no host matches {shown}{within}",
            hint=f"Name an inventory with -i that has the clusters as hosts of its group {GROUP}",
        )
    role = _Role(loader)
    given = {host.name: _variables(variables, host) for host in hosts}
    known = {name: found for name, found in given.items() if isinstance(found, dict)}
    files = users_of_files({name: role.files(found) for name, found in known.items()})
    return [_found(role, name, found, files) for name, found in given.items()]


def _variables(manager: VariableManager, host: Any) -> dict[str, Any] | str:
    """The variables of a host, or why they can't be read, such as for a wrong vault password."""
    try:
        found: dict[str, Any] = manager.get_vars(host=host)
    except AnsibleError as error:
        return _said(error)
    return found


def _found(
    role: _Role,
    name: str,
    variables: dict[str, Any] | str,
    users: Mapping[str, Mapping[str, Sequence[str]]],
) -> FoundCluster:
    if isinstance(variables, str):
        return FoundCluster(name=name, settings=None, error=variables)
    try:
        role.check(name, variables, users)
        settings = settings_of(role.arguments(variables))
        read_only = bool(role.value(variables, READ_ONLY))
    except AnsibleError as error:
        return FoundCluster(name=name, settings=None, error=_said(error))
    except EvenKeelError as error:
        return FoundCluster(name=name, settings=None, error=role.as_variable(str(error)))
    return FoundCluster(name=name, settings=settings, read_only=read_only)


class _Role:
    """The role balance: its specification, defaults and variables, and the arguments of its tasks."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._specs = specs_of(ROLES)
        self._defaults = self._file("defaults/main.yml")
        # What the arguments of the tasks are made of.
        self._own = self._file("vars/main.yml")
        main = self._file("tasks/main.yml")
        self._connection = _arguments(main[0]["module_defaults"], "cluster_facts")
        plan, migrate = self._file("tasks/plan.yml"), self._file("tasks/migrate.yml")
        prometheus = self._file("tasks/loads_from_prometheus.yml")
        self._facts = _task(plan, "cluster_facts")
        self._plan = _task(plan, "balance_plan")
        self._migrate = _task(migrate, "vm_migrate")
        self._prometheus = _task(prometheus, "prometheus_load")

    def check(
        self, name: str, variables: Mapping[str, Any], users: Mapping[str, Mapping[str, Sequence[str]]]
    ) -> None:
        """What check_variables checks. Raises EvenKeelError."""
        refuse_strangers("balance", self._specs, variables, ())
        spec = self._specs["balance"]
        given = {option: variables[option] for option in spec if option in variables}
        refuse_values("balance", spec, self._resolved(variables, given))
        refuse_shared_files(name, self.files(variables), users)

    def files(self, variables: Mapping[str, Any]) -> Mapping[str, object]:
        """The files that the role would write for a cluster; one that can't be resolved fails elsewhere."""
        templar = Templar(self._loader, variables={**self._defaults, **variables})
        try:
            return {name: _plain(value) for name, value in files_of(variables, templar.template).items()}
        except AnsibleError:
            return {}

    def as_variable(self, said: str) -> str:
        """A message about an option of a module, with the name of the variable that the user knows."""
        return f"{_PREFIX}{said}" if f"{_PREFIX}{_WORD.split(said)[0]}" in self._specs["balance"] else said

    def value(self, variables: Mapping[str, Any], name: str) -> Any:
        """A variable, or None."""
        return self._resolved(variables, {name: variables[name]})[name] if name in variables else None

    def arguments(self, variables: Mapping[str, Any]) -> RoleArguments:
        """Raises AnsibleError for a template that can't be resolved."""
        source = self.value({**self._defaults, **variables}, "balance_demand_source")
        return RoleArguments(
            facts=self._resolved(variables, {**self._connection, **self._facts}),
            plan=self._resolved(variables, self._plan),
            migrate=self._resolved(variables, {**self._connection, **self._migrate}),
            prometheus=self._resolved(variables, self._prometheus) if source == "prometheus" else {},
            demand_source=source,
        )

    def _resolved(self, variables: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        templar = Templar(self._loader, variables={**self._defaults, **variables, **self._own})
        found: dict[str, Any] = _plain(templar.template(dict(values)))
        return found

    def _file(self, path: str) -> Any:
        return self._loader.load_from_file(str(ROLES / "balance" / path), trusted_as_template=True)


def _task(tasks: Iterable[Mapping[str, Any]], module: str) -> dict[str, Any]:
    return _arguments(next(task for task in tasks if _MODULE + module in task), module)


def _arguments(task: Mapping[str, Any], module: str) -> dict[str, Any]:
    return {name: value for name, value in task[_MODULE + module].items() if name not in _BETWEEN_TASKS}


def _said(error: AnsibleError) -> str:
    return " ".join(str(error).split())


def _plain(value: object) -> Any:
    """A value of Ansible without its marks of origin and trust."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value
