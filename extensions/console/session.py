# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in the console: what was read of it and when, and what can be done with it.

Everything that asks the platform or the database blocks, and is called in a thread of its own. `status` is
read at any time and from any thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.cluster_facts import (
    read_cluster,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.history_info import (
    PARTS,
    run_history_info,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.prometheus_load import (
    run_prometheus_load,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_migrate import (
    MigrationRun,
    migrate,
    refuse_hypothetical,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log import Log, open_log
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log_events import RunEvents
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.execution import (
    failure_policy,
    stop_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    StateOptions,
    cluster_keys,
    needed_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.headroom import Headroom
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    DiskMoveOutcome,
    MigrationOutcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    ClusterState,
    Plan,
    Unresolved,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.headroom.headroom import headroom
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.report.cluster_state import (
    present_state,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.shortfall import shortfall
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.present import (
    PresentStorage,
    present_storage,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state import audit
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.audit import PastRun
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import holder
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.runs import INTERRUPTED, RUNNING

from .settings import ClusterSettings

HISTORY_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of a cluster now. `wrong`: what its policy wants and the cluster does not meet; None when
    that is not known, and `problem` says why. `storage`: the datastores by the policy. `error`: why the last
    reading failed; the snapshot is then that of an earlier one. `outdated`: a run of this console has changed
    the cluster since. `read_at` and `next_at` are moments of the session's steady clock.
    """

    reading: bool = False
    acting: str = ""
    outdated: bool = False
    snapshot: Snapshot | None = None
    state: ClusterState | None = None
    wrong: tuple[Unresolved, ...] | None = None
    rules: tuple[Rule, ...] = ()
    storage: PresentStorage | None = None
    problem: str = ""
    error: str = ""
    read_at: float | None = None
    took: float | None = None
    next_at: float | None = 0.0
    last_run: PastRun | None = None
    locked_by: str = ""
    notices: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """In one word."""
        if self.acting:
            return "acting"
        if self.error:
            return "failed"
        if self.snapshot is None:
            return "reading" if self.reading else "not read yet"
        if self.wrong is None:
            return "unknown"
        return "out of band" if self.wrong else "in order"


class _Heard(RunEvents):
    """The events of a run, which somebody else hears of, too."""

    def __init__(self, log: Log, heard: Callable[[MigrationOutcome | DiskMoveOutcome], None]) -> None:
        super().__init__(log)
        self._heard = heard

    def ended(self, outcome: MigrationOutcome) -> None:
        super().ended(outcome)
        self._heard(outcome)

    def disks_ended(self, outcome: DiskMoveOutcome) -> None:
        super().disks_ended(outcome)
        self._heard(outcome)


class Session:
    """A cluster of the inventory. One whose variables are wrong has no settings, only the error. `read_only`:
    nothing that changes it is offered.
    """

    def __init__(
        self,
        name: str,
        settings: ClusterSettings | None,
        *,
        error: str = "",
        read_only: bool = False,
        refresh: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.read_only = read_only
        self._settings = settings
        self._refresh = refresh
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._acted = 0
        notices = settings.notices if settings is not None else ()
        never = None if settings is None else 0.0
        self._status = Status(error=error, next_at=never, notices=notices)

    @property
    def settings(self) -> ClusterSettings:
        """Raises EvenKeelError with what is wrong with the variables of the cluster."""
        if self._settings is None:
            raise EvenKeelError(self._status.error)
        return self._settings

    @property
    def is_usable(self) -> bool:
        """Whether its variables can be used at all."""
        return self._settings is not None

    @property
    def status(self) -> Status:
        with self._lock:
            return self._status

    @property
    def policy(self) -> Policy:
        return self.settings.policy if self._settings is not None else Policy()

    def age(self) -> float | None:
        """Seconds since the snapshot was read."""
        read_at = self.status.read_at
        return None if read_at is None else max(0.0, self._monotonic() - read_at)

    def seconds_to_next(self) -> float | None:
        """Seconds until it is read again; None while it is read, and where it can't be."""
        status = self.status
        if status.next_at is None or status.reading:
            return None
        return max(0.0, status.next_at - self._monotonic())

    def is_due(self) -> bool:
        """Whether it is time to read it. While a run changes the cluster, that is shown instead."""
        status = self.status
        return (
            not status.reading
            and not status.acting
            and status.next_at is not None
            and self._monotonic() >= status.next_at
        )

    def ask_again(self) -> None:
        """Read it as soon as possible."""
        if self._settings is not None:
            self._set(next_at=0.0)

    def begin(self) -> bool:
        """Mark that it is being read, unless it is already."""
        with self._lock:
            if self._status.reading or self._settings is None:
                return False
            self._status = replace(self._status, reading=True)
            return True

    def give_up(self) -> None:
        """Take back `begin`."""
        self._set(reading=False)

    def read(self) -> Status:
        """Read the cluster and what is recorded of it. An error is part of the status."""
        started, acted = self._monotonic(), self._acted
        self._set(reading=True)
        try:
            snapshot, notices = self._snapshot()
        except EvenKeelError as error:
            return self._ended(error=str(error))
        except BaseException:
            self._ended(error="The reading ended unexpectedly.")
            raise
        judged = self._judged(snapshot)
        last_run, locked_by, silent = self._recorded(snapshot)
        return self._ended(
            snapshot=snapshot,
            outdated=self._acted != acted,
            error="",
            **judged,
            read_at=self._monotonic(),
            took=self._monotonic() - started,
            last_run=last_run,
            locked_by=locked_by,
            notices=(*self.settings.notices, *notices, *silent),
        )

    def plan(self, policy: Policy | None = None, overrides: Overrides | None = None) -> Plan:
        """The plan for the snapshot that was read last. One with overrides is hypothetical.

        Raises EvenKeelError.
        """
        snapshot = self._read_snapshot()
        if overrides is not None:
            snapshot = apply_overrides(snapshot, overrides)
        plan = make_plan(snapshot, policy or self.policy)
        return replace(plan, hypothetical=overrides is not None)

    def apply(
        self,
        plan: Plan,
        *,
        dry_run: bool = False,
        progress: Callable[[Progress], None] = lambda _progress: None,
        ended: Callable[[MigrationOutcome | DiskMoveOutcome], None] = lambda _outcome: None,
        stop: StopSignal | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> MigrationRun:
        """Run a plan as vm_migrate does: with the lock, the journal and the history of the cluster. `ended`
        is called with each migration, and each move of disks, that has ended. `options` replace those of the
        inventory, such as max_parallel. Raises EvenKeelError.
        """
        refuse_hypothetical(plan, "plan")
        run = replace(self.settings.run, **(options or {}))
        failure_policy(run)
        clock = SystemClock()
        with (
            self.acting("applying a plan"),
            open_log(run, vars(run), os.environ, check_mode=dry_run) as log,
            log.failures("run_failed"),
        ):
            return migrate(
                run,
                plan,
                stop_of(run, clock, stop),
                clock,
                _Heard(log, ended),
                check_mode=dry_run,
                watch=progress,
            )

    @property
    def reads_datastores(self) -> bool:
        """Whether all that plans for datastores need is read: latency, rules, and the ids of disks."""
        facts = self.settings.facts
        return facts.storage or facts.platform == "rehearsal"

    def headroom(self) -> Headroom:
        """What else fits into the cluster as it was read last. Raises EvenKeelError."""
        return headroom(self._read_snapshot(), self.policy)

    def _read_snapshot(self) -> Snapshot:
        snapshot = self.status.snapshot
        if snapshot is None:
            raise EvenKeelError("The cluster has not been read yet", where=self.name)
        return snapshot

    @contextmanager
    def acting(self, what: str) -> Iterator[None]:
        """Says in the status what is being done, and has the cluster read afterwards."""
        self._set(acting=what)
        try:
            yield
        finally:
            with self._lock:
                self._acted += 1
                self._status = replace(self._status, acting="", outdated=True, next_at=0.0)

    @property
    def interrupted(self) -> PastRun | None:
        """The last run, if it began with a plan and its process was ended before it could end."""
        status = self.status
        run = status.last_run
        if run is None or not run.has_plan or status.locked_by or status.acting:
            return None
        # Without locks nobody knows whether it still runs.
        ended = (INTERRUPTED, RUNNING) if self.settings.run.lock else (INTERRUPTED,)
        return run if run.status in ended else None

    def interrupted_plan(self) -> Plan:
        """The plan of that run. Raises EvenKeelError when it is no longer kept."""
        run = self.interrupted
        with needed_database(self._state(), os.environ, make=False) as database:
            found = [] if run is None else audit.kept_plans(database, run.id)
        if len(found) != 1:
            raise EvenKeelError("the plan of the interrupted run is no longer kept", where=self.name)
        return Plan.from_json(found[0].plan())

    def history(self, days: int = HISTORY_DAYS, guest: str | None = None) -> Mapping[str, Any]:
        """What history_info returns for this cluster. Raises EvenKeelError."""
        known = self._known(self.status.snapshot)
        if not known:
            return {**{part: [] for part in PARTS}, "summary": {}}
        return run_history_info(
            {
                "state_url": self.settings.facts.state_url,
                "clusters": known,
                "guest": guest,
                "days": days,
                "since": None,
                "until": None,
                "what": list(PARTS),
                "max_entries": 5000,
                "plan": None,
                "plan_path": None,
            },
            True,
        )

    def keys(self) -> Sequence[str]:
        """The keys of the cluster in the state database; none before it was read."""
        snapshot = self.status.snapshot
        return () if snapshot is None else cluster_keys(self.settings.facts, snapshot.cluster)

    def _known(self, snapshot: Snapshot | None) -> list[str]:
        if snapshot is None:
            return []
        keys = cluster_keys(self.settings.facts, snapshot.cluster)
        with needed_database(self._state(), os.environ, make=False) as database:
            return [cluster.key for cluster in audit.known_clusters(database) if cluster.key in keys]

    def _state(self) -> StateOptions:
        return StateOptions(state_url=self.settings.facts.state_url)

    def _snapshot(self) -> tuple[Snapshot, Sequence[str]]:
        snapshot, notices = read_cluster(self.settings.facts)
        if self.settings.prometheus is None:
            return snapshot, notices
        params = {**self.settings.prometheus, "snapshot": snapshot.to_json(), "snapshot_path": None}
        merged = run_prometheus_load(params, True)
        return Snapshot.from_json(merged["snapshot"]), (*notices, *merged["warnings"])

    def _judged(self, snapshot: Snapshot) -> dict[str, Any]:
        """The state by the policy, as far as that can be applied."""
        policy = self.policy
        try:
            storage = present_storage(snapshot, policy)
            of_hosts = () if policy.goal == "storage" else shortfall(snapshot, policy)
            return {
                "state": present_state(snapshot, policy),
                "wrong": (*of_hosts, *storage.wrong),
                "rules": resolve_rules(snapshot, policy)[0],
                "storage": storage,
                "problem": "",
            }
        except EvenKeelError as error:
            return {
                "state": None,
                "wrong": None,
                "rules": snapshot.rules,
                "storage": None,
                "problem": str(error),
            }

    def _recorded(self, snapshot: Snapshot) -> tuple[PastRun | None, str, Sequence[str]]:
        """The last run, who holds the lock, and why these are not known."""
        keys = cluster_keys(self.settings.facts, snapshot.cluster)
        try:
            with needed_database(self._state(), os.environ, make=False) as database:
                run = audit.last_run(database, keys)
                held = next(filter(None, (holder(database, key) for key in keys)), None)
        except EvenKeelError as error:
            return None, "", (f"The history is not available: {error}",)
        return run, "" if held is None else str(held), ()

    def _ended(self, **changes: Any) -> Status:
        self._set(reading=False, next_at=self._monotonic() + self._refresh, **changes)
        return self.status

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **changes)
