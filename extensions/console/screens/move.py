# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest by hand: the hosts that there are for it, the best first, and why not the others."""

from __future__ import annotations

from contextlib import suppress

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.ranking import (
    RankedHost,
    Ranking,
    rank_hosts,
)

from ..desk import moving
from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import ago, number, paragraphs, plain
from .plan import PlanScreen


class RankingChanged(Message):
    """The hosts have been ranked anew."""


class MoveScreen(ConsoleScreen):
    """The hosts for one guest."""

    HELP = """
    The hosts for one guest. Those that are possible come first, the best on top: it leaves the fewest
    strict rules broken, then the fewest points outside the band, then the smallest spreads. The others
    say why not.

    Enter plans the migration to a host, with the guests that move along. It is shown before it is applied.
    """
    BINDINGS = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("enter", "choose", "Plan this migration", show=True, priority=False),
    ]

    def __init__(self, session: Session, guest: str) -> None:
        super().__init__()
        self.session = session
        self._guest = guest
        self._ranking: Ranking | None = None
        self._error = ""

    def compose_content(self) -> ComposeResult:
        yield Static(id="move-summary", classes="summary", markup=False)
        yield OpenTable("move-table")
        yield Static(id="move-detail", classes="detail", markup=False)

    def on_mount(self) -> None:
        self._rank()
        self._show()

    def session_changed(self, session: Session) -> None:
        if session is self.session and not session.status.reading:
            self._rank()

    def on_ranking_changed(self) -> None:
        self._show()

    def action_choose(self) -> None:
        host = self._host()
        if host is None or self._ranking is None:
            return
        if not host.possible:
            self.app.notify(f"{host.name}: {host.why_not}", severity="warning", markup=False)
            return
        make = moving(self._guest, host.id, self.session.policy)
        self.app.push_screen(
            PlanScreen(self.session, make, f"migrate {self._ranking.guest.name} to {host.name}")
        )

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_choose()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    def _rank(self) -> None:
        snapshot, policy = self.session.status.snapshot, self.session.policy
        if snapshot is None:
            return

        def work() -> None:
            try:
                self._ranking, self._error = rank_hosts(snapshot, self._guest, policy), ""
            except EvenKeelError as error:
                self._error = str(error)
            with suppress(RuntimeError):
                self.post_message(RankingChanged())

        self.console.background.run(work, "ranking")

    def _host(self) -> RankedHost | None:
        key = self.query_one(Table).cursor_key()
        hosts = () if self._ranking is None else self._ranking.hosts
        return next((one for one in hosts if one.id == key), None)

    def _show(self) -> None:
        if not self.is_mounted or not self.query("#move-table"):
            return
        ranking = self._ranking
        name = self._guest if ranking is None else ranking.guest.name
        self.set_title(f"{self.session.name}  migrate {name}  read {ago(self.session.age())}")
        summary = self.query_one("#move-summary", Static)
        if ranking is None or self._error:
            summary.update(paragraphs([self._error or "The hosts are being ranked …"]))
            return
        snapshot = self.session.status.snapshot
        hosts = {host.id: host.name for host in snapshot.hosts} if snapshot is not None else {}
        now = "   ".join(f"{metric} {_points(points)}" for metric, points in ranking.spread.items())
        summary.update(
            paragraphs(
                [
                    f"{name} ({ranking.guest.id}) is on {hosts.get(ranking.host, ranking.host)}.",
                    f"Spread now, in points: {now}   broken strict rules {len(ranking.rules_broken)}",
                ]
            )
        )
        metrics = [metric for metric, points in ranking.spread.items() if points is not None]
        table = self.query_one(Table)
        table.set_columns(
            [
                Column("rank", "", 3),
                Column("host", "Host", 14),
                *(Column(metric, f"{metric} spread", 14, leaves=2) for metric in metrics),
                *(Column(f"used {metric}", f"{metric} % there", 14, leaves=3) for metric in metrics),
                Column("broken", "Broken", 6),
                Column("why", "Why not, or who moves along", 24, grows=True),
            ]
        )
        table.fill({host.id: _row(place, host, metrics) for place, host in enumerate(ranking.hosts, start=1)})
        self._show_detail()

    def _show_detail(self) -> None:
        host = self._host()
        lines = []
        if host is not None:
            lines.append(f"{host.name}: {host.why_not or 'possible'}")
            lines += [f"broken with it there: {rule}" for rule in host.rules_broken]
            lines += [f"moves along: {', '.join(host.along)}"] if host.along else []
        self.query_one("#move-detail", Static).update(paragraphs(lines))


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _row(place: int, host: RankedHost, metrics: list[str]) -> list[Text]:
    style = "" if host.possible else "dim"
    along = f"with {', '.join(host.along)}" if host.along else ""
    return [
        number(place if host.possible else None, 0),
        plain(host.name, style),
        *(number(host.spread.get(metric)) for metric in metrics),
        *(number(host.used.get(metric)) for metric in metrics),
        number(len(host.rules_broken) if host.possible else None, 0),
        plain(host.why_not or along, style),
    ]
