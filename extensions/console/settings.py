# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of the inventory, with the options that the role balance passes to its modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.balance_plan import (
    BALANCE_PLAN_ARGUMENTS,
    policy_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.cluster_facts import (
    FactsOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.prometheus_load import (
    PrometheusLoadOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_migrate import (
    MigrateOptions,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.argument_spec import (
    argument_spec,
    options_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import refuse_unusable
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy

_Options = TypeVar("_Options")
# Recorded with each run, so that the history says where it was started.
STARTED_WITH = {"program": "evenkeel-console"}


@dataclass(frozen=True, kw_only=True)
class RoleArguments:
    """What the role balance passes to its modules for one cluster; what it omits is not in there.
    `demand_source`: where loads come from.
    """

    facts: Mapping[str, Any]
    plan: Mapping[str, Any]
    migrate: Mapping[str, Any]
    prometheus: Mapping[str, Any]
    demand_source: str = "platform"


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """The options of a cluster. `prometheus` are those of prometheus_load where loads come from there, and
    `given` the options of the policy as the inventory sets them.
    """

    facts: FactsOptions
    policy: Policy
    given: Mapping[str, Any]
    run: MigrateOptions
    prometheus: Mapping[str, Any] | None = None
    notices: tuple[str, ...] = ()


def settings_of(arguments: RoleArguments) -> ClusterSettings:
    """The settings from the arguments of the role's tasks. Raises EvenKeelError for a wrong one."""
    run = _options(MigrateOptions, "vm_migrate", arguments.migrate)
    given = {name: value for name, value in arguments.plan.items() if name in BALANCE_PLAN_ARGUMENTS}
    policy = policy_with(given)
    prometheus, notices = None, []
    if arguments.demand_source == "prometheus":
        prometheus = _validated(argument_spec(PrometheusLoadOptions), "prometheus_load", arguments.prometheus)
    elif arguments.demand_source != "platform":
        notices.append(
            f"balance_demand_source: {arguments.demand_source} is not supported by the console, so loads are"
            " those of the platform and a plan may differ from that of the playbook"
        )
    return ClusterSettings(
        facts=replace(_options(FactsOptions, "cluster_facts", arguments.facts), snapshot_path=None),
        policy=policy,
        given=given,
        run=replace(
            run,
            plan=None,
            plan_path=None,
            outcome_path=None,
            progress_path=None,
            started_by={**(run.started_by or {}), **STARTED_WITH},
        ),
        prometheus=prometheus,
        notices=tuple(notices),
    )


def policy_with(given: Mapping[str, Any]) -> Policy:
    """The policy from options of balance_plan. Raises EvenKeelError."""
    params = _validated(BALANCE_PLAN_ARGUMENTS, "balance_plan", given)
    try:
        return Policy.from_json(policy_of(params, given))
    except EvenKeelError as error:
        raise error.inside("policy") from None


def _options(cls: type[_Options], module: str, given: Mapping[str, Any]) -> _Options:
    return options_of(cls, _validated(argument_spec(cls), module, given))


def _validated(spec: Mapping[str, Any], module: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """As AnsibleModule would validate them."""
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(given))
    if checked.error_messages:
        raise EvenKeelError(checked.error_messages[0].rstrip("."), where=f"options of {module}")
    params: dict[str, Any] = checked.validated_parameters
    refuse_unusable(params)
    return params
