# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: its migrations and moves of disks, which can be left out, and the cluster before and after it."""

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
    datastore_name,
    host_name,
    plan_report,
    storage_lines,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.progress import duration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    ClusterState,
    Migration,
    Plan,
    StoragePlan,
)
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
    Column("guest", "Guest, disks", 14, grows=True),
    Column("way", "From → to", 18),
    Column("memory", "GiB", 7, leaves=1),
    Column("kind", "Kind", 11, leaves=3),
    Column("why", "Why", 14, grows=True),
)
_EDITS = frozenset({"leave_out", "pin", "not_there", "goal", "what_if", "forget"})
NO_PINS = "Moves of disks can't be pinned. placement and rules of balance_storage say where disks are to be."
DISKS_STAY = "Brings guests back. Disks that the run moved stay where they are."
_LEAST_BAR = 6
_MOST_BAR = 40
NOT_READ = (
    "Disks were not read, so none can be moved. Set balance_storage or balance_preset: sdrs in the inventory."
)
_FIGURES = 16
HYPOTHETICAL = "HYPOTHETICAL: for a cluster with the changes of what if. It can't be applied."


class DeskChanged(Message):
    """A plan, or why there is none, has come."""


class PlanScreen(ConsoleScreen):
    """A plan that can be changed and applied."""

    HELP = """
    The migrations in their order, after them the moves of disks, and the cluster before and after them.
    Nothing is started before a is pressed and confirmed. d shows datastores in the place of hosts, and
    hosts again.

    Space leaves a migration or a move of disks out: the guest, or its disks, stay, and the best plan
    without it is looked for. n keeps them from this host or datastore only. x pins a migration: it is made
    whatever the plan is, as long as rules and limits let it. f takes all of that back.

    g chooses another goal, preset or options; w asks what if a host or datastore is away or added, a
    datastore is fuller, or a guest has grown: such a plan is hypothetical.

    c checks the plan as --check does: the platform is asked about each step, and nothing is moved. a
    applies it.

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
        Binding("d", "switch", "Hosts/datastores"),
        Binding("n", "not_there", "Not there", show=False),
        Binding("f", "forget", "Forget choices", show=False),
    ]

    def __init__(
        self,
        session: Session,
        make: Callable[[Snapshot], Plan] | None = None,
        title: str = "",
        note: str = "",
    ) -> None:
        """`note` stands above the plan."""
        super().__init__()
        self._note = note
        self.session = session
        self._make = make
        self._heading = title or "plan"
        self._stale = ""
        # Which of both is shown, by choice; None: what the plan is about.
        self._shows_datastores: bool | None = None
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
        self._show_title()

    def on_resize(self, event: object) -> None:
        super().on_resize(event)  # type: ignore[arg-type]
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self.desk is not None and action in _EDITS and not self.desk.editable:
            return False
        if action == "apply" and self.desk is not None and self.desk.hypothetical:
            return None
        if action == "switch":
            return self._storage is not None
        return True

    @property
    def _storage(self) -> StoragePlan | None:
        plan = None if self.desk is None else self.desk.plan
        return None if plan is None else plan.storage

    @property
    def _is_about_datastores(self) -> bool:
        plan = None if self.desk is None else self.desk.plan
        if plan is None or plan.storage is None:
            return False
        if self._shows_datastores is not None:
            return self._shows_datastores
        return plan.policy.goal == "storage" or (bool(plan.storage.moves) and not plan.migrations)

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
        line = self._line()
        if line is not None and line.disks:
            self.app.notify(NO_PINS, markup=False)
            return
        self._with_line(Desk.toggle_pin)

    def action_switch(self) -> None:
        self._shows_datastores = not self._is_about_datastores
        self._show()

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
        if not plan.migrations and not (plan.storage and plan.storage.moves):
            self.app.notify("The plan moves nothing.", markup=False)
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

    def _line(self) -> Line | None:
        """The line that the cursor is on."""
        key = self.query_one("#plan-table", Table).cursor_key()
        return None if self.desk is None else next((one for one in self.desk.lines() if one.key == key), None)

    def _with_line(self, change: Callable[[Desk, Line], None]) -> None:
        line = self._line()
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
        if plan.storage is not None and self._is_about_datastores:
            self._show_datastores(plan.storage)
        else:
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
        yield self._note
        yield from headlines(desk.plan)
        if desk.plan.policy.goal != "storage" or desk.plan.migrations:
            yield figures(desk.plan)
        if desk.plan.storage is not None:
            yield storage_figures(desk.plan.storage)
            if not self.session.reads_datastores:
                yield NOT_READ
        left_out = len(desk.choices.left_out) + len(desk.choices.disks_left_out)
        chosen = [f"{left_out} left out"] if left_out else []
        chosen += [f"{len(desk.choices.pinned)} pinned"] if desk.choices.pinned else []
        if chosen:
            yield f"By choice: {', '.join(chosen)}. f takes them back."

    def _show_detail(self) -> None:
        desk, detail, line = self.desk, self.query_one("#plan-detail", Static), self._line()
        if desk is None or desk.plan is None or line is None:
            detail.update("")
        else:
            detail.update(paragraphs(_detail(desk.plan, line)))

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

    def _show_datastores(self, storage: StoragePlan) -> None:
        table = self.query_one("#plan-hosts", Table)
        width = min(_MOST_BAR, max(_LEAST_BAR, self.size.width - 74))
        table.set_columns(
            [
                Column("datastore", "Datastore", 14),
                Column("used", "In use, before → after", width + _FIGURES),
                Column("size", "GiB", 8, leaves=2),
                Column("disks", "Disks", 10),
                Column("latency", "Latency now", 11, leaves=1),
            ]
        )
        table.fill(
            {
                name: [
                    plain(datastore_name(storage.before, name)),
                    _change(before.percent, _percent_after(storage, name), width, None),
                    number(None if before.capacity is None else before.capacity / GIB, 0),
                    plain(_disks(storage, name), right=True),
                    number(before.latency, 1, " ms"),
                ]
                for name, before in storage.before.datastores.items()
            }
        )


def headlines(plan: Plan) -> Iterator[str]:
    """The plan in sentences: how good it is, how much it moves, how long that takes."""
    of_storage = "" if plan.storage is None else storage_lines(plan.storage)[0]
    if plan.storage is not None and plan.storage.moves:
        of_storage += f", at least {duration(running.least_seconds(plan.storage, plan.policy))}"
    if plan.policy.goal != "storage" or plan.migrations:
        text = plan_report(plan)[0].partition(": ")[2]
        if plan.migrations and plan.proof.seconds:
            text += f", about {duration(plan.proof.seconds)}"
        yield f"{text} ({_aim(plan)})"
        if of_storage:
            yield of_storage
    else:
        yield f"{of_storage} ({_aim(plan)})"


def _aim(plan: Plan) -> str:
    goal = "by hand" if plan.policy.goal == "evacuate" and plan.policy.choices else f"goal {plan.policy.goal}"
    preset = f", preset {plan.policy.preset}" if plan.policy.preset else ""
    return f"{goal}{preset}"


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


def storage_figures(storage: StoragePlan) -> str:
    """The fullest datastore, rules and what is undone, before and after."""
    parts = [
        f"fullest datastore {running.fullest(storage.before)} → {running.fullest(storage.after)}",
        f"broken rules for disks {len(storage.before.violations)} → {len(storage.after.violations)}",
    ]
    if storage.unresolved:
        parts.append(f"{len(storage.unresolved)} unresolved (i)")
    return "   ".join(parts)


def _points(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def _row(plan: Plan, line: Line) -> list[Text]:
    step, move = line.migration, line.move
    mark = "left out" if line.left_out else "pinned" if line.pinned else ""
    style = "dim" if line.left_out else "cyan" if line.pinned else ""
    if line.not_there:
        mark = "not to"
    size = None if move is None else move.bytes
    if step is not None:
        size = step.cost.memory + step.cost.disks
    one = step or move
    return [
        plain(mark, style),
        number(_wave(plan, line), 0),
        plain(f"{line.guest.name}: {', '.join(line.disks)}" if line.disks else line.guest.name, style),
        plain(_way(plan, line), style),
        number(None if size is None else size / GIB),
        plain("" if one is None else one.kind),
        plain(_why(line), style),
    ]


def _way(plan: Plan, line: Line) -> str:
    if line.disks and plan.storage is not None:
        state = plan.storage.before
        return f"{datastore_name(state, line.source)} → {datastore_name(state, line.target)}"
    return f"{host_name(plan.before, line.source)} → {host_name(plan.before, line.target)}"


def _wave(plan: Plan, line: Line) -> int | None:
    """Moves of disks come after all migrations, so that their waves are counted on."""
    if line.wave is None or not line.disks:
        return line.wave
    return line.wave + max((step.wave for step in plan.migrations), default=0)


def _why(line: Line) -> str:
    if line.migration is not None:
        along = disks_along(line.migration)
        return f"{along}; {line.migration.why}" if along else line.migration.why
    if line.move is not None:
        return line.move.why
    if line.not_there:
        where = "moved to this datastore" if line.disks else "migrated to this host"
        return f"not {where}, by choice"
    if line.left_out:
        return "stays on its datastore, by choice" if line.disks else "it stays, by choice"
    return "pinned by choice, see what is undone (i)"


def _detail(plan: Plan, line: Line) -> Iterator[str]:
    step, move = line.migration, line.move
    if move is not None:
        after = f", after step {', '.join(map(str, move.after))}" if move.after else ""
        last = " (after all migrations)" if plan.migrations else ""
        yield (
            f"Step {move.step}, wave {_wave(plan, line)}{last}{after}: {', '.join(move.disks)} of"
            f" {move.guest.name} ({move.guest.id}), {move.kind}, {move.bytes / GIB:.1f} GiB copied, about"
            f" {duration(move.seconds)}"
        )
        yield move.why
        return
    if step is None:
        yield f"{line.guest.name} ({line.guest.id}): {_why(line)}"
        return
    after = f", after step {', '.join(map(str, step.after))}" if step.after else ""
    yield (
        f"Step {step.step}, wave {step.wave}{after}: {step.guest.name} ({step.guest.id}), {step.kind},"
        f" {_sizes(step)}, about {duration(step.cost.seconds)}"
    )
    yield _why(line)


def _sizes(step: Migration) -> str:
    memory = f"{step.cost.memory / GIB:.1f} GiB"
    return f"{memory} and {step.cost.disks / GIB:.1f} GiB of disks" if step.cost.disks else memory


def disks_along(step: Migration) -> str:
    """Where its disks go, of a guest that is migrated for them."""
    if not step.cost.disks:
        return ""
    return f"disks {', '.join(f'{source} → {target}' for source, target in step.storage.items())}"


def _percent_after(storage: StoragePlan, name: str) -> float | None:
    state = storage.after.datastores.get(name)
    return None if state is None else state.percent


def _disks(storage: StoragePlan, name: str) -> str:
    before, after = storage.before.datastores[name], storage.after.datastores.get(name)
    if after is None or after.disks == before.disks:
        return f"{before.disks}"
    return f"{before.disks} → {after.disks}"


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
    if plan.policy.goal != "storage" or plan.migrations:
        entries += _proof(plan)
    if plan.storage is not None:
        entries += _undone_storage(plan.storage)
    return entries


def _undone_storage(storage: StoragePlan) -> Iterator[Entry]:
    proof = storage.proof
    yield "datastores", storage.status
    for item in storage.unresolved:
        yield "unresolved", f"{item.what}: {item.why}"
    for disk in storage.immovable:
        ids = ", ".join(disk.disks) or "disks without an id"
        place = datastore_name(storage.before, disk.datastore)
        yield "can't move", f"{ids} of {disk.guest.name} ({disk.guest.id}) on {place}: {disk.why}"
    for one in storage.before.violations:
        yield "broken now", f"{one.rule}: {one.detail}"
    for one in storage.after.violations:
        yield "broken after", f"{one.rule}: {one.detail}"
    for text in storage.notices:
        yield "note", text
    yield "", ""
    least = f", of which at least {proof.bytes_lower_bound / GIB:.1f} GiB are needed"
    yield "copied", f"{proof.bytes / GIB:.1f} GiB{least if proof.bytes_lower_bound else ''}"
    yield "proven", "the fewest" if proof.optimal else "not proven to be the fewest"
    yield "method", proof.method


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
