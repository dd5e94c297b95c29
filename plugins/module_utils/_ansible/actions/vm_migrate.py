# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_migrate: running a plan or one migration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..._execution.clock import Clock, SystemClock
from ..._execution.concurrency_limits import ConcurrencyLimits
from ..._execution.dry_run import DryRunClock, DryRunPlatform
from ..._execution.errors import StorageUnsupported, WrongCluster
from ..._execution.executor import Executor
from ..._execution.job import MigrationJob, names_of
from ..._execution.journal import Journal
from ..._execution.progress import DiskProgress, Progress
from ..._execution.reclaimable_memory import ReclaimableMemoryPlatform
from ..._execution.stopping import StopSignal
from ..._execution.storage.dry_run import DryRunStorage
from ..._execution.storage.executor import DiskMoveExecutor, with_disk_moves
from ..._execution.storage.job import DiskMoveJob, disk_move_job
from ..._execution.storage.relocations import RelocationCheck, relocation_check
from ..._model.errors import InputError
from ..._model.lookup import find_one
from ..._model.moves import snapshot_after_moves
from ..._model.outcome import DiskMoveOutcome, MigrationOutcome, Outcome
from ..._model.plan import ClusterState, Cost, DiskMove, GuestRef, Migration, Plan, StorageState
from ..._model.policy.policy import Limits, Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot
from ..._model.text.wording import readable
from ..._planning.external_balancer import active_balancer, defers
from ..._planning.model.rules import resolve_rules
from ..._planning.report.cluster_state import present_state
from ..._planning.report.unresolved import is_complete
from ..._planning.shortfall import shortfall
from ..._planning.storage.rules import resolve_storage_rules
from ..._platforms.errors import PlatformError
from ..._platforms.protocol import Platform
from ..._platforms.storage_protocol import StoragePlatform
from ..errors import FileError
from ..json_files import is_kept, read_json
from ..log import Log, LogOptions, open_log
from ..log_events import RunEvents
from ..options.argument_spec import Path, options_of
from ..options.environment import with_environment
from ..options.execution import (
    ExecutionOptions,
    concurrency_limits,
    disk_slots,
    failure_policy,
    stop_signal,
)
from ..options.platform import MovingOptions
from ..options.storage_map import local_datastores, redirected
from ..platforms import open_platform
from ..reports.outcome import (
    bytes_copied,
    disk_results_by_kind,
    memory_moved,
    outcome_report,
    percents,
    results_by_kind,
    storage_state,
)
from ..reports.plan import host_name, plan_report
from ..reports.progress_file import ProgressFile
from ..started_by import who_started
from ..state_session import RunOptions, RunState, journal_path, run_state

if TYPE_CHECKING:
    from ..._state.history import GuestMove


@dataclass(frozen=True, kw_only=True)
class MigrateOptions(RunOptions, ExecutionOptions, MovingOptions, LogOptions):
    """The options of vm_migrate. `plan`, `plan_path` or `guest` is set, and `target` with `guest`."""

    plan: Mapping[str, Any] | None = None
    plan_path: Path | None = None
    guest: str | None = None
    target: str | None = None
    journal_path: Path | None = None
    progress_path: Path | None = None
    outcome_path: Path | None = None


def run_vm_migrate(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Runs a plan, or one migration, on the platform; in check mode all of it except the migrations."""
    options = options_of(MigrateOptions, params)
    with open_log(options, params, os.environ, check_mode=check_mode) as log, log.failures("run_failed"):
        result = _run(options, log, check_mode=check_mode)
    return {**result, "warnings": [*result["warnings"], *log.problems()]}


def _run(options: MigrateOptions, log: Log, *, check_mode: bool) -> dict[str, Any]:
    clock = SystemClock()
    failure_policy(options)
    stop = stop_signal(options, clock)
    plan = _plan_of(options)
    run = migrate(options, plan, stop, clock, RunEvents(log), check_mode=check_mode)
    notices = list(run.notices)
    kept_at = _store_outcome(run.outcome, options.outcome_path, notices, check_mode=check_mode)
    return {
        **_result(run, kept_at, _lines(plan, run.work, run.states[0])),
        "unresolved": list(run.left or ()),
        "refusals": _refusals(run.outcome),
        "disk_refusals": _disk_refusals(run.outcome),
        "stale": run.stale,
        **run.lock,
        "warnings": notices,
    }


@dataclass(frozen=True, kw_only=True)
class MigrationRun:
    """A run that has ended. `states`: the cluster before and after, and `datastores` where disks were to be
    moved. `left`: what the policy still wants, None when that is not known. `stale`: nothing was started,
    because the plan was out of date. `lock`: how long it waited for the lock, and from whom it took it over.
    """

    work: MigrationJob
    outcome: Outcome
    states: tuple[ClusterState, ClusterState]
    datastores: tuple[StorageState, StorageState] | None
    numbers: Mapping[str, Any]
    left: Sequence[str] | None
    stale: bool
    lock: Mapping[str, Any]
    notices: Sequence[str]


def migrate(
    options: MigrateOptions,
    plan: Plan | None,
    stop: StopSignal,
    clock: Clock,
    events: RunEvents,
    *,
    check_mode: bool,
    watch: Callable[[Progress], None] = lambda _progress: None,
) -> MigrationRun:
    """Runs a plan, or the migration that the options name, with the lock, the journal and the history of the
    cluster; in check mode all of it except the migrations.
    """
    policy = plan.policy if plan else Policy()
    of_disks = _moves_disks(plan)
    with closing(
        open_platform(with_environment(options, os.environ), options, storage=of_disks > 0)
    ) as platform:
        storage = _storage_part(platform, plan)
        cluster = plan.cluster if plan else platform.read().cluster
        with run_state(options, cluster, os.environ, check_mode=check_mode) as kept:
            # Only now: whoever held the lock before may have changed the cluster.
            before = platform.read()
            if plan is not None:
                _demand_same_place(plan, before)
            if plan is not None and plan.migrations and defers(before, plan.policy):
                # It was switched on since the plan was made. What balances hosts moves no disks.
                stop.request(active_balancer(before))
            work = (
                _of_plan(plan, before, options.target_storage)
                if plan
                else _single_migration(before, options.guest or "", options.target or "")
            )
            seen = _with_reclaimable_memory(platform, plan)
            journal = Journal(
                None if check_mode else journal_path(options.journal_path, options, work.cluster, os.environ),
                work.digest(),
            )
            disks = _disk_job(plan, before, options, work, platform.capacities.settling_seconds)
            kept.begin(options, work.cluster, plan, work.migrations, work.names, os.environ, work.disk_moves)
            events.begin(work, plan, who_started(options.started_by, os.environ))
            events.lock(kept.lock_waited, kept.lock_taken_over)
            stale = _stale(plan, kept, before, journal)
            if stale is not None:
                stop.request(stale)
            slots = concurrency_limits(options, platform.capacities, local_datastores(before))
            outcome = _execute(
                work,
                seen,
                slots,
                journal,
                options,
                kept,
                events,
                stop,
                clock,
                watch,
                check_mode=check_mode,
                disks=None if disks is None or storage is None else (disks, storage, plan),
                along=_disks_along(plan, before, storage, check_mode=check_mode),
            )
            events.finish(outcome)
            lock = {"lock_waited": kept.lock_waited, "lock_taken_over": kept.lock_taken_over}
            kept.release_lock()
            notices: list[str] = []
            state = present_state(before, policy, work.emptied)
            state_after = state
            after: Snapshot | None = before
            if outcome.moved_anything and not check_mode:
                after = _reread(platform, before, notices)
                state_after = (
                    present_state(after, policy, work.emptied)
                    if after is not None
                    else replace(state, spread=dict.fromkeys(state.spread), hosts={})
                )
            left = _not_migrated(plan, outcome, before, after, check_mode=check_mode)
            numbers = _numbers(plan, outcome, (state, state_after), _memory(work), left)
            numbers |= _by_kind(work, outcome) | _disk_numbers(work, outcome, before, after)
            was_stale = stale is not None and outcome.status == "stopped"
            kept.end(outcome.status, {**numbers, **lock, **_proof(plan), "stale": was_stale})
    return MigrationRun(
        work=work,
        outcome=outcome,
        states=(state, state_after),
        datastores=(
            (storage_state(before), storage_state(after)) if _bytes(work) and after is not None else None
        ),
        numbers=numbers,
        left=left,
        stale=was_stale,
        lock=lock,
        notices=(*kept.notices, *notices),
    )


def _numbers(
    plan: Plan | None,
    outcome: Outcome,
    states: tuple[ClusterState, ClusterState],
    memory: Mapping[str, int],
    left: Sequence[str] | None,
) -> dict[str, Any]:
    """The outcome in a few numbers."""
    before, after = states
    return {
        "status": outcome.status,
        "seconds": outcome.seconds,
        **outcome.counts(),
        "memory_bytes": memory_moved(outcome, memory),
        "spread_before": dict(before.spread),
        "spread_after": dict(after.spread),
        "in_band": None if left is None else not left,
        "unresolved": len(left or ()),
        "waiting": 0 if plan is None else min(plan.waiting(), len(left or ())),
    }


def _by_kind(work: MigrationJob, outcome: Outcome) -> dict[str, Any]:
    return {
        "by_kind": results_by_kind(outcome, {one.step: one.kind for one in work.migrations}),
        "migration_seconds": sum(one.seconds or 0 for one in outcome.migrations if one.result == "migrated"),
    }


def _disk_numbers(
    work: MigrationJob, outcome: Outcome, before: Snapshot, after: Snapshot | None
) -> dict[str, Any]:
    """Of the moves of disks; nothing where the plan has none."""
    if not _bytes(work):
        return {}
    ends: list[MigrationOutcome | DiskMoveOutcome] = [*outcome.migrations, *outcome.disk_moves]
    return {
        "disk_moves": outcome.disk_counts(),
        "disk_moves_by_kind": disk_results_by_kind(outcome, {one.step: one.kind for one in work.disk_moves}),
        "disk_move_seconds": sum(one.seconds or 0 for one in outcome.disk_moves if one.result == "migrated"),
        "bytes_copied": bytes_copied(outcome, _bytes(work)),
        "left_behind": sum(len(one.left_behind) for one in ends),
        "datastores_before": percents(storage_state(before)),
        "datastores_after": None if after is None else percents(storage_state(after)),
    }


def _proof(plan: Plan | None) -> dict[str, Any]:
    """What the history keeps of the quality of a plan."""
    if plan is None:
        return {}
    return {
        "migrations_planned": len(plan.migrations),
        "migrations_lower_bound": plan.proof.migrations_lower_bound,
        "violations_before": len(plan.before.violations),
        "violations_after": len(plan.after.violations),
        **(
            {}
            if plan.storage is None
            else {
                "disk_moves_planned": len(plan.storage.moves),
                "bytes_planned": plan.storage.proof.bytes,
                "bytes_lower_bound": plan.storage.proof.bytes_lower_bound,
            }
        ),
    }


def _refusals(outcome: Outcome) -> list[dict[str, Any]]:
    """The migrations that the platform's own check refused, in the form of balance_plan's option."""
    return [
        {"guest": one.guest.id, "host": one.target, "why": one.why, "at": one.ended_at}
        for one in outcome.migrations
        if one.result == "refused"
    ]


def _disk_refusals(outcome: Outcome) -> list[dict[str, Any]]:
    """The moves of disks that the platform's own check refused, in the form of balance_plan's option, with
    the disks that are not there.
    """
    return [
        {
            "guest": one.guest.id,
            "disks": [disk for disk in one.disks if disk not in one.moved],
            "datastore": one.target,
            "why": one.why,
            "at": one.ended_at,
        }
        for one in outcome.disk_moves
        if one.result == "refused"
    ]


def _not_migrated(
    plan: Plan | None, outcome: Outcome, before: Snapshot, after: Snapshot | None, *, check_mode: bool
) -> list[str] | None:
    """Requirements of the plan's policy that the cluster does not meet after the run; in check mode, after
    the planned migrations. None when this is not known.

    After a complete run the plan's own findings count, by the loads that the plan is based on. Otherwise the
    cluster is checked.
    """
    if plan is None:
        return None
    of_disks = () if plan.storage is None else plan.storage.unresolved
    if outcome.status in ("done", "planned"):
        return [
            f"{item.what}: {item.why}" for item in (*plan.unresolved, *of_disks) if not is_complete([item])
        ]
    if check_mode:
        planned = {one.guest.id: one.target for one in outcome.migrations if one.result == "planned"}
        along = {one.guest.id: one.storage for one in plan.migrations}
        after = snapshot_after_moves(before, planned, along)
    if after is None:
        return None
    missing = () if plan.policy.goal == "storage" else shortfall(after, plan.policy)
    found = [f"{item.what}: {item.why}" for item in (*missing, *of_disks) if not is_complete([item])]
    disks = [
        f"{one.guest.name}: {', '.join(one.disks)} to {one.target}: {one.result}: {one.why}"
        for one in outcome.disk_moves
        if one.result not in ("migrated", "already_there", "planned")
    ]
    names = {host.id: host.name for host in after.hosts}
    bad = [
        f"{one.guest.name} to {names.get(one.target, one.target)}: {one.result}: {one.why}"
        for one in outcome.migrations
        if one.result in ("refused", "failed", "cancelled")
    ]
    return [*found, *bad, *disks] if found or disks else []


def _single_migration(snapshot: Snapshot, wanted: str, target: str) -> MigrationJob:
    """The job of migrating one guest. The limits for restoring rules apply to the target."""
    guest = find_one(snapshot.guests, "guest", wanted, "guest")
    host = find_one(snapshot.hosts, "host", target, "target")
    migration = Migration(
        step=1,
        wave=1,
        guest=GuestRef(id=guest.id, name=guest.name),
        source=guest.host,
        target=host.id,
        kind="manual",
        why="requested",
        after=(),
        cost=Cost(memory=int(guest.used.get("memory") or guest.assigned.get("memory") or 0), seconds=0),
    )
    rules, _unresolved = resolve_rules(snapshot, Policy())
    limits = Limits(memory=Limits().memory_for_rules)
    return MigrationJob(
        cluster=snapshot.cluster,
        migrations=(migration,),
        rules=rules,
        limits=limits,
        names=names_of(snapshot),
    )


def _demand_same_place(plan: Plan, before: Snapshot) -> None:
    """Raises WrongCluster: ids such as 1 or prod are those of many clusters, and of every platform."""
    planned, found = plan.cluster.instance, before.cluster.instance
    if plan.platform != before.platform or (planned and found and planned != found):
        wanted = " ".join(filter(None, (plan.platform, planned)))
        there = " ".join(filter(None, (before.platform, found)))
        raise WrongCluster(
            f"the plan is for cluster {plan.cluster.name!r} of {wanted},"
            f" and this is {before.cluster.name!r} of {there}",
            where="vm_migrate",
            hint="Nothing was started. Make a plan for this cluster",
        )


def _stale(plan: Plan | None, kept: RunState, before: Snapshot, journal: Journal) -> str | None:
    """The reason why the plan must not be started. A run that was rolling back continues to do so."""
    if plan is None or journal.past.rolling_back:
        return None
    return _stale_reason(plan, kept.shifted(plan.remembered_at), before)


def _stale_reason(plan: Plan, shifts: Mapping[str, GuestMove], snapshot: Snapshot) -> str | None:
    """The reason why a plan is out of date, or None: since its cluster was read, other runs have moved guests
    to hosts that are not their targets in the plan. An earlier part of the plan, or a run of the same plan,
    does not make it stale. A plan that moves nothing is never stale.
    """
    ends: dict[str, set[str]] = {}
    for migration in plan.migrations:
        ends.setdefault(migration.guest.id, set()).add(migration.target)
    others = [guest for guest, shift in shifts.items() if shift.end not in ends.get(guest, ())]
    if not others or not (plan.migrations or (plan.storage is not None and plan.storage.moves)):
        return None
    guests = {guest.id: guest.name for guest in snapshot.guests}
    hosts = {host.id: host.name for host in snapshot.hosts}
    first = shifts[others[0]]
    more = f", and {len(others) - 1} more" if len(others) > 1 else ""
    return (
        f"the plan is stale: after the cluster was read for it, another run moved"
        f" {guests.get(others[0], others[0])} from {hosts.get(first.origin, first.origin)}"
        f" to {hosts.get(first.end, first.end)}{more}. Read the cluster and plan again"
    )


def _reread(platform: Platform, before: Snapshot, notices: list[str]) -> Snapshot | None:
    """The cluster after the run. The outcome must be reported even when the cluster cannot be read."""
    try:
        snapshot = platform.read()
    except PlatformError as error:
        notices.append(
            f"The cluster could not be re-read after the run; the resulting loads are unknown: {error}"
        )
        return None
    notices.extend(
        f"{balancer} was switched on while guests were migrated, and may move them again"
        for balancer in snapshot.other_balancers
        if balancer not in before.other_balancers
    )
    return snapshot


def _store_outcome(outcome: Outcome, path: str | None, notices: list[str], *, check_mode: bool) -> str | None:
    """Writes the outcome to its file and returns the path; None when it has to be returned instead."""
    try:
        kept = is_kept(path, outcome.to_json(), "outcome_path", check_mode=check_mode)
    except FileError as error:
        notices.append(f"the outcome is returned, because its file can't be written: {error}")
        return None
    return path if kept else None


def _moves_disks(plan: Plan | None) -> int:
    """How often the plan moves disks to another datastore, with or without their guest."""
    if plan is None:
        return 0
    along = sum(migration.cost.disks > 0 for migration in plan.migrations)
    return along + (0 if plan.storage is None else len(plan.storage.moves))


def _storage_part(platform: object, plan: Plan | None) -> StoragePlatform | None:
    """The part of the platform that moves disks; None where the plan moves none, with or without guests.

    Raises StorageUnsupported before anything is started.
    """
    moves = _moves_disks(plan)
    if not moves:
        return None
    if not isinstance(platform, StoragePlatform):
        name = "" if plan is None else plan.platform
        raise StorageUnsupported(
            f"moves of disks between datastores are not supported by {name}, and the plan has {moves}",
            where="vm_migrate",
            hint="Nothing was started. Plan without the option storage",
        )
    return platform


def _disk_job(
    plan: Plan | None, before: Snapshot, options: MigrateOptions, work: MigrationJob, settling: float
) -> DiskMoveJob | None:
    if plan is None:
        return None
    return disk_move_job(
        plan,
        before,
        work.names,
        timeout=options.disk_timeout,
        last_step=work.last_step,
        settling_seconds=settling,
        rules=resolve_storage_rules(before, plan.policy.storage or StoragePolicy())[0],
    )


def _disks_along(
    plan: Plan | None, before: Snapshot, storage: StoragePlatform | None, *, check_mode: bool
) -> RelocationCheck | None:
    """What looks at the disks that migrations take to other datastores; None where none does."""
    if plan is None or storage is None:
        return None
    rules = resolve_storage_rules(before, plan.policy.storage or StoragePolicy())[0]
    return relocation_check(plan, before, storage, rules, check_mode=check_mode)


def _bytes(work: MigrationJob) -> Mapping[int, int]:
    """Bytes of disks that each step copies that moves disks, with their guest or without."""
    along = {one.step: one.cost.disks for one in work.migrations if one.cost.disks}
    return along | {move.step: move.bytes for move in work.disk_moves}


def _memory(work: MigrationJob) -> Mapping[str, int]:
    """Bytes of each guest that is to be migrated, by id."""
    return {migration.guest.id: migration.cost.memory for migration in work.migrations}


def _plan_of(options: MigrateOptions) -> Plan | None:
    if options.plan_path is not None:
        plan = Plan.from_json(read_json(options.plan_path, "plan_path"))
    elif options.plan is not None:
        plan = Plan.from_json(options.plan)
    else:
        return None
    refuse_hypothetical(plan, "plan" if options.plan_path is None else "plan_path")
    return plan


def refuse_hypothetical(plan: Plan, field: str) -> None:
    """Raises InputError for a plan of what_if."""
    if plan.hypothetical:
        raise InputError(
            field,
            None,
            "a plan for the cluster as it is",
            statement=" is a plan for a cluster with the changes of what_if, not for the cluster as it is",
            hint="Plan without what_if",
        )


def _of_plan(plan: Plan, snapshot: Snapshot, target_storage: str | None) -> MigrationJob:
    """The rules are those of the cluster as it is now: guests that came since count."""
    rules, _unresolved = resolve_rules(snapshot, plan.policy)
    leaving = {migration.source for migration in plan.migrations if migration.kind == "evacuate"}
    return MigrationJob(
        cluster=plan.cluster,
        migrations=redirected(plan.migrations, target_storage),
        rules=rules,
        limits=plan.policy.limits,
        emptied=frozenset(leaving.union(plan.emptied)),
        names=names_of(snapshot),
        disk_moves=() if plan.storage is None else plan.storage.moves,
    )


def _with_reclaimable_memory(platform: Platform, plan: Plan | None) -> Platform:
    if plan is None or not plan.reclaimable:
        return platform
    return ReclaimableMemoryPlatform(platform, plan.reclaimable, plan.migrations)


def _lines(plan: Plan | None, work: MigrationJob, before: ClusterState) -> list[str]:
    if plan is not None:
        return plan_report(plan)
    return [
        readable(
            f"  {migration.guest.name} ({migration.guest.id})"
            f"  {host_name(before, migration.source)} → {host_name(before, migration.target)}"
        )
        for migration in work.migrations
    ]


def _execute(
    work: MigrationJob,
    platform: Platform,
    slots: ConcurrencyLimits,
    journal: Journal,
    options: MigrateOptions,
    kept: RunState,
    events: RunEvents,
    stop: StopSignal,
    clock: Clock,
    watch: Callable[[Progress], None],
    *,
    check_mode: bool,
    disks: tuple[DiskMoveJob, StoragePlatform, Plan | None] | None = None,
    along: RelocationCheck | None = None,
) -> Outcome:
    """The migrations, with the disks that go `along`, and after them the moves of `disks`."""
    policy = failure_policy(options)
    seen: list[Progress] = []

    def ended(outcome: MigrationOutcome) -> None:
        kept.record(outcome)
        events.ended(outcome)

    def disks_ended(outcome: DiskMoveOutcome) -> None:
        kept.record_disks(outcome)
        events.disks_ended(outcome)

    def observe(now: Progress) -> None:
        seen[:] = [now]
        progress.write(now)
        events.observe(now)
        watch(now)

    def observe_disks(now: DiskProgress, paused: str) -> None:
        observe(replace(seen[0], at=clock.now(), seconds_left=now.seconds_left, paused=paused, disks=now))

    with closing(ProgressFile(None if check_mode else options.progress_path)) as progress:
        time = DryRunClock() if check_mode else clock
        began = time.monotonic()
        hosts = Executor(
            work,
            DryRunPlatform(platform, _memory(work)) if check_mode else platform,
            concurrency=slots,
            failure_policy=policy,
            journal=journal,
            stop=stop,
            renew_lock=lambda: kept.renew_lock(stop),
            clock=time,
            observe=(lambda _progress: None) if check_mode else observe,
            ended=(lambda _outcome: None) if check_mode else ended,
            pauses=not check_mode,
            is_last=disks is None,
            disks=along,
        )
        outcome = hosts.run()
        if disks is not None:
            job, storage, plan = disks
            if check_mode:
                storage = DryRunStorage(
                    storage, job, _seeming_hosts(outcome), _relocated(work, outcome, along)
                )
            end = DiskMoveExecutor(
                job,
                storage,
                slots=disk_slots(options, None if plan is None else plan.policy.storage),
                failure_policy=policy,
                journal=journal,
                stop=stop,
                renew_lock=lambda: kept.renew_lock(stop),
                clock=time,
                observe=(lambda _progress, _paused: None) if check_mode else observe_disks,
                ended=(lambda _outcome: None) if check_mode else disks_ended,
                pauses=not check_mode,
            ).run(hosts.ended_early)
            journal.finish()
            outcome = with_disk_moves(outcome, end, time.monotonic() - began)
    return outcome.as_planned() if check_mode else outcome


def _seeming_hosts(outcome: Outcome) -> Mapping[str, str]:
    """Where guests would be after the migrations, by id."""
    return {one.guest.id: one.target for one in outcome.migrations if one.result == "migrated"}


def _relocated(work: MigrationJob, outcome: Outcome, along: RelocationCheck | None) -> list[DiskMove]:
    """The disks that have gone along, or seemed to, as moves of disks."""
    done = {one.step for one in outcome.migrations if one.result == "migrated"}
    own = [one for one in work.migrations if one.step in done and one.cost.disks]
    return [] if along is None else [move for one in own for move in along.layout.moves(one)]


def _result(run: MigrationRun, kept_at: str | None, lines: list[str]) -> dict[str, Any]:
    outcome, memory, left = run.outcome, _memory(run.work), run.left or ()
    changed = outcome.moved_anything
    before, after = run.states
    result: dict[str, Any] = {
        "changed": changed,
        "summary": dict(run.numbers),
        "report": outcome_report(
            outcome,
            memory,
            before,
            after,
            briefly=kept_at is not None,
            left=left,
            copied=_bytes(run.work),
            datastores=run.datastores,
        ),
    }
    if kept_at is not None:
        result["summary"]["outcome_path"] = kept_at
    else:
        result["outcome"] = outcome.to_json()
    # Also where nothing would change: what is shown then is how the cluster is, and why nothing is done.
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
    elif bad := [move for move in outcome.disk_moves if move.result in ("failed", "cancelled")]:
        result["failed"] = True
        result["msg"] = (
            f"{len(bad)} of {len(outcome.disk_moves)} moves of disks failed; the first: step {bad[0].step},"
            f" {', '.join(bad[0].disks)} of {bad[0].guest.name} ({bad[0].guest.id}) from {bad[0].source}"
            f" to {bad[0].target}: {bad[0].why}"
        )
    elif outcome.status == "stopped":
        result["failed"] = True
        result["msg"] = _stopped(outcome)
    return result


def _stopped(outcome: Outcome) -> str:
    skipped = [one.why for one in outcome.migrations if one.result == "skipped"]
    disks = [one.why for one in outcome.disk_moves if one.result == "skipped"]
    parts = [f"{len(skipped)} migrations"] if skipped else []
    parts += [f"{len(disks)} moves of disks"] if disks else []
    return f"stopped with {' and '.join(parts)} not begun: {(*skipped, *disks)[0]}"
