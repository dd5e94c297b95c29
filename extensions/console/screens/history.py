# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs, migrations and moves of disks of a cluster, and why a guest or a disk was moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Input, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import GuestRef
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.by_hand import Moved, joined_ways

from ..session import HISTORY_DAYS
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import number, plain
from .details import DetailScreen
from .past import disk_move_entries, migration_entries, moment, reason_of, who_started
from .view import View

if TYPE_CHECKING:
    from ..app import ConsoleApp

RUNS = (
    Column("at", "Run, UTC", 16),
    Column("status", "Status", 11),
    Column("goal", "Goal", 11, leaves=2),
    Column("migrated", "Migrated", 8),
    Column("disks", "Disks", 5),
    Column("failed", "Failed", 6),
    Column("spread", "Spread before → after", 28, leaves=3),
    Column("who", "Started by", 14, grows=True),
)
MIGRATIONS = (
    Column("at", "Moved, UTC", 16),
    Column("guest", "Guest, disks", 14),
    Column("way", "From → to", 16),
    Column("result", "Result", 9),
    Column("why", "Why", 16, grows=True),
    Column("who", "Started by", 26, leaves=1),
)
_MOST_ROWS = 1000


class HistoryView(View):
    """The last days: runs above, migrations and moves of disks below. A filter leaves those of some
    guests.
    """

    filters = True

    def compose(self) -> ComposeResult:
        yield Input(
            placeholder="Guest: why was it moved?", id="history-filter", compact=True, classes="filter"
        )
        yield OpenTable("runs-table", RUNS)
        yield OpenTable("migrations-table", MIGRATIONS)
        yield Static(id="history-note", classes="detail", markup=False)

    def on_mount(self) -> None:
        self._found: Mapping[str, Any] | None = None
        self._error = ""
        self._asked_for: object = None
        super().on_mount()

    def activated(self) -> None:
        super().activated()
        self.query_one("#migrations-table", Table).focus()

    @property
    def past_run(self) -> str | None:
        table = self.query_one("#runs-table", Table)
        run = table.cursor_key() if table.has_focus else None
        return run if run is not None and self.moved_by(run) else None

    def moved_by(self, run: str) -> tuple[Moved, ...]:
        """The guests that a run has moved, each once: from where it was first to where it came last."""
        steps = [
            Moved(
                guest=GuestRef(id=one["guest"]["id"], name=one["guest"]["name"]),
                source=one["from"]["id"],
                target=one["to"]["id"],
            )
            # The newest is the first.
            for one in reversed(self._found["migrations"] if self._found else ())
            if one["run"] == run and one["result"] == "migrated"
        ]
        return joined_ways(steps)

    def moved_disks(self, run: str) -> bool:
        """Whether a run has moved disks."""
        found = self._found["disk_moves"] if self._found else ()
        return any(one["run"] == run and one["moved"] for one in found)

    def focus_filter(self) -> None:
        # At once: what is typed next is not to be taken for a key of the screen.
        self.screen.set_focus(self.query_one(Input))

    def filter_by(self, text: str) -> None:
        self.query_one(Input).value = text
        self.query_one("#migrations-table", Table).focus()

    def leave(self) -> bool:
        box = self.query_one(Input)
        if not box.has_focus and not box.value:
            return False
        box.value = ""
        self.query_one("#migrations-table", Table).focus()
        return True

    def refresh_content(self) -> None:
        """Read the history again when there was a run since, but only where somebody looks."""
        read_at = self.session.status.read_at
        if self.region.area == 0 or read_at is None or self._asked_for == read_at:
            self._show()
            return
        self._asked_for = read_at
        cast("ConsoleApp", self.app).background.run(self._read, "history")
        self._show()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one("#migrations-table", Table).focus()

    @on(DataTable.RowSelected, "#migrations-table")
    def _open(self, event: DataTable.RowSelected) -> None:
        one = self._matching().get(event.row_key.value or "")
        if one is not None:
            title = f"{one['guest']['name']} ({one['guest']['id']})"
            entries = disk_move_entries(one) if "disks" in one else migration_entries(one)
            self.app.push_screen(DetailScreen(title, entries))

    @on(DataTable.RowSelected, "#runs-table")
    def _open_run(self, event: DataTable.RowSelected) -> None:
        runs = () if self._found is None else self._found["runs"]
        run = next((one for one in runs if one["id"] == event.row_key.value), None)
        if run is not None:
            entries = _run_entries(run)
            for one in self._found["migrations"] if self._found else ():
                if one["run"] == run["id"]:
                    way = f"{one['from']['name']} → {one['to']['name']}: {one['result']}; {reason_of(one)}"
                    entries.append((one["guest"]["name"][:15], way))
            for one in self._found["disk_moves"] if self._found else ():
                if one["run"] == run["id"]:
                    way = f"{one['from']} → {one['to']}: {one['result']}; {reason_of(one)}"
                    entries.append((one["guest"]["name"][:15], f"{', '.join(one['disks'])}: {way}"))
            self.app.push_screen(DetailScreen(f"Run {run['id'][:8]}", entries))

    def _read(self) -> None:
        try:
            self._found, self._error = self.session.history(), ""
        except EvenKeelError as error:
            self._error = str(error)
        self.app.call_later(self._show)

    def _matching(self) -> dict[str, Mapping[str, Any]]:
        wanted = self.query_one(Input).value.strip().lower()
        found: dict[str, Mapping[str, Any]] = {}
        for number_, one in enumerate(self._moves()):
            guest = one["guest"]
            if not wanted or wanted in guest["name"].lower() or wanted == guest["id"].lower():
                found[f"{one['run']}:{number_}"] = one
            if len(found) == _MOST_ROWS:
                break
        return found

    def _moves(self) -> list[Mapping[str, Any]]:
        """Migrations and moves of disks, the newest first."""
        if self._found is None:
            return []
        runs = {run["id"]: run for run in self._found["runs"]}
        disks = [
            {**one, "who": runs[one["run"]]["who"] if one["run"] in runs else {}}
            for one in self._found["disk_moves"]
        ]
        both = [*self._found["migrations"], *disks]
        return sorted(both, key=lambda one: str(one["recorded_at"]), reverse=True) if disks else both

    def _show(self) -> None:
        if not self.is_mounted:
            return
        note = self.query_one("#history-note", Static)
        if self._error:
            note.update(plain(f"The history is not available: {self._error}"))
        elif self._found is None:
            note.update(plain(self.not_read or "The history is being read …"))
        else:
            matching = self._matching()
            runs = {run["id"]: _run_row(run) for run in self._found["runs"][:_MOST_ROWS]}
            self.query_one("#runs-table", Table).fill(runs)
            self.query_one("#migrations-table", Table).fill({key: _row(one) for key, one in matching.items()})
            note.update(
                f"{_counted(len(self._found['runs']), matching.values())}"
                f" in {HISTORY_DAYS} days."
                " Enter shows all of one."
            )


def _run_row(run: Mapping[str, Any]) -> list[Text]:
    result = run["result"]
    return [
        plain(moment(run["started_at"])),
        plain(run["status"], "" if run["status"] == "done" else "dark_orange"),
        plain(run["goal"] or "–"),
        number(result.get("migrated"), 0),
        number((result.get("disk_moves") or {}).get("migrated"), 0),
        number(result.get("failed"), 0),
        plain(_spread(result)),
        plain(who_started(run["who"])),
    ]


def _spread(result: Mapping[str, Any]) -> str:
    before, after = result.get("spread_before") or {}, result.get("spread_after") or {}
    return "  ".join(
        f"{metric} {before[metric]:.0f} → {after[metric]:.0f}"
        for metric in before
        if before.get(metric) is not None and after.get(metric) is not None
    )


def _counted(runs: int, moves: Iterable[Mapping[str, Any]]) -> str:
    of_disks = ["disks" in one for one in moves]
    disks = sum(of_disks)
    migrations = counted(len(of_disks) - disks, "migration")
    if not disks:
        return f"{counted(runs, 'run')} and {migrations}"
    return f"{counted(runs, 'run')}, {migrations} and {counted(disks, 'move')} of disks"


def _row(one: Mapping[str, Any]) -> list[Text]:
    name = one["guest"]["name"]
    if "disks" in one:
        guest, way = f"{name}: {', '.join(one['disks'])}", f"{one['from']} → {one['to']}"
    else:
        guest, way = name, f"{one['from']['name']} → {one['to']['name']}"
    return [
        plain(moment(one["ended_at"])),
        plain(guest),
        plain(way),
        plain(one["result"], "" if one["result"] == "migrated" else "dark_orange"),
        plain(reason_of(one)),
        plain(who_started(one["who"])),
    ]


def _of_disks(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts = {name: count for name, count in (result.get("disk_moves") or {}).items() if count}
    if not counts:
        return []
    shown = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    left = result.get("left_behind") or 0
    behind = f", copies left behind: {left}" if left else ""
    return [("disks", f"{shown}, {(result.get('bytes_copied') or 0) / GIB:.1f} GiB copied{behind}")]


def _run_entries(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("started", f"{moment(run['started_at'])} UTC by {who_started(run['who'])}"),
        ("ended", f"{moment(run['ended_at'])} UTC, {run['status']}"),
        ("goal", f"{run['goal'] or '–'}{', preset ' + run['preset'] if run['preset'] else ''}"),
        ("plan", (run["plan_digest"] or "–")[:19]),
        ("spread", _spread(run["result"]) or "–"),
        *_of_disks(run["result"]),
        *([("error", run["result"]["error"])] if run["result"].get("error") else []),
        ("", ""),
    ]
