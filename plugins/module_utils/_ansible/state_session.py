# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state database of a module, from its options."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .._execution.stopping import StopSignal
from .._model.errors import EvenKeelError, InputError
from .._model.outcome import DiskMoveOutcome, MigrationOutcome
from .._model.plan import DiskMove, Migration, Plan
from .._model.quantities import TIME
from .._model.snapshot import ClusterRef, Snapshot
from .._state.errors import LockLost, StateError
from .._state.owner import this_process
from .._state.urls import is_forgotten, sqlite_file
from .json_files import require_writable
from .options.argument_spec import Secret, argument_spec
from .options.platform import PlatformOptions
from .options.values import at_least
from .options.variables import STATE_VARIABLE
from .started_by import who_started
from .state_folder import state_folder

# What loads SQLAlchemy, which takes as long as all else of a module together, is loaded where there is a
# database.
if TYPE_CHECKING:
    from .._state.database import Database
    from .._state.history import GuestMove, RunContext
    from .._state.locks import Lock

# How long a database that did not answer is left alone: each try may take long, and migrations go on.
_SILENT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class StateOptions:
    """The state database: a URL of SQLAlchemy."""

    state_url: Secret | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterStateOptions(PlatformOptions, StateOptions):
    """A cluster, and the database that remembers what was done to it."""


@dataclass(frozen=True, kw_only=True)
class LockOptions:
    """Whether to hold the lock of the cluster, and how many seconds to wait for it."""

    lock: bool = True
    lock_wait: Annotated[float, TIME] = 0


@dataclass(frozen=True, kw_only=True)
class RunOptions(ClusterStateOptions, LockOptions):
    """Options of a run that changes a cluster: for how many days it is remembered, and who started it."""

    history_days: int = 400
    started_by: Mapping[str, Any] | None = None


STATE_ARGUMENTS = argument_spec(StateOptions)
LOCK_ARGUMENTS = argument_spec(LockOptions)


class RunState:
    """The state of a run that changes a cluster. An error of the database never fails running migrations.
    `others` is the database when other runs count, and `asked_at` the time of the request for the lock, by
    the clock of the database. `released` releases the lock.
    """

    def __init__(
        self,
        database: Database | None,
        cluster: str,
        lock: Lock | None,
        notices: list[str],
        others: Database | None = None,
        asked_at: float = 0.0,
        released: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._lock = lock
        self._notices = notices
        self._others = others
        self._asked_at = asked_at
        self._released = released
        self._unrecorded: list[MigrationOutcome] = []
        self._unrecorded_disks: list[DiskMoveOutcome] = []
        self._silent_until = 0.0
        self._context: RunContext | None = None
        self._disk_moves: Mapping[int, DiskMove] = {}
        if database is not None or others is not None:
            # Now, not when something is under way.
            from .._state import disk_history, history, runs

            self._history = history
            self._disk_history = disk_history
            self._runs = runs

    @property
    def notices(self) -> Sequence[str]:
        """Records that could not be kept, each with the reason."""
        return tuple(dict.fromkeys(self._notices))

    def shifted(self, remembered_at: float | None) -> Mapping[str, GuestMove]:
        """The guests, by id, that other runs have moved since a snapshot was taken; where it does not say
        when, since this run asked for the lock. None at all where runs do not wait for each other.

        Raises StateError when the database can't be asked.
        """
        if self._others is None:
            return {}
        since = self._asked_at if remembered_at is None else remembered_at
        return self._history.moves_since(self._others, self._cluster, since)

    @property
    def lock_waited(self) -> float:
        """How many seconds the run waited for the lock."""
        return 0.0 if self._lock is None else round(self._lock.waited, 1)

    @property
    def lock_taken_over(self) -> str | None:
        """The process whose lock the run has taken over, because it had ended or was silent for too long."""
        owner = None if self._lock is None else self._lock.taken_over
        return None if owner is None else str(owner)

    def release_lock(self) -> None:
        """Let others go on, after the last migration."""
        if self._database is not None and self._lock is not None:
            # They are to see what has moved; what can't be written now is tried again at the end.
            with suppress(StateError):
                self._write(self._database)
        self._lock = None
        self._released()

    def begin(
        self,
        options: RunOptions,
        cluster: ClusterRef,
        plan: Plan | None,
        migrations: Sequence[Migration],
        names: Mapping[str, str],
        environment: Mapping[str, str],
        disk_moves: Sequence[DiskMove] = (),
    ) -> None:
        """Record that the run has begun, with its plan."""
        if self._database is None:
            return
        owner = this_process()
        run = self._runs.RunStart(
            id=owner.token,
            cluster=self._cluster,
            name=cluster.name,
            platform=options.platform,
            who=who_started(options.started_by, environment),
            owner=owner,
            plan=plan,
        )
        self._context = self._history.RunContext(
            run=run.id, migrations={migration.step: migration for migration in migrations}, names=names
        )
        self._disk_moves = {move.step: move for move in disk_moves}
        try:
            self._runs.begin(self._database, run, alone=self._lock is not None)
        except StateError as error:
            self._notices.append(f"The run was not recorded: {error}")

    def end(self, status: str, result: Mapping[str, Any]) -> None:
        """Record how the run ended; what is not ended is marked as interrupted by the next run."""
        if self._database is None or self._context is None:
            return
        try:
            self._runs.end(self._database, self._context.run, status, result)
        except StateError as error:
            self._notices.append(f"The result of this run was not recorded: {error}")

    def renew_lock(self, stop: StopSignal) -> None:
        """Renew the lock when it is due; when it is lost, request a stop."""
        if self._lock is not None:
            try:
                self._lock.renew_if_due()
            except LockLost as error:
                stop.request(str(error))

    def record(self, outcome: MigrationOutcome) -> None:
        """Remember how a migration ended, at once: the run may be killed before the next ends. A database
        that does not answer is tried again later, not at every end.
        """
        self._unrecorded.append(outcome)
        self._record()

    def record_disks(self, outcome: DiskMoveOutcome) -> None:
        """Remember how a move of disks ended, in the same way."""
        self._unrecorded_disks.append(outcome)
        self._record()

    def _record(self) -> None:
        if self._database is not None and time.monotonic() >= self._silent_until:
            try:
                self._write(self._database)
            except StateError:
                self._silent_until = time.monotonic() + _SILENT_SECONDS

    def finish(self, days: float) -> None:
        """Writes the records that could not be written during the run; the last attempt. What is older than
        these days is thrown away.
        """
        if self._database is None:
            return
        try:
            self._write(self._database)
            self._history.forget_old(self._database, self._cluster, days)
            self._disk_history.forget_old(self._database, self._cluster, days)
            self._runs.forget_runs(self._database, self._cluster, days)
        except StateError as error:
            self._notices.append(f"The migrations of this run were not recorded: {error}")

    def _write(self, database: Database) -> None:
        self._history.record(database, self._cluster, self._unrecorded, self._context)
        self._unrecorded.clear()
        if self._unrecorded_disks:
            run = None if self._context is None else self._context.run
            self._disk_history.record(database, self._cluster, self._unrecorded_disks, run, self._disk_moves)
            self._unrecorded_disks.clear()


@contextmanager
def run_state(
    options: RunOptions,
    cluster: ClusterRef,
    environment: Mapping[str, str],
    *,
    check_mode: bool,
    seconds: float | None = None,
) -> Iterator[RunState]:
    """The state database of a run that acts on a cluster, whose lock is held meanwhile if `lock` is set, and
    runs out so many seconds (LOCK_SECONDS if None) after it was last renewed. In check mode nothing is kept,
    and who holds the lock is only a notice.

    Raises LockHeld, and StateError when a database that is set explicitly cannot be used.
    """
    at_least(options, 0, "lock_wait")
    at_least(options, 1, "history_days", unit="days")
    key = cluster_key(options, cluster)
    notices: list[str] = []
    with ExitStack() as stack, ExitStack() as locked:
        database = _open(options, environment, notices, make=not check_mode)
        others = database if options.lock else None
        lock, asked_at = None, 0.0
        if database is not None:
            from .._state.database import now
            from .._state.locks import LOCK_SECONDS, cluster_lock, holder

            stack.enter_context(database)
            asked_at = database.read(now)
        if database is not None and check_mode:
            other = holder(database, key)
            if other is not None and options.lock:
                notices.append(f"Another run works on cluster {cluster.name}: {other}")
            database = None
        elif database is not None and options.lock:
            lock = locked.enter_context(
                cluster_lock(
                    database,
                    key,
                    this_process(),
                    name=cluster.name,
                    older=[older for older in cluster_keys(options, cluster) if older != key],
                    seconds=LOCK_SECONDS if seconds is None else seconds,
                    wait=options.lock_wait,
                )
            )
        kept = RunState(database, key, lock, notices, others, asked_at, locked.close)
        try:
            yield kept
        except EvenKeelError as error:
            kept.end("failed", {"error": str(error)})
            raise
        finally:
            kept.finish(options.history_days)


@dataclass(frozen=True, kw_only=True)
class WantedReadings:
    """How many readings of earlier runs a policy may ask for, and how far back."""

    count: int
    seconds: float


def with_history(
    read: Callable[[], Snapshot],
    options: ClusterStateOptions,
    environment: Mapping[str, str],
    wanted: WantedReadings | None = None,
) -> tuple[Snapshot, Sequence[str]]:
    """The snapshot that `read` returns with the records of earlier runs, and their readings as far as they
    are wanted; and notices of those not available.

    Raises StateError when a database that is set explicitly cannot be used, before anything is read.
    """
    notices: list[str] = []
    database = _open(options, environment, notices, make=False)
    if database is None:
        # Where the file is made meanwhile, its clock is that of this machine.
        moment = None if notices else time.time()
        snapshot = replace(read(), remembered_at=moment)
        if wanted is not None and not notices and snapshot.readings is None:
            # There is none yet, and this run will make the first.
            snapshot = replace(snapshot, readings=())
        return snapshot, notices
    from .._state.database import now
    from .._state.disk_history import (
        disk_refusals,
        recall_disk_moves,
        with_disk_refusals,
        with_failed_disk_moves,
    )
    from .._state.disks_arriving import moves_under_way, with_disks_arriving
    from .._state.history import recall, refusals, with_history
    from .._state.runs import readings, with_readings

    if is_forgotten(options.state_url or environment.get(STATE_VARIABLE) or ""):
        wanted = None
    with database:
        # Before the reading: what is recorded from now on may have happened after it.
        moment = database.read(now)
        snapshot = replace(read(), remembered_at=moment)
        keys = cluster_keys(options, snapshot.cluster)
        past, refused = recall(database, *keys), refusals(database, *keys)
        if wanted is not None:
            found = readings(database, *keys, count=wanted.count, seconds=wanted.seconds)
            snapshot = replace(snapshot, readings=with_readings(snapshot, found))
        snapshot = with_disks_arriving(snapshot, moves_under_way(database, *keys))
        snapshot = with_failed_disk_moves(snapshot, recall_disk_moves(database, *keys), moment)
        snapshot = with_disk_refusals(snapshot, disk_refusals(database, *keys), moment)
        return with_history(snapshot, past, refused, moment), notices


def cluster_key(options: PlatformOptions, cluster: ClusterRef) -> str:
    """The key of a cluster in the database: the same on every controller, different for every cluster."""
    if options.platform == "rehearsal":
        # A copy of a real cluster's snapshot carries its id, and must not be taken for it.
        return f"rehearsal:{Path(options.rehearsal_path or '').resolve()}"
    parts = (options.platform, cluster.instance, cluster.id)
    return ":".join(part for part in parts if part)


def cluster_keys(options: PlatformOptions, cluster: ClusterRef) -> Sequence[str]:
    """The key of a cluster, and the one that earlier versions knew it by, which had no instance."""
    key = cluster_key(options, cluster)
    older = cluster_key(options, replace(cluster, instance=None))
    return (key,) if key == older else (key, older)


def _open(
    options: StateOptions, environment: Mapping[str, str], notices: list[str], *, make: bool
) -> Database | None:
    """The database that was asked for, or else the one that there is by default, whose absence is only worth
    a notice. Without `make` a SQLite file that is not there is left so.
    """
    asked = options.state_url or environment.get(STATE_VARIABLE)
    url = asked or _default_url(environment)
    if url is None:
        notices.append("No state database: set state_url, or HOME. This run is not recorded.")
        return None
    file = sqlite_file(url)
    if file is not None and not make and not file.exists():
        if asked:
            # What makes it later would fail.
            require_writable(str(file), "state_url")
        return None
    from .._state.database import open_database

    try:
        return open_database(url)
    except StateError as error:
        if asked:
            raise
        notices.append(f"No state database; earlier runs do not count, and this run is not recorded: {error}")
        return None


def needed_database(options: StateOptions, environment: Mapping[str, str], *, make: bool = True) -> Database:
    """The database that was asked for, or the one that there is by default, for actions that are nothing
    without it. Without `make` one in memory stands in for a SQLite file that is not there.

    Raises StateError when it can't be used.
    """
    url = options.state_url or environment.get(STATE_VARIABLE) or _default_url(environment)
    if url is None:
        raise InputError(
            "state_url", None, "a database", statement=": no state database", hint="Set state_url, or HOME"
        )
    file = sqlite_file(url)
    if file is not None and not make and not file.exists():
        url = "sqlite://"
    from .._state.database import open_database

    return open_database(url)


def journal_path(
    asked: str | None, options: PlatformOptions, cluster: ClusterRef, environment: Mapping[str, str]
) -> str | None:
    """Where the journal of a run is: as asked for, or one for each cluster; None where there is no home. One
    that an earlier version has left unfinished goes on under its name.
    """
    folder = state_folder(environment)
    if asked or folder is None:
        return asked
    names = [hashlib.sha256(key.encode()).hexdigest()[:16] for key in cluster_keys(options, cluster)]
    paths = [f"{folder}/journals/{name}.jsonl" for name in names]
    return next((path for path in paths if Path(path).exists()), paths[0])


def _default_url(environment: Mapping[str, str]) -> str | None:
    folder = state_folder(environment)
    return None if folder is None else f"sqlite:///{folder}/state.db"
