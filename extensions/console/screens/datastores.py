# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The datastores of a cluster side by side, and the disks on each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.blockers import in_words
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import (
    datastore_ids,
    datastores_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import DatastoreState
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    Guest,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import counted, listed
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage_goal import NO_DISK_MOVES

from ..session import Session
from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import UNKNOWN, level_bar, mark, number, paragraphs, plain
from .details import DetailScreen, Entry
from .view import View

_FIXED = 96
_LEAST_BAR = 8
_MOST_BAR = 40
_FIGURE = 8
_MOST_NAMED = 6
_MIB = 1024**2


class DatastoresView(View):
    """A line for each datastore, with a bar for the space in use and the limit in it."""

    def compose(self) -> ComposeResult:
        yield OpenTable("datastores-table")
        yield Static(id="datastores-legend", classes="detail", markup=False)

    def activated(self) -> None:
        super().activated()
        self.query_one(Table).focus()

    @property
    def datastore(self) -> str | None:
        if self.snapshot is None or self.snapshot.platform in NO_DISK_MOVES:
            return None
        return self.query_one(Table).cursor_key()

    def on_resize(self, _event: events.Resize) -> None:
        self.refresh_content()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        snapshot = self.snapshot
        place = None if snapshot is None else _found(snapshot, event.row_key.value)
        if snapshot is not None and place is not None:
            self.app.push_screen(DetailScreen(place.name, entries_of(place, snapshot, self.session)))

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_legend()

    def refresh_content(self) -> None:
        table, snapshot = self.query_one(Table), self.snapshot
        if snapshot is None:
            self._show_legend()
            return
        storage = self.session.status.storage
        states: Mapping[str, DatastoreState] = {} if storage is None else storage.state.datastores
        limits = {} if storage is None else storage.limits
        alone = {} if storage is None else storage.alone
        width = min(_MOST_BAR, max(_LEAST_BAR, self.size.width - _FIXED))
        places = datastores_of(snapshot)
        names = [place.name for place in places]
        rows = {}
        for place in places:
            known = states.get(place.id)
            limit = limits.get(place.id)
            rows[place.id] = [
                plain(place.name if names.count(place.name) == 1 else place.id, "bold"),
                _bar(_percent(place, known), width, limit),
                plain(_sizes(place), right=True),
                number(limit, 0, " %"),
                number(place.latency, 1, " ms", "dark_orange" if self._is_slow(place) else ""),
                number(None if known is None else known.disks, 0),
                plain(state_of(place, alone.get(place.id, "")), "" if _takes(place) else "dark_orange"),
                plain(_kind(place)),
            ]
        columns = [
            Column("name", "Datastore", 12),
            Column("used", "In use, %", width + _FIGURE),
            Column("size", "GiB", 12),
            Column("limit", "Limit", 5, leaves=2),
            Column("latency", "Latency", 8, leaves=1),
            Column("disks", "Disks", 5),
            Column("state", "State", 12, grows=True),
            Column("kind", "Type", 12, leaves=3),
        ]
        table.fill(rows, columns)
        self._show_legend()

    def _is_slow(self, place: Datastore) -> bool:
        storage = self.session.policy.storage
        most = None if storage is None else storage.latency
        return most is not None and place.latency is not None and place.latency > most

    def _show_legend(self) -> None:
        if not self.is_mounted or not self.query("#datastores-legend"):
            return
        legend, snapshot = self.query_one("#datastores-legend", Static), self.snapshot
        status = self.session.status
        if snapshot is None:
            legend.update(paragraphs([self.not_read], "bold red" if status.error else ""))
            return
        lines = [*what_to_set(self.session, snapshot)]
        storage = status.storage
        place = _found(snapshot, self.query_one(Table).cursor_key())
        if place is not None and (place.maintenance or place.closed_because or place.balanced_by):
            # The column cuts it off.
            lines.append(f"{place.name}: {state_of(place)}")
        if storage is not None:
            rules = [item for item in storage.wrong if item.code.startswith("rule_")]
            lines += [f"{item.what}: {item.why}" for item in storage.wrong if item not in rules]
            lines += [f"{counted(len(rules), 'rule')} for disks out of order: see Rules (3)"] if rules else []
            lines += storage.notices
        policy = self.session.policy.storage
        if policy is not None and policy.growth:
            lines.append(
                f"In use counts {policy.growth:g} % of what thin disks may still grow (storage.growth); GiB"
                " does not."
            )
        unknown = () if place is None else _unknown(place)
        if place is not None and unknown and self.session.reads_datastores:
            lines.append(f"{place.name}: not reported: {listed(unknown, _MOST_NAMED)}")
        failed = paragraphs([status.error], "bold red")
        text = paragraphs([*lines, status.problem])
        legend.update(Text("\n").join(one for one in (failed, text) if one.plain))


def what_to_set(session: Session, snapshot: Snapshot) -> Iterator[str]:
    """Why nothing is planned about the datastores, or not all of them is read, and what to do."""
    if snapshot.platform in NO_DISK_MOVES:
        yield "VMmanager does not move disks between datastores, so plans are about its hosts only."
        return
    if session.policy.storage is None:
        yield (
            "No plan moves disks, because the inventory says nothing about datastores. Set balance_storage,"
            " or balance_preset: sdrs."
        )
    if not session.reads_datastores:
        yield "Latency, rules for disks and the names of disks are read only where balance_storage is set."
    elif not snapshot.datastores:
        yield "The cluster reports no datastores."


def state_of(place: Datastore, alone: str = "") -> str:
    """Why no disk may come, or what else is to be known of it."""
    because = f": {place.closed_because}" if place.closed_because else ""
    if place.maintenance:
        return f"maintenance{because}"
    if place.closed_because:
        return f"takes no disks{because}"
    if place.balanced_by:
        return f"balanced by {place.balanced_by}"
    return f"left alone: {alone}" if alone else "in use"


def entries_of(place: Datastore, snapshot: Snapshot, session: Session) -> list[Entry]:
    """All of a datastore, and the disks on it, the largest first."""
    storage = session.status.storage
    alone = "" if storage is None else storage.alone.get(place.id, "")
    hosts = {host.id: host.name for host in snapshot.hosts}
    names = listed([hosts.get(one, one) for one in place.hosts], _MOST_NAMED)
    on_it = disks_on(place.id, snapshot)
    unknown = _unknown(place)
    wrong = () if storage is None else storage.wrong
    return [
        ("id", place.id),
        ("type", _kind(place) or UNKNOWN),
        ("state", state_of(place, alone)),
        *(("out of order", f"{one.what}: {one.why}") for one in wrong if one.subject == place.id),
        ("hosts", f"{names} ({'shared' if place.shared else 'of one host only'})"),
        ("capacity", _amount(place.capacity)),
        ("free", _amount(place.free)),
        *([("provisioned", _amount(place.provisioned))] if place.provisioned is not None else []),
        *([("latency", f"{place.latency:g} ms")] if place.latency is not None else []),
        *([("requests", f"{place.iops:.0f} per second")] if place.iops is not None else []),
        *([("traffic", f"{place.disk_io / _MIB:.1f} MiB/s")] if place.disk_io is not None else []),
        *([("content", ", ".join(place.content))] if place.content is not None else []),
        *([("cluster", place.cluster)] if place.cluster else []),
        *([("tags", ", ".join(place.tags))] if place.tags else []),
        *([("not reported", ", ".join(unknown))] if unknown else []),
        ("", ""),
        ("disks", f"{len(on_it)}, the largest first" if on_it else "none"),
        *(_disk(guest, disk, session) for guest, disk in on_it),
    ]


def disks_on(place: str, snapshot: Snapshot) -> Sequence[tuple[Guest, Disk]]:
    """The disks on a datastore, by id, with their guests, the largest first."""
    ids = datastore_ids(snapshot)
    found = [
        (guest, disk)
        for guest in snapshot.guests
        for disk in guest.disks
        if ids.get((guest.host, disk.datastore)) == place
    ]
    return sorted(found, key=lambda one: -max(one[1].size or 0, one[1].used or 0))


def _disk(guest: Guest, disk: Disk, session: Session) -> Entry:
    storage = session.status.storage
    why = in_words(disk.blockers)
    if storage is not None and session.policy.storage is not None:
        why = storage.staying.get((guest.id, disk.id or ""), "")
    sizes = _amount(disk.size)
    if disk.used is not None and disk.used != disk.size:
        sizes += f", {disk.used / GIB:.1f} used"
    stays = f"; stays: {why}" if why else ""
    return (disk.id or "no id", f"{guest.name} ({guest.id})  {sizes}{stays}")


def _found(snapshot: Snapshot, identity: str | None) -> Datastore | None:
    return next((place for place in datastores_of(snapshot) if place.id == identity), None)


def _percent(place: Datastore, known: DatastoreState | None) -> float | None:
    """With what the policy counts as in use; what the platform reports where that is not known."""
    if known is not None and known.percent is not None:
        return known.percent
    if not place.capacity or place.free is None:
        return None
    return 100 * (place.capacity - place.free) / place.capacity


def _bar(percent: float | None, width: int, limit: float | None) -> Text:
    band = None if limit is None else (0.0, limit)
    text = level_bar(percent, width, band)
    if percent is None:
        return text
    return Text.assemble(text, f" {percent:5.1f}", (mark(percent, band), text.style), no_wrap=True)


def _sizes(place: Datastore) -> str:
    """What is taken now, without what may still grow."""
    shown = UNKNOWN
    if place.capacity is not None and place.free is not None:
        shown = f"{(place.capacity - place.free) / GIB:.0f}"
    return f"{shown} / {UNKNOWN if place.capacity is None else f'{place.capacity / GIB:.0f}'}"


def _amount(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value / GIB:.1f} GiB"


def _kind(place: Datastore) -> str:
    return ", ".join(filter(None, (place.type, place.kind, "" if place.shared else "local")))


def _takes(place: Datastore) -> bool:
    return not place.maintenance and place.closed_because is None


def _unknown(place: Datastore) -> Sequence[str]:
    """What the platform does not report of a datastore and a plan could use."""
    values = {
        "capacity": place.capacity,
        "free space": place.free,
        "latency": place.latency,
        "requests": place.iops,
        "traffic": place.disk_io,
        "whether disks are thin": place.thin,
    }
    return [name for name, value in values.items() if value is None]
