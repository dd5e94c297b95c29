# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb of vm_migrate: act. Private to the collection."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .._execution.clock import SystemClock
from .._execution.dry_run import DryRun
from .._execution.executor import execute
from .._execution.options import ExecutionOptions
from .._model.errors import InputError
from .._model.outcome import Outcome
from .._model.plan import Cost, GuestRef, Migration, Plan
from .._model.policy import Limits
from .._model.snapshot import ClusterRef, Guest, Snapshot
from .._platforms.errors import NotFound
from .._platforms.protocol import Platform
from .connect import open_platform
from .environment import with_environment
from .files import read_json, write_json
from .render import report


@dataclass(frozen=True)
class _Work:
    """What is to be carried out, and how to show it."""

    cluster: ClusterRef
    migrations: Sequence[Migration]
    limits: Limits
    lines: Sequence[str]


def act(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Carry out a plan, or one migration, on the platform; in check mode all of it except the migrations
    themselves.
    """
    plan = _plan_of(params)
    with closing(open_platform(with_environment(params, os.environ))) as platform:
        work = _of_plan(plan) if plan else _single(platform.read(), params)
        outcome = _execute(work, platform, params, check_mode)
    if params["outcome_path"]:
        write_json(params["outcome_path"], outcome.to_json(), "outcome_path")
    return _result(work, outcome, params)


def _plan_of(params: Mapping[str, Any]) -> Plan | None:
    if params["plan_path"] is not None:
        return Plan.from_json(read_json(params["plan_path"], "plan_path"))
    return None if params["plan"] is None else Plan.from_json(params["plan"])


def _of_plan(plan: Plan) -> _Work:
    return _Work(plan.cluster, plan.migrations, plan.policy.limits, report(plan))


def _single(snapshot: Snapshot, params: Mapping[str, Any]) -> _Work:
    """One migration that the user names. The host may be filled as far as mending a rule may fill it."""
    guest = _find_guest(snapshot, params["guest"])
    hosts = [host for host in snapshot.hosts if params["target"] in (host.id, host.name)]
    if not hosts:
        names = ", ".join(sorted(host.name for host in snapshot.hosts))
        raise NotFound(f"there is no host {params['target']!r}", where="target", hint=f"There are {names}")
    source = next(host for host in snapshot.hosts if host.id == guest.host)
    migration = Migration(
        step=1,
        wave=1,
        guest=GuestRef(id=guest.id, name=guest.name),
        source=guest.host,
        target=hosts[0].id,
        kind="manual",
        why="asked for",
        after=(),
        cost=Cost(memory=int(guest.used.get("memory") or guest.assigned.get("memory") or 0), seconds=0),
    )
    limits = Limits()
    line = f"  {guest.name} ({guest.id})  {source.name} → {hosts[0].name}"
    return _Work(snapshot.cluster, [migration], Limits(memory=limits.memory_for_rules), [line])


def _find_guest(snapshot: Snapshot, wanted: str) -> Guest:
    by_id = [guest for guest in snapshot.guests if guest.id == wanted]
    found = by_id or [guest for guest in snapshot.guests if guest.name == wanted]
    if not found:
        raise NotFound(f"there is no guest {wanted!r} in cluster {snapshot.cluster.name!r}", where="guest")
    if len(found) > 1:
        ids = ", ".join(guest.id for guest in found)
        raise InputError("guest", wanted, "the name of one guest only", hint=f"Give an id, one of {ids}")
    return found[0]


def _execute(work: _Work, platform: Platform, params: Mapping[str, Any], check_mode: bool) -> Outcome:
    options = ExecutionOptions(
        max_parallel=params["max_parallel"],
        max_per_host=params["max_per_host"],
        limits=work.limits,
        timeout=params["timeout"],
        poll_interval=params["poll_interval"],
    )
    for name in ("max_parallel", "max_per_host"):
        if params[name] is not None and params[name] < 1:
            raise InputError(name, params[name], "a number of at least 1")
    if not check_mode:
        return execute(work.migrations, work.cluster, platform, options, SystemClock())
    memory = {migration.guest.id: migration.cost.memory for migration in work.migrations}
    return execute(
        work.migrations, work.cluster, DryRun(platform, memory), options, DryRunClock()
    ).as_planned()


class DryRunClock(SystemClock):
    """What only seems to happen takes no time."""

    def sleep(self, seconds: float) -> None:
        pass


def _result(work: _Work, outcome: Outcome, params: Mapping[str, Any]) -> dict[str, Any]:
    changed = bool(outcome.count("migrated") + outcome.count("planned"))
    result: dict[str, Any] = {
        "changed": changed,
        "summary": {"status": outcome.status, "seconds": outcome.seconds, **outcome.counts()},
    }
    if params["outcome_path"]:
        result["summary"]["outcome_path"] = params["outcome_path"]
    else:
        result["outcome"] = outcome.to_json()
    if changed:
        result["diff"] = {"prepared": "\n".join(work.lines) + "\n"}
    failed = [migration for migration in outcome.migrations if migration.result in ("failed", "cancelled")]
    if failed:
        first = failed[0]
        result["failed"] = True
        result["msg"] = (
            f"{len(failed)} of {len(outcome.migrations)} migrations failed; the first: step {first.step},"
            f" {first.guest.name} ({first.guest.id}) from {first.source} to {first.target}: {first.why}"
        )
    return result
