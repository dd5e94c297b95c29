# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: its migrations, which can be left out or pinned, and the cluster before and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import (
    GIB,
    host_name,
    plan_report,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import duration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import ClusterState, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)

from ..bands import Band, bands_of, measured_metrics
from ..desk import OLD_SECONDS, Desk, Line, Wish
from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.table import Column, Table
from ..widgets.text import UNKNOWN, ago, level_bar, number, paragraphs, plain
from . import running
from .details import DetailScreen, Entry
from .dialogs import Answer, GoalForm, QuestionScreen, WhatIfForm

COLUMNS = (
    Column("mark", "", 8),
    Column("wave", "Wave", 4),
    Column("guest", "Guest", 14, grows=True),
    Column("way", "From → to", 18),
    Column("memory", "GiB", 7, leaves=1),
    Column("kind", "Kind", 11, leaves=3),
    Column("why", "Why", 14, grows=True),
)
_EDITS = frozenset({"leave_out", "pin", "not_there", "goal", "what_if", "forget"})
_LEAST_BAR = 6
_FIGURES = 16
HYPOTHETICAL = "HYPOTHETICAL: for a cluster with the changes of what if. It can't be applied."


class DeskChanged(Message):
    """A plan, or why there is none, has come."""


class PlanScreen(ConsoleScreen):
    """A plan that can be changed and applied."""

    HELP = """
    The migrations in their order, and the cluster before and after them. Nothing is started before a is
    pressed and confirmed.

    Space leaves a migration out: the guest stays, and the best plan without it is looked for. n keeps the
    guest from this host only. x pins a migration: it is made whatever the plan is, as long as rules and
    limits let it. f takes all of that back.

    g chooses another goal, preset or options; w asks what if a host is away or added, or a guest has
    grown: such a plan is hypothetical.

    c checks the plan as --check does: the platform is asked about each migration, and nothing is
    migrated. a applies it.

    i shows what the plan leaves undone and why, and what is proven of it.
    """
    BINDINGS = [
        Binding("escape", "back", "Back"),
        Binding("a", "apply", "Apply"),
        Binding("space", "leave_out", "Leave out"),
        Binding("x", "pin", "Pin"),
        Binding("g", "goal", "Goal"),
        Binding("w", "what_if", "What if"),
        Binding("i", "details", "Undone"),
        Binding("c", "check", "Check"),
        Binding("n", "not_there", "Not there", show=False),
        Binding("f", "forget", "Forget choices", show=False),
    ]

    def __init__(
        self, session: Session, make: Callable[[Snapshot], Plan] | None = None, title: str = ""
    ) -> None:
        super().__init__()
        self.session = session
        self._make = make
        self._heading = title or "plan"
        self._stale = ""
        self.desk: Desk | None = None

    def compose_content(self) -> ComposeResult:
        yield Static(id="plan-summary", classes="summary", markup=False)
        yield Table("plan-table", COLUMNS)
        yield Static(id="plan-detail", classes="detail", markup=False)
        yield Table("plan-hosts")

    def on_mount(self) -> None:
        snapshot = self.session.status.snapshot
        if snapshot is not None and not self.session.status.outdated:
            self._open_desk(snapshot)
        self._show()

    def _open_desk(self, snapshot: Snapshot) -> None:
        self.desk = Desk(
            snapshot,
            self.session.settings.given,
            run=lambda work: self.console.background.run(work, "planning"),
            changed=self._tell,
            make=self._make,
        )
        self.desk.begin()

    def _tell(self) -> None:
        with suppress(RuntimeError):
            self.post_message(DeskChanged())

    def on_desk_changed(self) -> None:
        self._show()

    def session_changed(self, session: Session) -> None:
        if session is not self.session:
            return
        snapshot = session.status.snapshot
        if self.desk is None and snapshot is not None and not session.status.outdated:
            self._open_desk(snapshot)
        elif self.desk is not None and snapshot is not None:
            self._stale = self.desk.stale(snapshot)
        self._show()

    def tick(self) -> None:
        if self.query("#title"):
            self._show_title()

    def on_resize(self, event: object) -> None:
        super().on_resize(event)  # type: ignore[arg-type]
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self.desk is not None and action in _EDITS and not self.desk.editable:
            return False
        if action == "apply" and self.desk is not None and self.desk.hypothetical:
            return None
        return True

    # What the keys do.

    def action_back(self) -> None:
        if self.desk is not None and self.desk.planning and self.desk.plan is not None:
            self.desk.cancel()
            self._show()
            return
        if self.desk is not None:
            self.desk.cancel()
        self.app.pop_screen()

    def action_leave_out(self) -> None:
        self._with_line(Desk.toggle)

    def action_not_there(self) -> None:
        self._with_line(Desk.toggle_target)

    def action_pin(self) -> None:
        self._with_line(Desk.toggle_pin)

    def action_forget(self) -> None:
        if self.desk is not None:
            self.desk.forget()
            self._show()

    def action_goal(self) -> None:
        if self.desk is not None:
            self.app.push_screen(GoalForm(self.desk.wish, self.desk.ask), self._asked)

    def action_what_if(self) -> None:
        if self.desk is not None:
            self.app.push_screen(WhatIfForm(self.desk.wish, self.desk.ask), self._asked)

    def action_details(self) -> None:
        if self.desk is not None and self.desk.plan is not None:
            self.app.push_screen(DetailScreen("What the plan leaves undone", _undone(self.desk.plan)))

    def action_check(self) -> None:
        plan = self._usable_plan()
        if plan is not None:
            running.start(self.console, self.session, plan, dry_run=True)

    def action_apply(self) -> None:
        plan = self._usable_plan()
        if plan is None:
            return
        if not plan.migrations:
            self.app.notify("The plan has no migrations.", markup=False)
            return
        lines = running.what_happens(self.session, plan)
        age = self.session.age()
        if age is not None and age > OLD_SECONDS:
            lines.append(f"The cluster was read {ago(age)}. Press r to read it again.")

        def answered(answer: str | None) -> None:
            if answer == "apply":
                running.start(self.console, self.session, plan)

        self.app.push_screen(
            QuestionScreen(
                f"Apply the plan to {self.session.name}?",
                lines,
                [Answer("apply", "Apply"), Answer("back", "Back", safe=True)],
            ),
            answered,
        )

    def _usable_plan(self) -> Plan | None:
        """The plan that may be applied; otherwise says why there is none."""
        desk = self.desk
        if desk is None or desk.plan is None or desk.planning:
            self.app.notify("There is no plan yet.", markup=False)
            return None
        if desk.hypothetical:
            self.app.notify(HYPOTHETICAL, severity="warning", markup=False)
            return None
        run = self.console.runs.of(self.session)
        if run is not None and not run.ended:
            self.app.notify("A run works on this cluster already.", severity="warning", markup=False)
            return None
        if self._stale:
            self._offer_new_plan()
            return None
        return desk.plan

    def _offer_new_plan(self) -> None:
        def answered(answer: str | None) -> None:
            if answer == "plan":
                self.plan_again()

        self.app.push_screen(
            QuestionScreen(
                "The plan is out of date",
                [f"The cluster has changed since it was read for this plan: {self._stale}."],
                [Answer("plan", "Plan again"), Answer("back", "Back", safe=True)],
            ),
            answered,
        )

    def plan_again(self) -> None:
        """Plan for the newest reading, with the same choices."""
        snapshot = self.session.status.snapshot
        if self.desk is not None and snapshot is not None:
            self._stale = ""
            self.desk.read_again(snapshot)
            self._show()

    def _with_line(self, change: Callable[[Desk, Line], None]) -> None:
        key = self.query_one("#plan-table", Table).cursor_key()
        line = None if self.desk is None else next((one for one in self.desk.lines() if one.key == key), None)
        if self.desk is not None and line is not None:
            change(self.desk, line)
            self._show()

    def _asked(self, _wish: Wish | None) -> None:
        self._show()

    # What is shown.

    @on(DataTable.RowHighlighted, "#plan-table")
    def _highlighted(self) -> None:
        self._show_detail()

    def _show(self) -> None:
        if not self.is_mounted or not self.query("#plan-hosts"):
            return
        self._show_title()
        desk = self.desk
        self.query_one("#plan-summary", Static).update(paragraphs(self._summary()))
        plan = None if desk is None else desk.plan
        if desk is None or plan is None:
            self.query_one("#plan-table", Table).fill({})
            self.query_one("#plan-hosts", Table).fill({})
            return
        self.query_one("#plan-table", Table).fill({line.key: _row(plan, line) for line in desk.lines()})
        self._show_hosts(plan)
        self._show_detail()
        self.refresh_bindings()

    def _show_title(self) -> None:
        parts = [self.session.name, self._heading, f"read {ago(self.session.age())}"]
        if self.desk is not None and self.desk.hypothetical:
            parts.append("HYPOTHETICAL")
        if self.desk is not None and self.desk.planning:
            parts.append("planning … (Escape cancels)")
        self.set_title("  ".join(parts))
        self.set_class(self.desk is not None and self.desk.hypothetical, "hypothetical")

    def _summary(self) -> Iterator[str]:
        desk = self.desk
        if desk is None:
            yield self.session.status.error or "The cluster is being read …"
            return
        if desk.hypothetical:
            yield HYPOTHETICAL
        if desk.error:
            yield desk.error
        if self._stale:
            yield f"Out of date: {self._stale}. Press a to plan again."
        if desk.plan is None:
            if desk.planning:
                yield "Planning …"
            return
        yield headline(desk.plan)
        yield figures(desk.plan)
        chosen = [f"{len(desk.choices.left_out)} left out"] if desk.choices.left_out else []
        chosen += [f"{len(desk.choices.pinned)} pinned"] if desk.choices.pinned else []
        if chosen:
            yield f"By choice: {', '.join(chosen)}. f takes them back."

    def _show_detail(self) -> None:
        desk, detail = self.desk, self.query_one("#plan-detail", Static)
        key = self.query_one("#plan-table", Table).cursor_key()
        line = None if desk is None else next((one for one in desk.lines() if one.key == key), None)
        if desk is None or desk.plan is None or line is None:
            detail.update("")
        else:
            detail.update(paragraphs(_detail(line)))

    def _open_hosts(self, plan: Plan) -> ClusterState:
        """The state after the plan of the hosts that take part: the band is about these."""
        desk = self.desk
        snapshot = None if desk is None else desk.snapshot
        if desk is not None and snapshot is not None and desk.wish.overrides is not None:
            snapshot = apply_overrides(snapshot, desk.wish.overrides)
        closed = {host.id for host in snapshot.hosts if not host.active} if snapshot is not None else set()
        hosts = {
            host: state
            for host, state in plan.after.hosts.items()
            if host not in closed and host not in plan.emptied
        }
        return replace(plan.after, hosts=hosts or plan.after.hosts)

    def _show_hosts(self, plan: Plan) -> None:
        table = self.query_one("#plan-hosts", Table)
        metrics = measured_metrics(plan.before)
        width = (self.size.width - 32) // max(len(metrics), 1) - _FIGURES - 2
        width = max(_LEAST_BAR, width)
        table.set_columns(
            [
                Column("name", "Host", 12),
                *(Column(metric, f"{metric} before → after", width + _FIGURES) for metric in metrics),
                Column("guests", "Guests", 8, leaves=1),
            ]
        )
        bands = bands_of(self._open_hosts(plan), plan.policy)
        table.fill(
            {
                host: [
                    plain(before.name),
                    *(
                        _change(before.used.get(metric), _after(plan, host, metric), width, bands.get(metric))
                        for metric in metrics
                    ),
                    plain(_guests(plan, host), right=True),
                ]
                for host, before in plan.before.hosts.items()
            }
        )


def headline(plan: Plan) -> str:
    """The plan in a sentence: how good it is, how much it moves, how long that takes."""
    text = plan_report(plan)[0].partition(": ")[2]
    if plan.migrations and plan.proof.seconds:
        text += f", about {duration(plan.proof.seconds)}"
    goal = "by hand" if plan.policy.goal == "evacuate" and plan.policy.choices else f"goal {plan.policy.goal}"
    preset = f", preset {plan.policy.preset}" if plan.policy.preset else ""
    return f"{text} ({goal}{preset})"


def figures(plan: Plan) -> str:
    """Spread, rules and what is undone, before and after."""
    parts = [
        f"{metric} {_points(plan.before.spread.get(metric))} → {_points(plan.after.spread.get(metric))}"
        for metric in measured_metrics(plan.before)
    ]
    parts.append(f"broken rules {len(plan.before.violations)} → {len(plan.after.violations)}")
    if plan.unresolved:
        parts.append(f"{len(plan.unresolved)} unresolved (i)")
    return f"Spread in points: {'   '.join(parts)}"


def _points(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def _row(plan: Plan, line: Line) -> list[Text]:
    step = line.migration
    mark = "left out" if line.left_out else "pinned" if line.pinned else ""
    style = "dim" if line.left_out else "cyan" if line.pinned else ""
    if line.not_there:
        mark = "not to"
    way = f"{host_name(plan.before, line.source)} → {host_name(plan.before, line.target)}"
    return [
        plain(mark, style),
        number(None if step is None else step.wave, 0),
        plain(line.guest.name, style),
        plain(way, style),
        number(None if step is None else step.cost.memory / GIB),
        plain("" if step is None else step.kind),
        plain(_why(line), style),
    ]


def _why(line: Line) -> str:
    if line.migration is not None:
        return line.migration.why
    if line.not_there:
        return "it is not migrated to this host, by choice"
    return "it stays, by choice" if line.left_out else "pinned by choice, see what is undone (i)"


def _detail(line: Line) -> Iterator[str]:
    step = line.migration
    if step is None:
        yield f"{line.guest.name} ({line.guest.id}): {_why(line)}"
        return
    after = f", after step {', '.join(map(str, step.after))}" if step.after else ""
    yield (
        f"Step {step.step}, wave {step.wave}{after}: {step.guest.name} ({step.guest.id}), {step.kind},"
        f" {step.cost.memory / GIB:.1f} GiB, about {duration(step.cost.seconds)}"
    )
    yield step.why


def _after(plan: Plan, host: str, metric: str) -> float | None:
    state = plan.after.hosts.get(host)
    return None if state is None else state.used.get(metric)


def _change(before: float | None, after: float | None, width: int, band: Band | None) -> Text:
    text = level_bar(after, width, None if band is None else (band.low, band.high))
    if before is not None and after is not None:
        same = f"{before:.1f}" == f"{after:.1f}"
        text.append(f" {before:5.1f}" if same else f" {before:5.1f} → {after:.1f}")
    return text


def _guests(plan: Plan, host: str) -> str:
    before, after = plan.before.hosts[host], plan.after.hosts.get(host)
    if after is None or after.guests == before.guests:
        return f"{before.guests}"
    return f"{before.guests} → {after.guests}"


def _undone(plan: Plan) -> list[Entry]:
    entries: list[Entry] = [("status", plan.status)]
    entries += [("unresolved", f"{item.what}: {item.why}") for item in plan.unresolved]
    entries += [("can't move", f"{item.guest.name} ({item.guest.id}): {item.why}") for item in plan.immovable]
    entries += [("broken now", f"{one.rule}: {one.detail}") for one in plan.before.violations]
    entries += [("broken after", f"{one.rule}: {one.detail}") for one in plan.after.violations]
    entries += [("note", text) for text in plan.notices]
    entries.append(("", ""))
    entries += _proof(plan)
    return entries


def _proof(plan: Plan) -> list[Entry]:
    proof = plan.proof
    found = [
        (
            "migrations",
            f"{len(plan.migrations)}, of which at least {proof.migrations_lower_bound} are needed",
        ),
        ("proven", "the fewest" if proof.optimal else "not proven to be the fewest"),
        ("method", proof.method),
    ]
    bounds: Mapping[str, float | None] = proof.spread_lower_bound
    found += [
        (f"{metric} bound", f"no plan brings the spread below {points:.1f} points")
        for metric, points in bounds.items()
        if points
    ]
    return found
