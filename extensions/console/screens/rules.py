# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a cluster and of its policy, and what breaks them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted

from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import number, paragraphs, plain
from .details import DetailScreen, Entry
from .view import View

COLUMNS = (
    Column("state", "State", 8),
    Column("name", "Rule", 18),
    Column("kind", "Kind", 19, leaves=1),
    Column("guests", "Guests", 6),
    Column("detail", "What breaks it", 20, grows=True),
)


class RulesView(View):
    """A line for each rule, those that are broken first."""

    def compose(self) -> ComposeResult:
        yield OpenTable("rules-table", COLUMNS)
        yield Static(id="rules-note", classes="detail", markup=False)

    def activated(self) -> None:
        self.query_one(Table).focus()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        snapshot = self.snapshot
        rule = next((one for one in self.session.status.rules if one.name == event.row_key.value), None)
        if rule is not None and snapshot is not None:
            self.app.push_screen(DetailScreen(rule.name, _entries(rule, snapshot, self._broken())))

    def refresh_content(self) -> None:
        status = self.session.status
        broken = self._broken()
        rules = sorted(status.rules, key=lambda rule: (rule.name not in broken, not rule.strict, rule.name))
        table = self.query_one(Table)
        table.fill({rule.name: _row(rule, broken) for rule in rules})
        notes = [self.not_read] if self.not_read else [f"{counted(len(rules), 'rule')}, {len(broken)} broken"]
        notes += [f"{item.what}: {item.why}" for item in status.wrong or ()]
        notes += [status.problem] if status.problem else []
        notes += list(status.notices)
        self.query_one("#rules-note", Static).update(paragraphs(notes))

    def _broken(self) -> Mapping[str, str]:
        state = self.session.status.state
        return {} if state is None else {violation.rule: violation.detail for violation in state.violations}


def _row(rule: Rule, broken: Mapping[str, str]) -> list[Text]:
    detail = broken.get(rule.name)
    kind = rule.kind.replace("_", "-")
    return [
        plain("holds", "green") if detail is None else plain("broken", "bold dark_orange"),
        plain(rule.name),
        plain(kind if rule.strict else f"{kind}, soft"),
        number(len(rule.guests), 0),
        plain(detail or ""),
    ]


def _entries(rule: Rule, snapshot: Snapshot, broken: Mapping[str, str]) -> list[Entry]:
    hosts = {host.id: host.name for host in snapshot.hosts}
    guests = {guest.id: guest for guest in snapshot.guests}
    members = [guests[one] for one in rule.guests if one in guests]
    return [
        ("kind", rule.kind.replace("_", "-")),
        ("strict", "yes" if rule.strict else f"no, with weight {rule.weight:g}"),
        ("source", rule.source),
        ("state", f"broken: {broken[rule.name]}" if rule.name in broken else "holds"),
        *([("hosts", ", ".join(hosts.get(one, one) for one in rule.hosts))] if rule.hosts else []),
        *(
            ("guest", f"{guest.name} ({guest.id}) on {hosts.get(guest.host, guest.host)}")
            for guest in members
        ),
    ]
