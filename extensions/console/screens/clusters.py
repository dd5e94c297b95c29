# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All clusters of the inventory, each in one line."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import written_at
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted

from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import UNKNOWN, ago, number, plain

COLUMNS = (
    Column("name", "Cluster", 16, grows=True),
    Column("state", "State", 11),
    Column("hosts", "Hosts", 5),
    Column("guests", "Guests", 6),
    Column("spread", "Spread, points", 23, grows=True),
    Column("broken", "Broken", 6),
    Column("run", "Last run", 30, leaves=2),
    Column("read", "Read", 12, leaves=3),
    Column("platform", "Platform", 10, leaves=4),
)
COLOURS = {"in order": "green", "out of band": "dark_orange", "failed": "bold red", "acting": "cyan"}


class ClustersScreen(ConsoleScreen):
    """The clusters of the inventory."""

    HELP = """
    Clusters of the inventory. State: "in order" is inside of the band and the rules of its policy,
    "out of band" is not.

    Spread: percentage points between the fullest and the emptiest host, by metric.

    Enter opens a cluster. One that can't be read shows its error below the table, and is tried again.
    """

    def compose_content(self) -> ComposeResult:
        yield OpenTable("clusters", COLUMNS)
        yield Static(id="cluster-detail", classes="detail", markup=False)

    def on_mount(self) -> None:
        self._show()

    def session_changed(self, session: Session) -> None:
        self._show()

    def tick(self) -> None:
        self._show()

    @on(DataTable.RowSelected)
    def _open(self, _event: DataTable.RowSelected) -> None:
        session = self._session()
        if session is not None:
            self.console.open(session)

    @on(DataTable.RowHighlighted)
    def _highlighted(self, _event: DataTable.RowHighlighted) -> None:
        self._show_detail()

    def _session(self) -> Session | None:
        key = self.query_one(Table).cursor_key()
        return next((one for one in self.console.sessions if one.name == key), None)

    def _show(self) -> None:
        sessions = self.console.sessions
        wrong = sum(session.status.word in ("failed", "out of band") for session in sessions)
        readonly = "  read-only" if self.console.read_only else ""
        self.set_title(f"Even Keel  {counted(len(sessions), 'cluster')}, {wrong} not in order{readonly}")
        self.query_one(Table).fill({session.name: _row(session) for session in sessions})
        self._show_detail()

    def _show_detail(self) -> None:
        session = self._session()
        self.query_one("#cluster-detail", Static).update("" if session is None else detail(session))


def _row(session: Session) -> list[Text]:
    status = session.status
    snapshot, state = status.snapshot, status.state
    spread = {} if state is None else state.spread
    shown = "  ".join(
        f"{metric} {UNKNOWN if value is None else f'{value:.1f}'}" for metric, value in spread.items()
    )
    of_disks = 0 if status.storage is None else len(status.storage.state.violations)
    word = status.word
    return [
        plain(session.name, "bold"),
        plain(f"{word} …" if status.reading and word != "reading" else word, COLOURS.get(word, "")),
        number(None if snapshot is None else len(snapshot.hosts), 0),
        number(None if snapshot is None else len(snapshot.guests), 0),
        plain(shown or UNKNOWN),
        number(None if state is None else len(state.violations) + of_disks, 0),
        plain(last_run(session)),
        plain(ago(session.age())),
        plain(session.settings.facts.platform if session.is_usable else UNKNOWN),
    ]


def last_run(session: Session) -> str:
    """How the last run ended and when."""
    run = session.status.last_run
    if run is None:
        return "never" if session.status.snapshot is not None else UNKNOWN
    moved = run.result.get("migrated")
    count = "" if not moved else f", {moved} migrated"
    return f"{run.status} {written_at(run.started_at)[5:16].replace('T', ' ')}{count}"


def detail(session: Session) -> Text:
    """What is wrong with a cluster, in lines."""
    status = session.status
    lines = []
    if status.error:
        when = session.seconds_to_next()
        again = "" if when is None else f" Next try in {when:.0f} s."
        if not session.is_usable:
            again = " Correct the inventory and start the console again."
        lines.append(plain(f"{status.error}{again}", "bold red"))
    if status.problem:
        lines.append(plain(status.problem, "dark_orange"))
    if status.locked_by:
        lines.append(plain(f"A run is working on it: {status.locked_by}", "cyan"))
    lines += [plain(f"{item.what}: {item.why}") for item in status.wrong or ()]
    lines += [plain(notice, "dim") for notice in status.notices]
    for line in lines:
        line.no_wrap = False
    return Text("\n").join(lines)
