# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a cluster side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Host

from ..bands import Band, bands_of, measured_metrics
from ..session import Session
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import level_bar, mark, number, paragraphs, plain
from .view import View

if TYPE_CHECKING:
    from .cluster import ClusterScreen

_FIXED = 45
_LEAST_BAR = 8
_FIGURE = 8


class HostsView(View):
    """A line for each host, with a bar for each metric of the policy."""

    def compose(self) -> ComposeResult:
        yield OpenTable("hosts-table")
        yield Static(id="hosts-legend", classes="detail", markup=False)

    def activated(self) -> None:
        super().activated()
        self.query_one(Table).focus()

    @property
    def host(self) -> str | None:
        return self.query_one(Table).cursor_key()

    def on_resize(self, _event: events.Resize) -> None:
        self.refresh_content()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        snapshot = self.snapshot
        hosts = () if snapshot is None else snapshot.hosts
        host = next((one for one in hosts if one.id == event.row_key.value), None)
        if host is not None:
            cast("ClusterScreen", self.screen).show_guests_of(host.name)

    def refresh_content(self) -> None:
        status = self.session.status
        table, legend = self.query_one(Table), self.query_one("#hosts-legend", Static)
        if status.snapshot is None:
            legend.update(paragraphs([self.not_read], "bold red" if status.error else ""))
            return
        state = status.state
        metrics = [] if state is None else measured_metrics(state)
        bands = {} if state is None else bands_of(state, self.session.policy)
        width = max(_LEAST_BAR, (self.size.width - _FIXED) // max(len(metrics), 1) - _FIGURE - 2)
        rows = {}
        for host in status.snapshot.hosts:
            known = None if state is None else state.hosts.get(host.id)
            cells = [
                _cell(None if known is None else known.used.get(metric), width, bands.get(metric))
                for metric in metrics
            ]
            rows[host.id] = [
                plain(host.name, "bold"),
                *cells,
                number(None if known is None else known.guests, 0),
                plain(state_of(host), "" if host.active else "dark_orange"),
            ]
        columns = [
            Column("name", "Host", 16),
            *(Column(metric, metric, width + _FIGURE) for metric in metrics),
            Column("guests", "Guests", 6),
            Column("state", "State", 11, grows=True),
        ]
        table.fill(rows, columns)
        legend.update(_legend(status.state.spread if status.state else {}, bands, self.session))


def _cell(percent: float | None, width: int, band: Band | None) -> Text:
    ends = None if band is None else (band.low, band.high)
    text = level_bar(percent, width, ends)
    if percent is None:
        return text
    # The number in the colour of texts, which can be read on every background.
    return Text.assemble(text, f" {percent:5.1f}", (mark(percent, ends), text.style), no_wrap=True)


def state_of(host: Host) -> str:
    """Why it takes no guests, or online."""
    because = f": {host.closed_because}" if host.closed_because else ""
    if host.status != "online":
        return host.status
    if host.maintenance:
        return f"maintenance{because}"
    return "online" if host.schedulable else f"takes no guests{because}"


def _legend(spread: Mapping[str, float | None], bands: Mapping[str, Band], session: Session) -> Text:
    parts = []
    for metric, points in spread.items():
        band = bands.get(metric)
        limit = "" if band is None or band.limit is None else f", limit {band.limit:g}"
        parts.append(f"{metric}: spread {'not known' if points is None else f'{points:.1f}'} points{limit}")
    lines = ["; ".join(parts)] if parts else []
    lines += [f"{item.what}: {item.why}" for item in session.status.wrong or ()]
    lines += [session.status.problem]
    failed = paragraphs([session.status.error], "bold red")
    return Text("\n").join(text for text in (failed, paragraphs(lines)) if text.plain)
