# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a cluster and of its policy, for guests and for disks, and what breaks them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Rule,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted

from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import number, paragraphs, plain
from .details import DetailScreen, Entry
from .view import View

COLUMNS = (
    Column("state", "State", 8),
    Column("name", "Rule", 18),
    Column("kind", "Kind", 19, leaves=1),
    Column("about", "About", 6),
    Column("guests", "Guests", 6),
    Column("detail", "What breaks it", 20, grows=True),
)


_HOSTS, _DISKS = "hosts", "disks"


class RulesView(View):
    """A line for each rule, those that are broken first. Those about disks come after those about hosts."""

    def compose(self) -> ComposeResult:
        yield OpenTable("rules-table", COLUMNS)
        yield Static(id="rules-note", classes="detail", markup=False)

    def activated(self) -> None:
        self.query_one(Table).focus()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        status, snapshot = self.session.status, self.snapshot
        if snapshot is None:
            return
        about, _colon, name = (event.row_key.value or "").partition(":")
        if about == _DISKS:
            for rule in status.storage.rules if status.storage is not None else ():
                if rule.name == name:
                    entries = _storage_entries(rule, snapshot, self._broken_for_disks())
                    self.app.push_screen(DetailScreen(rule.name, entries))
            return
        found = next((one for one in status.rules if one.name == name), None)
        if found is not None:
            self.app.push_screen(DetailScreen(found.name, _entries(found, snapshot, self._broken())))

    def refresh_content(self) -> None:
        status = self.session.status
        broken, of_disks = self._broken(), self._broken_for_disks()
        rules = sorted(status.rules, key=lambda rule: (rule.name not in broken, not rule.strict, rule.name))
        for_disks = sorted(
            status.storage.rules if status.storage is not None else (),
            key=lambda rule: (rule.name not in of_disks, not rule.strict, rule.name),
        )
        rows = {f"{_HOSTS}:{rule.name}": _row(rule, broken, _HOSTS) for rule in rules}
        rows |= {f"{_DISKS}:{rule.name}": _row(rule, of_disks, _DISKS) for rule in for_disks}
        # The sort is stable: within the broken ones and the others the order stays.
        wrong = {f"{_HOSTS}:{name}" for name in broken} | {f"{_DISKS}:{name}" for name in of_disks}
        self.query_one(Table).fill(dict(sorted(rows.items(), key=lambda row: row[0] not in wrong)))
        count = counted(len(rules) + len(for_disks), "rule")
        notes = [self.not_read] if self.not_read else [f"{count}, {len(wrong)} broken"]
        notes += [f"{item.what}: {item.why}" for item in status.wrong or ()]
        notes += [status.problem] if status.problem else []
        notes += list(status.notices)
        self.query_one("#rules-note", Static).update(paragraphs(notes))

    def _broken(self) -> Mapping[str, str]:
        state = self.session.status.state
        return {} if state is None else {violation.rule: violation.detail for violation in state.violations}

    def _broken_for_disks(self) -> Mapping[str, str]:
        storage = self.session.status.storage
        violations = () if storage is None else storage.state.violations
        return {violation.rule: violation.detail for violation in violations}


def _row(rule: Rule | StorageRule, broken: Mapping[str, str], about: str) -> list[Text]:
    detail = broken.get(rule.name)
    kind = rule.kind.replace("_", "-")
    return [
        plain("holds", "green") if detail is None else plain("broken", "bold dark_orange"),
        plain(rule.name),
        plain(kind if rule.strict else f"{kind}, soft"),
        plain(about),
        number(len(rule.guests), 0),
        plain(detail or ""),
    ]


def _storage_entries(rule: StorageRule, snapshot: Snapshot, broken: Mapping[str, str]) -> list[Entry]:
    members = [guest for guest in snapshot.guests if guest.id in rule.guests]
    return [
        ("kind", f"{rule.kind.replace('_', '-')} of disks"),
        ("strict", "yes" if rule.strict else "no, a preference"),
        ("source", rule.source),
        ("state", f"broken: {broken[rule.name]}" if rule.name in broken else "holds"),
        *(
            (
                "disks of" if not rule.disks else "disk of",
                f"{guest.name} ({guest.id}): {disk.id or 'no id'} on {disk.datastore}",
            )
            for guest in members
            for disk in guest.disks
            if not rule.disks or disk.id in rule.disks
        ),
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
