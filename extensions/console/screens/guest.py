# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of a guest: its loads, rules, what keeps it where it is, and why it was moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual.binding import Binding

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.blockers import in_words
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Rule, StorageRule
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import listed

from ..session import Session
from ..widgets.text import UNKNOWN
from .details import DetailScreen, Entry
from .past import disk_move_entries, migration_entries

if TYPE_CHECKING:
    from ..app import ConsoleApp
    from .cluster import ClusterScreen

_MOST_NAMED = 8
_MOST_PAST = 20


class GuestScreen(DetailScreen):
    """A guest, by id."""

    BINDINGS = [Binding("h", "history", "All its history")]

    def __init__(self, session: Session, guest: str) -> None:
        self._session = session
        self._guest = guest
        self._past: Sequence[Entry] = (("history", "reading …"),)
        found = self._found()
        super().__init__(found.name if found is not None else guest, self._all())

    def on_mount(self) -> None:
        cast("ConsoleApp", self.app).background.run(self._read_history, "history")

    def action_history(self) -> None:
        below = self.app.screen_stack[-2]
        self.dismiss()
        if hasattr(below, "show_history_of"):
            cast("ClusterScreen", below).show_history_of(self._guest)

    def _read_history(self) -> None:
        try:
            found = self._session.history(days=400, guest=self._guest)
            past = [entry for one in found["migrations"][:_MOST_PAST] for entry in migration_entries(one)]
            past += [entry for one in found["disk_moves"][:_MOST_PAST] for entry in disk_move_entries(one)]
            self._past = past or [("history", "no migration of it is recorded")]
        except EvenKeelError as error:
            self._past = [("history", f"not available: {error}")]
        self.app.call_later(self._update)

    def _update(self) -> None:
        self.show(self._all())

    def _found(self) -> Guest | None:
        snapshot = self._session.status.snapshot
        return (
            None
            if snapshot is None
            else next((one for one in snapshot.guests if one.id == self._guest), None)
        )

    def _all(self) -> list[Entry]:
        guest = self._found()
        known = [("guest", "no longer in the cluster")] if guest is None else self._facts(guest)
        return [*known, ("", ""), *self._past]

    def _facts(self, guest: Guest) -> list[Entry]:
        status = self._session.status
        hosts = {host.id: host.name for host in status.snapshot.hosts} if status.snapshot else {}
        violations = () if status.state is None else status.state.violations
        broken = {violation.rule: violation.detail for violation in violations}
        coming = guest.migrating_to
        targets = [hosts.get(one, one) for one in guest.targets or ()]
        blockers = in_words(guest.blockers) or "not migratable"
        return [
            ("id", f"{guest.id} ({guest.kind})"),
            ("host", hosts.get(guest.host, guest.host)),
            *([("migrating to", hosts.get(coming, coming))] if coming else []),
            ("state", guest.run_state or guest.power),
            ("cpu", _amounts(guest.used.get("cpu"), guest.assigned.get("cpu"), 1, "cores")),
            ("memory", _amounts(guest.used.get("memory"), guest.assigned.get("memory"), GIB, "GiB")),
            ("disks", _disks(guest)),
            *self._staying(guest),
            ("tags", ", ".join(guest.tags) or UNKNOWN),
            ("pool", guest.pool or UNKNOWN),
            ("may move", "yes" if guest.migratable else f"no: {blockers}"),
            *([("only to", listed(targets, _MOST_NAMED) or "no host")] if guest.targets is not None else []),
            *(("rule", _rule(rule, broken)) for rule in status.rules if guest.id in rule.guests),
            *self._rules_for_disks(guest),
            ("last migrated", guest.last_migrated_at or UNKNOWN),
        ]

    def _staying(self, guest: Guest) -> list[Entry]:
        """The disks that can't be moved, where plans move disks."""
        storage = self._session.status.storage
        if storage is None or self._session.policy.storage is None:
            return []
        return [
            ("disk stays", f"{disk.id or 'one without an id'}: {why}")
            for disk in guest.disks
            if (why := storage.staying.get((guest.id, disk.id or "")))
        ]

    def _rules_for_disks(self, guest: Guest) -> list[Entry]:
        storage = self._session.status.storage
        if storage is None:
            return []
        broken = {violation.rule: violation.detail for violation in storage.state.violations}
        return [("rule for disks", _rule(rule, broken)) for rule in storage.rules if guest.id in rule.guests]


def _rule(rule: Rule | StorageRule, broken: Mapping[str, str]) -> str:
    kind = rule.kind.replace("_", "-")
    soft = "" if rule.strict else ", soft"
    held = f"broken: {broken[rule.name]}" if rule.name in broken else "holds"
    return f"{rule.name} ({kind}{soft}), {held}"


def _amounts(used: float | None, assigned: float | None, unit: float, name: str) -> str:
    shown = [
        f"{value / unit:.2f} {name} {word}"
        for value, word in ((used, "used"), (assigned, "assigned"))
        if value is not None
    ]
    return ", ".join(shown) or UNKNOWN


def _disks(guest: Guest) -> str:
    sizes: dict[str, Any] = {}
    for disk in guest.disks:
        sizes[disk.datastore] = sizes.get(disk.datastore, 0) + (disk.size or 0)
    return ", ".join(f"{size / GIB:.0f} GiB on {name}" for name, size in sizes.items()) or UNKNOWN
