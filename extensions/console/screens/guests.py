# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a cluster, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Input, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest

from ..filtering import guests_matching
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import gib, number, plain
from .guest import GuestScreen
from .view import View

COLUMNS = (
    Column("name", "Guest", 15, grows=True),
    Column("id", "Id", 7),
    Column("host", "Host", 11),
    Column("state", "State", 9),
    Column("cpu", "Cores used", 12),
    Column("memory", "GiB used", 10),
    Column("assigned", "GiB given", 11, leaves=2),
    Column("moves", "Moves", 18, leaves=1),
    Column("tags", "Tags", 16, leaves=3),
)
# More rows than anybody reads, and so few that they are drawn at once.
MOST_ROWS = 5000
_LOW = float("-inf")
_SORT: Mapping[str, Callable[[Guest, Mapping[str, str]], tuple[object, ...]]] = {
    "name": lambda guest, _hosts: (guest.name.lower(),),
    "id": lambda guest, _hosts: (len(guest.id) if guest.id.isdigit() else 99, guest.id),
    "host": lambda guest, hosts: (hosts.get(guest.host, guest.host), guest.name.lower()),
    "state": lambda guest, _hosts: (_state(guest), guest.name.lower()),
    "cpu": lambda guest, _hosts: (_known(guest.used.get("cpu")),),
    "memory": lambda guest, _hosts: (_known(guest.used.get("memory")),),
    "assigned": lambda guest, _hosts: (_known(guest.assigned.get("memory")),),
    "moves": lambda guest, _hosts: (_moves(guest), guest.name.lower()),
    "tags": lambda guest, _hosts: (", ".join(guest.tags), guest.name.lower()),
}
_LARGEST_FIRST = frozenset({"cpu", "memory", "assigned"})


class GuestsView(View):
    """A line for each guest."""

    filters = True
    sorts = True

    def compose(self) -> ComposeResult:
        yield Input(
            placeholder="Filter: name, tag:prod, host:pve1, state:stopped, or where …",
            id="guests-filter",
            compact=True,
            classes="filter",
        )
        yield Static(id="guests-complaint", classes="complaint", markup=False)
        yield OpenTable("guests-table")
        yield Static(id="guests-count", classes="detail", markup=False)

    def on_mount(self) -> None:
        self._sort = "name"
        self._reversed = False
        self._matching: list[Guest] = []
        super().on_mount()

    @property
    def guest(self) -> str | None:
        return self.query_one(Table).cursor_key()

    def activated(self) -> None:
        super().activated()
        self.query_one(Table).focus()

    def filter_by(self, text: str) -> None:
        self.query_one(Input).value = text
        self.query_one(Table).focus()

    def focus_filter(self) -> None:
        # At once: what is typed next is not to be taken for a key of the screen.
        self.screen.set_focus(self.query_one(Input))

    def leave(self) -> bool:
        box = self.query_one(Input)
        if not box.has_focus and not box.value:
            return False
        box.value = ""
        self.query_one(Table).focus()
        return True

    def sort_by_next(self) -> None:
        keys = [column.key for column in COLUMNS]
        self._sort_by(keys[(keys.index(self._sort) + 1) % len(keys)])

    def reverse(self) -> None:
        self._reversed = not self._reversed
        self.refresh_content()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.refresh_content()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one(Table).focus()

    @on(DataTable.HeaderSelected)
    def _chosen(self, event: DataTable.HeaderSelected) -> None:
        if event.column_key.value == self._sort:
            self.reverse()
        elif event.column_key.value is not None:
            self._sort_by(event.column_key.value)

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.app.push_screen(GuestScreen(self.session, event.row_key.value))

    def refresh_content(self) -> None:
        snapshot = self.snapshot
        if snapshot is None:
            self.query_one("#guests-count", Static).update(plain(self.not_read))
            return
        if not self.is_on_screen:
            return
        hosts = {host.id: host.name for host in snapshot.hosts}
        complaint = ""
        try:
            self._matching = guests_matching(snapshot.guests, self.query_one(Input).value, hosts)
        except EvenKeelError as error:
            # While an expression is being typed, what matched before stays.
            complaint = str(error)
            known = {guest.id: guest for guest in snapshot.guests}
            self._matching = [known[guest.id] for guest in self._matching if guest.id in known]
        largest_first = self._sort in _LARGEST_FIRST
        key = _SORT[self._sort]
        self._matching.sort(key=lambda guest: key(guest, hosts), reverse=self._reversed != largest_first)
        arrow = "▼" if self._reversed != largest_first else "▲"
        table = self.query_one(Table)
        titles = {column.key: f"{column.title} {arrow}" for column in COLUMNS if column.key == self._sort}
        rows = {guest.id: _row(guest, hosts) for guest in self._matching[:MOST_ROWS]}
        table.fill(rows, COLUMNS, titles)
        box = self.query_one("#guests-complaint", Static)
        box.update(plain(complaint))
        box.display = bool(complaint)
        count = f"{len(self._matching)} of {len(snapshot.guests)} guests"
        if len(self._matching) > MOST_ROWS:
            count += f"; the first {MOST_ROWS} are shown, filter for the others"
        self.query_one("#guests-count", Static).update(count)

    @property
    def is_on_screen(self) -> bool:
        """Thousands of rows are not filled where nobody sees them."""
        return self.region.area > 0 or self.query_one(Table).row_count > 0

    def _sort_by(self, key: str) -> None:
        self._sort, self._reversed = key, False
        self.refresh_content()


def _row(guest: Guest, hosts: Mapping[str, str]) -> list[Text]:
    host = hosts.get(guest.host, guest.host)
    if guest.migrating_to:
        host = f"{host} → {hosts.get(guest.migrating_to, guest.migrating_to)}"
    return [
        plain(guest.name),
        plain(guest.id),
        plain(host),
        plain(_state(guest), "" if guest.is_on_host else "dim"),
        number(guest.used.get("cpu"), 2),
        gib(guest.used.get("memory")),
        gib(guest.assigned.get("memory")),
        plain(_moves(guest), "" if guest.migratable else "dark_orange"),
        plain(", ".join(guest.tags)),
    ]


def _state(guest: Guest) -> str:
    return guest.run_state or guest.power


def _moves(guest: Guest) -> str:
    return "yes" if guest.migratable else f"no: {', '.join(guest.blockers) or 'not migratable'}"


def _known(value: float | None) -> float:
    return _LOW if value is None else value
