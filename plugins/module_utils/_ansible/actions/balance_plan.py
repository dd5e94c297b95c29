# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module balance_plan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from ..._model.codec import encode
from ..._model.errors import EvenKeelError
from ..._model.overrides import Overrides
from ..._model.plan import Plan, StoragePlan, Unresolved
from ..._model.policy.policy import Policy
from ..._model.snapshot import DiskRefusal, Refusal, Snapshot
from ..._planning.planner import plan as make_plan
from ..._planning.snapshots.what_if import apply_overrides
from ..json_files import is_kept
from ..log import LogOptions, open_log
from ..log_events import log_plan
from ..options.argument_spec import Path, Spec, argument_spec, options_of
from ..options.policy import (
    DISK_REFUSAL,
    POLICY_ARGUMENTS,
    REFUSAL,
    WHAT_IF,
    policy_in_plain_numbers,
)
from ..options.values import numbers, only_given, without_none
from ..reports.plan import plan_report
from ..snapshots import SnapshotOptions, snapshot_of


@dataclass(frozen=True, kw_only=True)
class BalancePlanOptions(LogOptions, SnapshotOptions):
    """The options of balance_plan besides those of the policy, which POLICY_ARGUMENTS describes."""

    plan_path: Path | None = None
    refusals: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=REFUSAL)] = None
    disk_refusals: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=DISK_REFUSAL)] = None
    what_if: Annotated[Mapping[str, Any] | None, Spec(options=WHAT_IF)] = None


BALANCE_PLAN_ARGUMENTS = {**argument_spec(BalancePlanOptions), **POLICY_ARGUMENTS}


def run_balance_plan(params: dict[str, Any], check_mode: bool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Plan from a snapshot and the policy options; into a file, with a summary as the result, when plan_path
    is given and it is not check mode. `given` holds the options that the task sets, as it sets them.
    """
    options = options_of(BalancePlanOptions, params)
    with open_log(options, params, os.environ, check_mode=check_mode) as log:
        with log.failures("plan_failed"):
            try:
                plan = _plan(options, Policy.from_json(policy_of(params, given)))
            except EvenKeelError as error:
                # The options are the parts of the policy: users know no option `policy`.
                raise error.inside("policy") from None
        log_plan(log, plan)
    value = plan.to_json()
    kept = is_kept(options.plan_path, value, "plan_path", check_mode=check_mode)
    result: dict[str, Any] = {
        "changed": False,
        "summary": summary(plan, options.plan_path if kept else None),
        "report": plan_report(plan),
        "unresolved": [f"{item.what}: {item.why}" for item in all_unresolved(plan)],
        "notices": all_notices(plan),
        "warnings": [*all_notices(plan), *log.problems()],
    }
    if plan.sustained is not None:
        result["sustained"] = encode(plan.sustained)
    if not kept:
        result["plan"] = value
    return result


def _plan(options: BalancePlanOptions, policy: Policy) -> Plan:
    snapshot = with_refusals(snapshot_of(options), options.refusals or (), options.disk_refusals or ())
    if not options.what_if:
        return make_plan(snapshot, policy)
    return hypothetical_plan(snapshot, policy, Overrides.from_json(what_if_of(options.what_if)))


def hypothetical_plan(snapshot: Snapshot, policy: Policy, overrides: Overrides) -> Plan:
    """The plan for the cluster with the changes of what_if, which can't be applied."""
    plan = make_plan(apply_overrides(snapshot, overrides), policy)
    notices = plan.notices
    if overrides.of_datastores and policy.storage is None:
        notices = (
            *notices,
            "what_if changes datastores or disks, but no disk is moved because the policy has no storage. "
            "Set storage or goal: storage",
        )
    return replace(plan, hypothetical=True, notices=notices)


def with_refusals(
    snapshot: Snapshot, migrations: Sequence[Mapping[str, Any]], disks: Sequence[Mapping[str, Any]]
) -> Snapshot:
    """The snapshot with what a run has just been refused: it counts as of now."""
    refusals = (
        Refusal(guest=item["guest"], host=item["host"], why=_why(item), at=snapshot.taken_at)
        for item in migrations
    )
    disk_refusals = (
        DiskRefusal(
            guest=item["guest"],
            disks=tuple(item["disks"]),
            datastore=item["datastore"],
            why=_why(item),
            at=snapshot.taken_at,
        )
        for item in disks
    )
    return replace(
        snapshot,
        refusals=(*snapshot.refusals, *refusals),
        disk_refusals=(*snapshot.disk_refusals, *disk_refusals),
    )


def _why(refusal: Mapping[str, Any]) -> str:
    return refusal.get("why") or "the platform refuses it"


def policy_of(params: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The policy's JSON from the options: what the task does not set is left to the preset."""
    policy = policy_in_plain_numbers(
        only_given({option: params[option] for option in POLICY_ARGUMENTS}, given)
    )
    for option in ("max_spread", "level_above", "assumed_capacity"):
        if option in policy:
            policy[option] = numbers(policy[option], option)
    return policy


def what_if_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides' JSON from the option; a rule is strict by default."""
    overrides: dict[str, Any] = without_none(given)
    for rule in overrides.get("rules_added", ()):
        rule.setdefault("source", "what_if")
        rule.setdefault("strict", True)
    return overrides


def _key(plan: Plan) -> str:
    """By what the state database knows the cluster, but for rehearsals."""
    return ":".join(part for part in (plan.platform, plan.cluster.instance, plan.cluster.id) if part)


def all_unresolved(plan: Plan) -> list[Unresolved]:
    """What the plan leaves out of order, about hosts and about datastores."""
    return [*plan.unresolved, *(plan.storage.unresolved if plan.storage else ())]


def all_notices(plan: Plan) -> list[str]:
    """What the plan rests on, about hosts and about datastores."""
    return [*plan.notices, *(plan.storage.notices if plan.storage else ())]


def storage_summary(plan: StoragePlan) -> dict[str, Any]:
    """The part for datastores in a few numbers."""
    return {
        "status": plan.status,
        "moves": len(plan.moves),
        "waves": max((move.wave for move in plan.moves), default=0),
        "bytes": plan.proof.bytes,
        "bytes_lower_bound": plan.proof.bytes_lower_bound,
        "optimal": plan.proof.optimal,
        "violations_before": len(plan.before.violations),
        "violations_after": len(plan.after.violations),
        "unresolved": len(plan.unresolved),
        "not_emptied": {
            item.subject: item.why for item in plan.unresolved if item.code == "datastore_not_empty"
        },
    }


def summary(plan: Plan, path: str | None) -> dict[str, Any]:
    """A plan in a few numbers."""
    result = {
        "cluster": {"id": plan.cluster.id, "name": plan.cluster.name, "key": _key(plan)},
        "status": plan.status,
        "plan_path": path,
        "migrations": len(plan.migrations),
        "migrations_lower_bound": plan.proof.migrations_lower_bound,
        "optimal": plan.proof.optimal,
        "waves": max((migration.wave for migration in plan.migrations), default=0),
        "memory_bytes": sum(migration.cost.memory for migration in plan.migrations),
        "spread_before": dict(plan.before.spread),
        "spread_after": dict(plan.after.spread),
        "violations_before": len(plan.before.violations),
        "violations_after": len(plan.after.violations),
        "unresolved": len(all_unresolved(plan)),
        "waiting": plan.waiting(),
        "hosts_emptied": len(plan.emptied),
    }
    if plan.storage is not None:
        result["storage"] = storage_summary(plan.storage)
    return result
