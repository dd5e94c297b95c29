# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways from the screens to look at to those that decide and act. Not called in read-only mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import datastores_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.by_hand import Moved

from ..desk import undoing
from ..session import Session
from . import running
from .dialogs import Answer, QuestionScreen
from .evacuate import EvacuateScreen, of_datastore, of_host
from .move import MoveScreen
from .plan import DISKS_STAY, PlanScreen

if TYPE_CHECKING:
    from ..app import ConsoleApp


def open_plan(app: ConsoleApp, session: Session) -> None:
    """Plan migrations of a cluster; or show the run that is under way, or offer to finish one that was
    interrupted.
    """
    run = app.runs.of(session)
    if run is not None and not run.ended:
        app.push_screen(running.RunScreen(run))
    elif session.interrupted is not None:
        _offer_to_finish(app, session)
    else:
        app.push_screen(PlanScreen(session))


def open_evacuate(app: ConsoleApp, session: Session, host: str) -> None:
    """Empty a host, by id, or bring it back."""
    snapshot = session.status.snapshot
    found = next((one for one in snapshot.hosts if one.id == host), None) if snapshot is not None else None
    if found is None:
        return
    app.push_screen(EvacuateScreen(session, of_host(found.id, "absent" if found.maintenance else "present")))


def open_emptying(app: ConsoleApp, session: Session, datastore: str) -> None:
    """Empty a datastore, by id."""
    snapshot = session.status.snapshot
    places = () if snapshot is None else datastores_of(snapshot)
    found = next((place for place in places if place.id == datastore), None)
    if found is not None:
        app.push_screen(EvacuateScreen(session, of_datastore(found.id, found.name)))


def open_migrate(app: ConsoleApp, session: Session, guest: str) -> None:
    """Migrate one guest, by id, by hand."""
    app.push_screen(MoveScreen(session, guest))


def open_back(app: ConsoleApp, session: Session, moved: Sequence[Moved], *, disks: bool = False) -> None:
    """Plan the way back of a run of the past. `disks`: it moved some, which stay."""
    note = DISKS_STAY if disks else ""
    app.push_screen(PlanScreen(session, undoing(moved, session.policy), "roll back", note))


def may_close(app: ConsoleApp) -> bool:
    """Whether the console may be closed now. If a run is under way, this asks the user and returns False."""
    if not app.runs.under_way():
        return True
    if isinstance(app.screen, QuestionScreen):
        return False

    def answered(answer: str | None) -> None:
        if answer == "stop":
            for run in app.runs.under_way():
                run.stop()
        if answer in ("stop", "finish"):
            app.exit()

    running.closing(app, answered)
    return False


def _offer_to_finish(app: ConsoleApp, session: Session) -> None:
    past = session.interrupted
    if past is None:
        return

    def answered(answer: str | None) -> None:
        if answer == "plan":
            app.push_screen(PlanScreen(session))
        elif answer == "finish":
            _finish(app, session)

    app.push_screen(
        QuestionScreen(
            f"The last run on {session.name} was interrupted",
            [
                f"It was started by {past.who.get('user', 'somebody')} on {past.who.get('controller', '?')},"
                " and its process has ended before the run did.",
                "Finish it: its plan is applied on. What was moved already is not moved again, and what still"
                " runs is watched. If the cluster has changed, nothing is started.",
                "Plan anew: by what the cluster is like now.",
            ],
            [Answer("finish", "Finish it"), Answer("plan", "Plan anew", safe=True)],
        ),
        answered,
    )


def _finish(app: ConsoleApp, session: Session) -> None:
    def work() -> None:
        try:
            plan = session.interrupted_plan()
        except EvenKeelError as error:
            app.call_from_thread(app.notify, str(error), severity="error", markup=False)
            return
        app.call_from_thread(running.start, app, session, plan)

    app.background.run(work, "interrupted plan")
