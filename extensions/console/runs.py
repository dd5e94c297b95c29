# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are being applied, each in a thread, and what is known of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_migrate import MigrationRun
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    DiskMoveOutcome,
    MigrationOutcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import LockHeld

from .session import Session

LOCK_AGAIN_SECONDS = 2.0
ASKED = "asked for in the console"
State = Literal["starting", "waiting", "running", "ended"]


class LiveRun:
    """A plan that is being applied, or checked with `dry_run`. `changed` is called from its thread, and is
    replaced by whoever watches.

    `before` is the cluster as it was read last when the run began. `locked_by` says which other run is waited
    for. `run` is there when it has ended well or not, unless `error` says why it did not come so far.
    """

    def __init__(
        self,
        session: Session,
        plan: Plan,
        *,
        dry_run: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.session = session
        self.plan = plan
        self.dry_run = dry_run
        self.before = session.status.snapshot
        self.state: State = "starting"
        self.progress: Progress | None = None
        self.outcomes: dict[int, MigrationOutcome | DiskMoveOutcome] = {}
        self.run: MigrationRun | None = None
        self.error: EvenKeelError | None = None
        self.locked_by = ""
        self.stop_asked = False
        self.changed: Callable[[], None] = lambda: None
        self._options = options
        self._signal = StopSignal()
        self._stopped = threading.Event()

    @property
    def ended(self) -> bool:
        return self.state == "ended"

    @property
    def paused(self) -> bool:
        return not self.ended and self._signal.pause_reason() is not None

    def pause(self) -> None:
        """Start nothing new for the time being."""
        self._signal.pause(ASKED)
        self.changed()

    def resume(self) -> None:
        self._signal.resume()
        self.changed()

    def stop(self, why: str = ASKED) -> None:
        """Start nothing new any more. Migrations under way end as they are."""
        self.stop_asked = True
        self._signal.request(f"The stop was {why}" if why == ASKED else why)
        self._stopped.set()
        self.changed()

    def work(self) -> None:
        """Apply the plan; while another run holds the lock, wait for it."""
        try:
            self._apply()
        except EvenKeelError as error:
            self.error = error
        finally:
            self.state = "ended"
            self.changed()

    def _apply(self) -> None:
        while True:
            try:
                self.run = self.session.apply(
                    self.plan,
                    dry_run=self.dry_run,
                    progress=self._observe,
                    ended=self._heard,
                    stop=self._signal,
                    options=self._options,
                )
            except LockHeld as held:
                self.state, self.locked_by = "waiting", str(held)
                self.changed()
                if self._stopped.wait(LOCK_AGAIN_SECONDS):
                    raise
                continue
            self.locked_by = ""
            return

    def _observe(self, progress: Progress) -> None:
        self.state, self.locked_by, self.progress = "running", "", progress
        self.changed()

    def _heard(self, outcome: MigrationOutcome | DiskMoveOutcome) -> None:
        self.outcomes[outcome.step] = outcome


class Runs:
    """The runs of this console, the newest of each cluster."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}
        self._threads: list[threading.Thread] = []

    def of(self, session: Session) -> LiveRun | None:
        return self._runs.get(session.name)

    def under_way(self) -> Sequence[LiveRun]:
        return [run for run in self._runs.values() if not run.ended]

    def start(self, run: LiveRun) -> None:
        """Apply it in a thread. Raises EvenKeelError while another run of this console works on the
        cluster.
        """
        other = self.of(run.session)
        if other is not None and not other.ended:
            raise EvenKeelError(
                "a run of this console works on the cluster", where=run.session.name, hint="Wait for its end"
            )
        self._runs[run.session.name] = run
        thread = threading.Thread(target=run.work, name=f"run on {run.session.name}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until all have ended. Returns whether they have."""
        end = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
