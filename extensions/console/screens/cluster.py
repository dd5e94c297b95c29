# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster: its hosts, guests, rules, headroom, history and datastores, each on a tab."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Input, TabbedContent, TabPane

from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.text import ago
from . import deciding
from .datastores import DatastoresView
from .guests import GuestsView
from .headroom import HeadroomView
from .history import HistoryView
from .hosts import HostsView
from .rules import RulesView
from .view import View

TABS = ("hosts", "guests", "rules", "headroom", "history", "datastores")
_DECIDING = frozenset({"plan", "evacuate", "migrate", "roll_back"})


class _Tabs(TabbedContent):
    """Tabs that a person chooses: the focus that comes back to a tab does not bring it to the front."""

    def _on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        event.prevent_default()
        event.stop()


class ClusterScreen(ConsoleScreen):
    """A cluster of the inventory."""

    HELP = """
    Hosts: what is in use of each, by metric. The two lines in a bar are the ends of the band: within
    it hosts are level. ▲ is above it, ▼ below. Enter shows the guests of a host.

    Guests: type / and then a part of a name, tag or host; tag:prod, host:pve1, pool:web, state:stopped; or
    where and a JMESPath expression, such as: where used.memory > `8000000000`. Enter shows a guest,
    with its rules, whether it may move, and its history.

    Rules: broken ones first, with what breaks them.

    Headroom: which hosts may fail, and what still fits, now and if the cluster is to bear the failure of
    any one host (keeping N-1).

    History: runs and migrations; type / and a guest to see why it was moved.

    Datastores: what is in use of each, and the limit. Enter shows the disks on one, and why some of them
    stay. e empties it: a check first.
    """
    AUTO_FOCUS = "#hosts-table"
    BINDINGS = [
        Binding("escape", "back", "Clusters"),
        Binding("1", "tab('hosts')", "Hosts", show=False),
        Binding("2", "tab('guests')", "Guests", show=False),
        Binding("3", "tab('rules')", "Rules", show=False),
        Binding("4", "tab('headroom')", "Headroom", show=False),
        Binding("5", "tab('history')", "History", show=False),
        Binding("6", "tab('datastores')", "Datastores", show=False),
        # Before keys that are typed after it are taken for keys of the screen.
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("o", "sort", "Sort"),
        Binding("O", "reverse", "Reverse", show=False),
        Binding("p", "plan", "Plan"),
        Binding("e", "evacuate", "Evacuate"),
        Binding("m", "migrate", "Migrate"),
        Binding("b", "roll_back", "Roll back"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose_content(self) -> ComposeResult:
        with _Tabs(initial="hosts"):
            for number, (name, view) in enumerate(self._views().items(), start=1):
                with TabPane(f"{number} {name.capitalize()}", id=name):
                    yield view

    def on_mount(self) -> None:
        self._show_title()

    def session_changed(self, session: Session) -> None:
        if session is self.session:
            self._show_title()
            for view in self.query(View):
                if view.is_mounted and view.children:
                    view.refresh_content()
            self.refresh_bindings()

    def tick(self) -> None:
        self._show_title()

    def show_guests_of(self, host: str) -> None:
        """The tab of the guests, with those of a host, by name."""
        self.action_tab("guests")
        self.query_one(GuestsView).filter_by(f"host:{host}")

    def show_history_of(self, guest: str) -> None:
        """The tab of the history, with the migrations of a guest, by id or name."""
        self.action_tab("history")
        self.query_one(HistoryView).filter_by(guest)

    @property
    def view(self) -> View:
        """What the active tab shows."""
        return self.query_one(f"#{self.query_one(TabbedContent).active}").query_one(View)

    @on(TabbedContent.TabActivated)
    def _activated(self) -> None:
        self.view.activated()
        self.refresh_bindings()

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _DECIDING and (self._is_read_only or not self.session.is_usable):
            return False
        if action in _DECIDING and self.session.status.snapshot is None:
            return None
        if not self.is_mounted or not self.query(TabbedContent):
            return True
        if action == "evacuate":
            return self.view.host is not None or self.view.datastore is not None
        if action == "migrate":
            return self.view.guest is not None
        if action == "roll_back":
            return self.view.past_run is not None
        if action in ("sort", "reverse"):
            return self.view.sorts
        if action == "filter":
            return self.view.filters and not isinstance(self.focused, Input)
        return True

    def action_back(self) -> None:
        if not self.view.leave():
            self.app.pop_screen()

    def action_tab(self, name: str) -> None:
        self.query_one(TabbedContent).active = name
        self.view.activated()

    def action_filter(self) -> None:
        self.view.focus_filter()

    def action_sort(self) -> None:
        self.view.sort_by_next()

    def action_reverse(self) -> None:
        self.view.reverse()

    def action_plan(self) -> None:
        deciding.open_plan(self.console, self.session)

    def action_evacuate(self) -> None:
        if self.view.host is not None:
            deciding.open_evacuate(self.console, self.session, self.view.host)
        elif self.view.datastore is not None:
            deciding.open_emptying(self.console, self.session, self.view.datastore)

    def action_migrate(self) -> None:
        if self.view.guest is not None:
            deciding.open_migrate(self.console, self.session, self.view.guest)

    def action_roll_back(self) -> None:
        view = self.view
        if isinstance(view, HistoryView) and view.past_run is not None:
            run = view.past_run
            moved, disks = view.moved_by(run), view.moved_disks(run)
            deciding.open_back(self.console, self.session, moved, disks=disks)

    @property
    def _is_read_only(self) -> bool:
        return self.console.read_only or self.session.read_only

    def _views(self) -> dict[str, View]:
        kinds: dict[str, type[View]] = {
            "hosts": HostsView,
            "guests": GuestsView,
            "rules": RulesView,
            "headroom": HeadroomView,
            "history": HistoryView,
            "datastores": DatastoresView,
        }
        return {name: kinds[name](self.session) for name in TABS}

    def _show_title(self) -> None:
        status = self.session.status
        parts = [f"{self.session.name}", status.word]
        if status.snapshot is not None:
            parts[0] += f" ({status.snapshot.platform})"
            parts.append(f"read {ago(self.session.age())}")
        when = self.session.seconds_to_next()
        if status.reading:
            parts.append("reading …")
        elif status.error and when is not None:
            parts.append(f"next try in {when:.0f} s")
        if self._is_read_only:
            parts.append("read-only")
        if status.locked_by and not status.acting:
            parts.append("another run is working on it")
        self.set_title("  ".join(parts))
