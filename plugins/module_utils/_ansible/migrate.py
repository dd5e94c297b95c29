# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb of vm_migrate: act. Private to the collection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from .._execution.clock import Clock, SystemClock
from .._execution.dry_run import DryRun, DryRunClock
from .._execution.executor import Executor
from .._execution.journal import Journal
from .._execution.reclaiming import Reclaiming
from .._execution.stopping import StopSignal
from .._execution.work import Work
from .._model.outcome import Outcome
from .._model.plan import ClusterState, Plan
from .._model.policy import Policy
from .._model.snapshot import Snapshot
from .._planning.judge import present_state
from .._planning.rules import resolve
from .._platforms.protocol import Platform
from .conduct import conduct_of, slots_of, stop_signal
from .connect import open_platform
from .environment import with_environment
from .files import read_json, write_json
from .progress import ProgressFile
from .render import host_name, report
from .single import single
from .state import Kept, journal_path, keeping


def act(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Carry out a plan, or one migration, on the platform; in check mode all of it except the migrations
    themselves.
    """
    clock = SystemClock()
    conduct_of(params)
    stop = stop_signal(params, clock)
    plan = _plan_of(params)
    policy = plan.policy if plan else Policy()
    with closing(open_platform(with_environment(params, os.environ))) as platform:
        cluster = plan.cluster if plan else platform.read().cluster
        with keeping(params, cluster, os.environ, check_mode=check_mode) as kept:
            # Only now: whoever held the lock before may have changed the cluster.
            before = platform.read()
            work = _of_plan(plan, before) if plan else single(before, params["guest"], params["target"])
            seen = _as_hosts_see_it(platform, plan)
            outcome = _carry_out(work, seen, params, kept, stop, clock, check_mode=check_mode)
        after = platform.read() if outcome.count("migrated") and not check_mode else before
    if params["outcome_path"]:
        write_json(params["outcome_path"], outcome.to_json(), "outcome_path")
    states = present_state(before, policy), present_state(after, policy)
    result = _result(outcome, states, params, _lines(plan, work, states[0]))
    return {**result, "warnings": list(kept.notices)}


def _plan_of(params: Mapping[str, Any]) -> Plan | None:
    if params["plan_path"] is not None:
        return Plan.from_json(read_json(params["plan_path"], "plan_path"))
    return None if params["plan"] is None else Plan.from_json(params["plan"])


def _of_plan(plan: Plan, snapshot: Snapshot) -> Work:
    """The rules are those of the cluster as it is now: guests that came since count."""
    rules, _unresolved = resolve(snapshot, plan.policy)
    return Work(cluster=plan.cluster, migrations=plan.migrations, rules=rules, limits=plan.policy.limits)


def _as_hosts_see_it(platform: Platform, plan: Plan | None) -> Platform:
    if plan is None or not plan.reclaimable:
        return platform
    return Reclaiming(platform, plan.reclaimable, plan.migrations)


def _lines(plan: Plan | None, work: Work, before: ClusterState) -> list[str]:
    if plan is not None:
        return report(plan)
    return [
        f"  {migration.guest.name} ({migration.guest.id})"
        f"  {host_name(before, migration.source)} → {host_name(before, migration.target)}"
        for migration in work.migrations
    ]


def _carry_out(
    work: Work,
    platform: Platform,
    params: Mapping[str, Any],
    kept: Kept,
    stop: StopSignal,
    clock: Clock,
    *,
    check_mode: bool,
) -> Outcome:
    slots, conduct, stop = slots_of(params, platform.capacities), conduct_of(params), kept.guard(stop)
    if check_mode:
        memory = {migration.guest.id: migration.cost.memory for migration in work.migrations}
        planned = Executor(
            work,
            DryRun(platform, memory),
            slots=slots,
            conduct=conduct,
            journal=Journal(None, work.digest()),
            stop=stop,
            clock=DryRunClock(),
            observe=lambda _progress: None,
        )
        return planned.run().as_planned()
    with closing(ProgressFile(params["progress_path"])) as progress:
        return Executor(
            work,
            platform,
            slots=slots,
            conduct=conduct,
            journal=Journal(journal_path(params, work.cluster, os.environ), work.digest()),
            stop=stop,
            clock=clock,
            observe=progress.write,
            ended=kept.record,
        ).run()


def _result(
    outcome: Outcome, states: tuple[ClusterState, ClusterState], params: Mapping[str, Any], lines: list[str]
) -> dict[str, Any]:
    changed = bool(outcome.count("migrated") + outcome.count("planned"))
    before, after = states
    result: dict[str, Any] = {
        "changed": changed,
        "summary": {
            "status": outcome.status,
            "seconds": outcome.seconds,
            **outcome.counts(),
            "spread_before": dict(before.spread),
            "spread_after": dict(after.spread),
        },
    }
    if params["outcome_path"]:
        result["summary"]["outcome_path"] = params["outcome_path"]
    else:
        result["outcome"] = outcome.to_json()
    if changed:
        result["diff"] = {"prepared": "\n".join(lines) + "\n"}
    failed = [migration for migration in outcome.migrations if migration.result in ("failed", "cancelled")]
    if failed:
        first = failed[0]
        result["failed"] = True
        result["msg"] = (
            f"{len(failed)} of {len(outcome.migrations)} migrations failed; the first: step {first.step},"
            f" {first.guest.name} ({first.guest.id}) from {host_name(before, first.source)}"
            f" to {host_name(before, first.target)}: {first.why}"
        )
    elif outcome.status == "stopped":
        result["failed"] = True
        skipped = next(migration for migration in outcome.migrations if migration.result == "skipped")
        result["msg"] = f"stopped with {outcome.count('skipped')} migrations not begun: {skipped.why}"
    return result
