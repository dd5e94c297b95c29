# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that is being applied: what moves, how far, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable, ProgressBar, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import (
    GIB,
    datastore_name,
    host_name,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import duration
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import (
    Moving,
    MovingDisks,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    DiskMoveOutcome,
    MigrationOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    DiskMove,
    Migration,
    Plan,
    StoragePlan,
    StorageState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.by_hand import moved_by

from ..runs import LiveRun
from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.table import Column, Table
from ..widgets.text import UNKNOWN, level_bar, number, paragraphs, plain
from .dialogs import Answer, QuestionScreen

if TYPE_CHECKING:
    from ..app import ConsoleApp

COLUMNS = (
    Column("step", "Step", 4),
    Column("guest", "Guest, disks", 14, grows=True),
    Column("way", "From → to", 18),
    Column("memory", "GiB", 7, leaves=1),
    Column("state", "State", 26),
    Column("why", "", 10, grows=True),
)
Ended = MigrationOutcome | DiskMoveOutcome
_BAR = 16
_BAD = frozenset({"failed", "cancelled", "refused"})
SLOTS = (
    ("max_parallel", "at once in the cluster"),
    ("max_per_host", "at once for each host"),
    ("max_in_per_host", "at once into each host"),
    ("max_out_per_host", "at once out of each host"),
    ("max_per_datastore", "at once for each datastore"),
)


class RunChanged(Message):
    """A run has got further."""


def start(app: ConsoleApp, session: Session, plan: Plan, *, dry_run: bool = False) -> None:
    """Apply, or check, a plan and show how far it is."""
    run = LiveRun(session, plan, dry_run=dry_run)
    try:
        app.runs.start(run)
    except EvenKeelError as error:
        app.notify(str(error), severity="error", markup=False)
        return
    app.push_screen(RunScreen(run))


def what_happens(session: Session, plan: Plan) -> list[str]:
    """What a person confirms: number, bytes, estimated time, slots, and what stays undone."""
    memory = sum(step.cost.memory for step in plan.migrations)
    moves = disk_moves(plan)
    lines = []
    if plan.migrations or not moves:
        lines.append(
            f"{counted(len(plan.migrations), 'migration')}, {memory / GIB:.1f} GiB of memory,"
            f" about {duration(plan.proof.seconds)}."
        )
    if plan.storage is not None and moves:
        copied = sum(move.bytes for move in moves)
        then = "Then" if plan.migrations else "No guest is migrated."
        lines.append(
            f"{then} {counted(len(moves), 'move')} of disks, {copied / GIB:.1f} GiB copied, at least"
            f" {duration(least_seconds(plan.storage, plan.policy))}."
        )
    options = session.settings.run
    slots = [f"{value} {text}" for name, text in SLOTS if (value := getattr(options, name)) is not None]
    lines.append(f"Slots: {'; '.join(slots) or 'as many as the platform sustains'}.")
    if moves and options.max_per_datastore is None:
        slots_of_disks = (plan.policy.storage or StoragePolicy()).max_per_datastore
        lines.append(f"At most {counted(slots_of_disks, 'move')} of disks at once for each datastore.")
    if moves and (most := options.max_bytes_in_flight) is not None:
        lines.append(f"At most {most / GIB:.1f} GiB of disks are copied at once.")
    disks = sum(bool(step.storage) for step in plan.migrations)
    if disks:
        lines.append(f"{disks} of the migrations copy disks, which may take longer than this estimate.")
    undone = len(plan.unresolved) + len(plan.storage.unresolved if plan.storage is not None else ())
    if undone:
        lines.append(f"It leaves {counted(undone, 'thing')} undone.")
    if moves:
        back = ", and its migrations can be rolled back" if plan.migrations else ""
        lines.append(
            f"Each step is checked again before it starts. The run can be paused and stopped{back}."
            " Disks that were moved stay where they are then."
        )
    else:
        lines.append(
            "Each migration is checked again before it starts. The run can be paused, stopped and rolled"
            " back."
        )
    return lines


def disk_moves(plan: Plan) -> tuple[DiskMove, ...]:
    """The moves of disks of a plan."""
    return () if plan.storage is None else plan.storage.moves


def least_seconds(storage: StoragePlan, policy: Policy) -> float:
    """What the moves of disks take at least: the busiest datastore with its slots, or the longest move."""
    busy: dict[str, float] = {}
    for move in storage.moves:
        for place in (move.source, move.target):
            busy[place] = busy.get(place, 0.0) + move.seconds
    slots = (policy.storage or StoragePolicy()).max_per_datastore
    longest = max((move.seconds for move in storage.moves), default=0.0)
    return max(longest, max(busy.values(), default=0.0) / slots)


class RunScreen(ConsoleScreen):
    """A run of this console, under way or ended."""

    HELP = """
    The migrations of a run, after them its moves of disks, and what became of each. The bar counts bytes of
    memory and of disks.

    Space pauses the run: nothing new starts, what is under way ends, and the lock of the cluster is kept.
    Space again continues.

    s stops it: what is under way ends, and the rest is not started. b rolls back: after the end of the
    run it plans the way back of what was migrated, to look at before it is applied. Disks that were moved
    stay on their datastores.

    Escape leaves this screen. The run goes on; p on its cluster comes back here.
    """
    BINDINGS = [
        Binding("escape", "back", "Back"),
        Binding("space", "pause", "Pause/continue"),
        Binding("s", "stop", "Stop"),
        Binding("b", "roll_back", "Roll back"),
        Binding("p", "plan_again", "Plan again"),
    ]

    def __init__(self, run: LiveRun) -> None:
        super().__init__()
        self.run = run
        self.session = run.session
        self._wants_back = False
        self._keys: tuple[bool, bool] | None = None

    def compose_content(self) -> ComposeResult:
        yield Static(id="run-summary", classes="summary", markup=False)
        yield ProgressBar(id="run-bar", show_eta=False)
        yield Table("run-table", COLUMNS)
        yield Static(id="run-detail", classes="detail", markup=False)

    def on_mount(self) -> None:
        self.run.changed = self.tell
        self._show()

    def tell(self) -> None:
        """From the thread of the run."""
        with suppress(RuntimeError):
            self.post_message(RunChanged())

    def on_run_changed(self) -> None:
        self._show()

    def session_changed(self, session: Session) -> None:
        if session is self.session and self.run.ended:
            if self._wants_back and not session.status.outdated and not session.status.reading:
                self._wants_back = False
                self._show_way_back()
            self._show()

    def tick(self) -> None:
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pause", "stop"):
            return not self.run.ended and not self.run.dry_run
        if action == "roll_back":
            return self._can_go_back()
        if action == "plan_again":
            return self.run.ended
        return True

    def action_back(self) -> None:
        self.app.pop_screen()

    def action_pause(self) -> None:
        if self.run.paused:
            self.run.resume()
        else:
            self.run.pause()
        self._show()

    def action_stop(self) -> None:
        self.run.stop()
        self._show()

    def action_plan_again(self) -> None:
        from .plan import PlanScreen

        self.app.pop_screen()
        if isinstance(self.app.screen, PlanScreen):
            self.app.pop_screen()
        self.app.push_screen(PlanScreen(self.session))

    def action_roll_back(self) -> None:
        if not self._can_go_back():
            return
        # By what the cluster is like after the run.
        self._wants_back = True
        self.console.read_again(self.session)
        self._show()

    def _can_go_back(self) -> bool:
        done = self.run.run
        return self.run.ended and not self.run.dry_run and done is not None and bool(moved_by(done.outcome))

    def _show_way_back(self) -> None:
        from ..desk import undoing
        from .plan import DISKS_STAY, PlanScreen

        if self.run.run is not None:
            outcome = self.run.run.outcome
            make = undoing(moved_by(outcome), self.run.plan.policy, self.run.before)
            note = DISKS_STAY if any(one.moved for one in outcome.disk_moves) else ""
            self.app.push_screen(PlanScreen(self.session, make, "roll back", note))

    @on(DataTable.RowHighlighted, "#run-table")
    def _highlighted(self) -> None:
        self._show_detail()

    def _show(self) -> None:
        if not self.is_mounted or not self.query("#run-table"):
            return
        run = self.run
        what = "check" if run.dry_run else "run"
        self.set_title(f"{self.session.name}  {what}  {self._word()}")
        self.query_one("#run-summary", Static).update(paragraphs(self._summary()))
        moves = disk_moves(run.plan)
        total = sum(step.cost.memory for step in run.plan.migrations) + sum(move.bytes for move in moves) or 1
        moved = 0 if run.progress is None else run.progress.memory_moved
        disks = None if run.progress is None else run.progress.disks
        moved += 0 if disks is None else disks.bytes_copied
        whole = run.ended and run.run is not None and run.run.outcome.status in ("done", "planned")
        self.query_one("#run-bar", ProgressBar).update(
            total=total, progress=total if whole else min(moved, total)
        )
        moving = {one.step: one for one in run.progress.moving} if run.progress is not None else {}
        ended = self._ended()
        rows = {
            str(step.step): _row(run.plan, step, moving.get(step.step), ended.get(step.step))
            for step in run.plan.migrations
        }
        copying = {one.step: one for one in disks.moving} if disks is not None else {}
        rows |= {
            str(move.step): _disk_row(run.plan, move, copying.get(move.step), ended.get(move.step))
            for move in moves
        }
        self.query_one("#run-table", Table).fill(rows)
        self._show_detail()
        keys = (run.ended, run.run is not None)
        if keys != self._keys:
            # Not at every change: while the line of keys is drawn anew, there is none.
            self._keys = keys
            self.refresh_bindings()

    def _ended(self) -> Mapping[int, Ended]:
        run = self.run
        if run.run is not None:
            return {one.step: one for one in _all_of(run.run.outcome)}
        return dict(run.outcomes)

    def _word(self) -> str:
        run = self.run
        if run.ended:
            return "failed" if run.run is None else run.run.outcome.status.replace("_", " ")
        if run.state == "waiting":
            return "waits for another run"
        if run.stop_asked:
            return "stopping …"
        if run.paused:
            return "paused"
        return "under way" if run.state == "running" else "starting …"

    def _summary(self) -> Iterator[str]:
        run = self.run
        if run.locked_by and not run.ended:
            yield f"{run.locked_by}. Waiting for it; s gives up."
        if run.error is not None:
            yield str(run.error)
        if run.progress is not None and not run.ended:
            yield _progress(run)
        if run.run is not None:
            yield from _result(run)
        if self._wants_back:
            yield "The cluster is being read for the way back …"

    def _show_detail(self) -> None:
        key = self.query_one("#run-table", Table).cursor_key()
        steps: list[Migration | DiskMove] = [*self.run.plan.migrations, *disk_moves(self.run.plan)]
        step = next((one for one in steps if str(one.step) == key), None)
        detail = self.query_one("#run-detail", Static)
        if step is None:
            detail.update("")
            return
        found = self._ended().get(step.step)
        disks = f"{', '.join(step.disks)} of " if isinstance(step, DiskMove) else ""
        lines = [f"{disks}{step.guest.name} ({step.guest.id}), {step.kind}: {step.why}"]
        if found is not None:
            seconds = "" if found.seconds is None else f" in {duration(found.seconds)}"
            why = f": {found.why}" if found.why else ""
            lines.append(f"{found.result.replace('_', ' ')}{seconds}{why}")
            lines += _left_behind(found)
        detail.update(paragraphs(lines))


def _progress(run: LiveRun) -> str:
    seen = run.progress
    assert seen is not None
    disks, moves = seen.disks, disk_moves(run.plan)
    ended = Counter(seen.ended)
    if disks is not None:
        ended.update(disks.ended)
    parts = [
        f"{sum(ended.values())} of {len(run.plan.migrations) + len(moves)} done",
        f"{len(seen.moving if disks is None else disks.moving)} under way",
    ]
    if run.plan.migrations:
        parts.append(f"{seen.memory_moved / GIB:.1f} GiB moved")
    if moves:
        copied = 0 if disks is None else disks.bytes_copied
        parts.append(
            f"{copied / GIB:.1f} of {sum(move.bytes for move in moves) / GIB:.1f} GiB of disks copied"
        )
    parts += [f"{ended[bad]} {bad}" for bad in sorted(_BAD) if ended.get(bad)]
    if seen.paused or run.paused:
        parts.append("paused: nothing new starts")
    elif seen.seconds_left and not run.stop_asked:
        after = ", without the moves of disks" if moves and disks is None else ""
        parts.append(f"about {duration(seen.seconds_left)} left{after}")
    return ", ".join(parts)


def _result(run: LiveRun) -> Iterator[str]:
    assert run.run is not None
    outcome: Outcome = run.run.outcome
    shown = _counts(outcome.counts())
    if outcome.disk_moves:
        shown = f"{shown}{'; ' * bool(shown)}disks: {_counts(outcome.disk_counts())}"
    yield f"{outcome.status.replace('_', ' ')} in {duration(outcome.seconds)}: {shown or 'nothing to do'}"
    if run.run.stale:
        why = next((one.why for one in _all_of(outcome) if one.why), "the plan is stale")
        yield f"Nothing was started: {why}. Press p to plan again."
    else:
        before, after = run.run.states
        points = [
            f"{metric} {_points(before.spread.get(metric))} → {_points(after.spread.get(metric))}"
            for metric in before.spread
            if before.spread.get(metric) is not None
        ]
        if points and not run.dry_run and run.plan.policy.goal != "storage":
            yield f"Measured spread in points: {'   '.join(points)}"
        if run.run.datastores is not None and not run.dry_run:
            first, last = run.run.datastores
            yield f"Fullest datastore: {fullest(first)} → {fullest(last)}"
    left = [text for one in outcome.disk_moves for text in _left_behind(one)]
    yield from left[:3]
    if left[3:]:
        yield f"… and {len(left) - 3} more; the history has all of them"
    if not run.dry_run and moved_by(outcome) and any(one.moved for one in outcome.disk_moves):
        yield "b brings guests back; disks that were moved stay."
    yield from (f"Not done: {text}" for text in list(run.run.left or ())[:3])
    yield from run.run.notices


def _all_of(outcome: Outcome) -> list[Ended]:
    return [*outcome.migrations, *outcome.disk_moves]


def fullest(state: StorageState) -> str:
    """How full the fullest datastore is."""
    percents = [place.percent for place in state.datastores.values() if place.percent is not None]
    return f"{max(percents):.1f} %" if percents else UNKNOWN


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _left_behind(found: Ended) -> Iterator[str]:
    """Copies that no guest uses any more."""
    if isinstance(found, DiskMoveOutcome) and found.left_behind:
        yield f"Left behind of {found.guest.name}: {', '.join(found.left_behind)}. Delete it by hand."


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _row(plan: Plan, step: Migration, moving: Moving | None, ended: Ended | None) -> list[Text]:
    state, why = _state(step, moving, ended)
    return [
        number(step.step, 0),
        plain(step.guest.name),
        plain(f"{host_name(plan.before, step.source)} → {host_name(plan.before, step.target)}"),
        number(step.cost.memory / GIB),
        state,
        plain(why),
    ]


def _disk_row(plan: Plan, move: DiskMove, moving: MovingDisks | None, ended: Ended | None) -> list[Text]:
    state, why = _state(move, moving, ended)
    names = StorageState(datastores={}) if plan.storage is None else plan.storage.before
    return [
        number(move.step, 0),
        plain(f"{move.guest.name}: {', '.join(move.disks)}"),
        plain(f"{datastore_name(names, move.source)} → {datastore_name(names, move.target)}"),
        number(move.bytes / GIB),
        state,
        plain(why),
    ]


def _state(
    step: Migration | DiskMove, moving: Moving | MovingDisks | None, ended: Ended | None
) -> tuple[Text, str]:
    """How far a step is, and why it is planned, or why it has ended so."""
    if ended is not None:
        style = "green" if ended.result in ("migrated", "already_there") else ""
        style = "bold red" if ended.result in _BAD else style
        seconds = "" if ended.seconds is None else f" in {duration(ended.seconds)}"
        left = "" if not isinstance(ended, DiskMoveOutcome) else ", ".join(ended.left_behind)
        why = "; ".join(filter(None, (ended.why, f"left behind: {left}" if left else "")))
        return plain(f"{ended.result.replace('_', ' ')}{seconds}", style), why
    if moving is not None and moving.percent is not None:
        state = level_bar(moving.percent, _BAR)
        state.append(f" {moving.percent:3.0f} %")
        return state, step.why
    if moving is not None:
        return plain(f"under way for {duration(moving.seconds)}", "cyan"), step.why
    waits = f"waits for step {', '.join(map(str, step.after))}" if step.after else "waits"
    return plain(waits, "dim"), step.why


def closing(app: ConsoleApp, answered: Any) -> None:
    """Ask what becomes of the runs under way when the console is closed."""
    names = ", ".join(run.session.name for run in app.runs.under_way())
    app.push_screen(
        QuestionScreen(
            "A run is under way",
            [
                f"On {names}. Migrations and moves of disks under way end in any case.",
                "Stop and close: nothing new starts, and the console closes when they have ended.",
                "Finish and close: the console closes when the run has ended.",
            ],
            [
                Answer("stop", "Stop and close"),
                Answer("finish", "Finish and close"),
                Answer("stay", "Stay", safe=True),
            ],
        ),
        answered,
    )
