# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is logged of plans, placements and runs, and from which level on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._execution.job import MigrationJob
from .._execution.progress import Progress
from .._model.outcome import DiskMoveOutcome, MigrationOutcome, Outcome, Result
from .._model.placement import Placement
from .._model.plan import DiskMove, Migration, Plan, StoragePlan
from .log import Level, Log

_LEVEL_OF_RESULT: Mapping[Result, Level] = {
    "migrated": "info",
    "already_there": "info",
    "planned": "info",
    "skipped": "warning",
    "refused": "warning",
    "failed": "error",
    "cancelled": "error",
}
_LENGTH_OF_DIGEST = 12


def plan_id(plan: Plan) -> str:
    """What joins the lines of a plan with those of its run."""
    return plan.snapshot_digest.removeprefix("sha256:")[:_LENGTH_OF_DIGEST]


def log_plan(log: Log, plan: Plan) -> None:
    """The decisions: each migration with its reason, what stays, and why."""
    log.bind(cluster=plan.cluster.name, plan=plan_id(plan))
    log.write(
        "info",
        "planned",
        platform=plan.platform,
        goal=plan.policy.goal,
        status=plan.status,
        migrations=len(plan.migrations),
        migrations_lower_bound=plan.proof.migrations_lower_bound,
        optimal=plan.proof.optimal,
        spread_before=dict(plan.before.spread),
        spread_after=dict(plan.after.spread),
        hypothetical=plan.hypothetical or None,
        **({} if plan.storage is None else _storage_numbers(plan.storage)),
    )
    for migration in plan.migrations:
        log.write(
            "info",
            "migration_planned",
            step=migration.step,
            guest=migration.guest.name,
            guest_id=migration.guest.id,
            source=_host(plan, migration.source),
            target=_host(plan, migration.target),
            kind=migration.kind,
            why=migration.why,
            memory=migration.cost.memory,
            disks=migration.cost.disks or None,
            datastores=dict(migration.storage) or None,
        )
    storage = plan.storage
    if storage is not None:
        _log_disk_moves(log, storage)
    for item in (*plan.unresolved, *(() if storage is None else storage.unresolved)):
        waits = item.code == "not_sustained"
        log.write(
            "info" if waits else "warning",
            "held_back" if waits else "unresolved",
            what=item.what,
            why=item.why,
            code=item.code,
        )
    for stays in plan.immovable:
        log.write(
            "debug",
            "immovable",
            guest=stays.guest.name,
            guest_id=stays.guest.id,
            source=_host(plan, stays.host),
            why=stays.why,
        )
    for notice in (*plan.notices, *(() if storage is None else storage.notices)):
        log.write("warning", "notice", why=notice)
    for host_id, before in plan.before.hosts.items():
        after = plan.after.hosts.get(host_id)
        log.write(
            "debug",
            "host",
            host=before.name,
            used_before=dict(before.used),
            used_after=None if after is None else dict(after.used),
            guests_before=before.guests,
            guests_after=None if after is None else after.guests,
        )


def _storage_numbers(storage: StoragePlan) -> Mapping[str, Any]:
    return {
        "disk_moves": len(storage.moves),
        "bytes": storage.proof.bytes,
        "bytes_lower_bound": storage.proof.bytes_lower_bound,
        "bytes_optimal": storage.proof.optimal,
    }


def _log_disk_moves(log: Log, storage: StoragePlan) -> None:
    """Each move of disks with its reason, disks that stay, and with debug the datastores."""
    for move in storage.moves:
        log.write(
            "info",
            "disk_move_planned",
            step=move.step,
            guest=move.guest.name,
            guest_id=move.guest.id,
            disks=list(move.disks),
            source=move.source,
            target=move.target,
            kind=move.kind,
            why=move.why,
            bytes=move.bytes,
        )
    for stays in storage.immovable:
        log.write(
            "debug",
            "immovable",
            guest=stays.guest.name,
            guest_id=stays.guest.id,
            disks=list(stays.disks),
            source=stays.datastore,
            why=stays.why,
        )
    for place, before in storage.before.datastores.items():
        after = storage.after.datastores.get(place)
        log.write(
            "debug",
            "datastore",
            datastore=place,
            percent_before=before.percent,
            percent_after=None if after is None else after.percent,
            latency=before.latency,
            disks_before=before.disks,
            disks_after=None if after is None else after.disks,
        )


def _host(plan: Plan, host: str) -> str:
    state = plan.before.hosts.get(host)
    return host if state is None else state.name


def log_placement(log: Log, answer: Placement) -> None:
    """Where each new guest goes, and which have no place."""
    log.bind(cluster=answer.cluster.name)
    for one in answer.placements:
        log.write("info", "placed", guest=one.name, target=one.host.name, state=one.state)
    for missing in answer.unplaced:
        log.write("warning", "not_placed", guest=missing.name, why=missing.search.says)


def _level_of(outcome: MigrationOutcome | DiskMoveOutcome) -> Level:
    if outcome.left_behind and outcome.result == "migrated":
        return "warning"
    return _LEVEL_OF_RESULT[outcome.result]


class RunEvents:
    """The events of one run of vm_migrate."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._seen: set[int] = set()
        self._work: MigrationJob | None = None

    def begin(self, work: MigrationJob, plan: Plan | None, started_by: Mapping[str, str]) -> None:
        self._work = work
        self._log.bind(cluster=work.cluster.name, plan=None if plan is None else plan_id(plan))
        self._log.write(
            "info",
            "run_started",
            migrations=len(work.migrations),
            disk_moves=len(work.disk_moves) or None,
            by=dict(started_by),
        )

    def lock(self, waited: float, taken_over: str | None) -> None:
        """How the run came by the lock of the cluster."""
        if waited:
            self._log.write("info", "lock_waited", seconds=waited)
        if taken_over is not None:
            self._log.write("warning", "lock_taken_over", owner=taken_over)

    def observe(self, progress: Progress) -> None:
        """The starts of migrations, and with debug how far they are."""
        for moving in progress.moving:
            guest_id = self._guest_id(moving.step)
            common = {
                "step": moving.step,
                "guest": moving.guest,
                "guest_id": guest_id,
                "source": self._name(moving.source),
                "target": self._name(moving.target),
            }
            if moving.step not in self._seen:
                self._seen.add(moving.step)
                self._log.write("info", "migration_started", **common)
            elif moving.percent is not None:
                self._log.write("debug", "migration_progress", **common, percent=moving.percent)

        for disks in () if progress.disks is None else progress.disks.moving:
            common = {
                "step": disks.step,
                "guest": disks.guest,
                "guest_id": self._guest_id(disks.step),
                "disks": list(disks.disks),
                "source": disks.source,
                "target": disks.target,
            }
            if disks.step not in self._seen:
                self._seen.add(disks.step)
                self._log.write("info", "disk_move_started", **common, bytes=disks.bytes)
            elif disks.percent is not None:
                self._log.write("debug", "disk_move_progress", **common, percent=disks.percent)

    def disks_ended(self, outcome: DiskMoveOutcome) -> None:
        self._log.write(
            _level_of(outcome),
            "disk_move_ended",
            step=outcome.step,
            guest=outcome.guest.name,
            guest_id=outcome.guest.id,
            disks=list(outcome.disks),
            source=outcome.source,
            target=outcome.target,
            result=outcome.result,
            why=outcome.why or None,
            moved=list(outcome.moved),
            left_behind=list(outcome.left_behind) or None,
            seconds=outcome.seconds,
        )

    def ended(self, outcome: MigrationOutcome) -> None:
        self._log.write(
            _level_of(outcome),
            "migration_ended",
            step=outcome.step,
            guest=outcome.guest.name,
            guest_id=outcome.guest.id,
            source=self._name(outcome.source),
            target=self._name(outcome.target),
            result=outcome.result,
            why=outcome.why or None,
            left_behind=list(outcome.left_behind) or None,
            seconds=outcome.seconds,
            task=outcome.task,
        )

    def finish(self, outcome: Outcome) -> None:
        counts: dict[str, Any] = {result: count for result, count in outcome.counts().items() if count}
        disks = {result: count for result, count in outcome.disk_counts().items() if count}
        if disks:
            counts["disk_moves"] = disks
        level: Level = "info" if outcome.status in ("done", "planned") else "warning"
        self._log.write(level, "run_ended", status=outcome.status, seconds=outcome.seconds, **counts)

    def _name(self, host: str) -> str:
        return host if self._work is None else self._work.names.get(host, host)

    def _guest_id(self, step: int) -> str | None:
        steps: Sequence[Migration | DiskMove] = ()
        if self._work is not None:
            steps = (*self._work.migrations, *self._work.disk_moves)
        return next((one.guest.id for one in steps if one.step == step), None)
