# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What still fits into a cluster, and which of its hosts may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.reports.plan import GIB
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.headroom import (
    Headroom,
    HostFailure,
    SizeClass,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.wording import listed

from ..widgets.table import Column, OpenTable, Table
from ..widgets.text import UNKNOWN, number, paragraphs, plain
from .details import DetailScreen, Entry
from .view import View

if TYPE_CHECKING:
    from ..app import ConsoleApp

FAILURES = (
    Column("host", "If it fails", 16),
    Column("guests", "Guests", 6),
    Column("verdict", "Others have room", 16),
    Column("lost", "Guests without a place", 20, grows=True),
)
SIZES = (
    Column("size", "Size", 18, grows=True),
    Column("guests", "There are", 9),
    Column("fit", "More fit", 8),
    Column("spare", "… keeping N-1", 13),
    Column("used", "More fit as used", 16, leaves=1),
)
_VERDICTS = {"enough": "yes", "not_enough": "no", "undecided": "not decided"}
_COLOURS = {"enough": "green", "not_enough": "bold dark_orange", "undecided": ""}
_MOST_NAMED = 4


class HeadroomView(View):
    """The headroom of a cluster. It takes seconds for thousands of guests, so it is worked out only when
    somebody looks.
    """

    def compose(self) -> ComposeResult:
        yield Static(id="headroom-says", classes="detail", markup=False)
        yield OpenTable("failures-table", FAILURES)
        yield Table("sizes-table", SIZES)

    def on_mount(self) -> None:
        self._found: Headroom | None = None
        self._error = ""
        self._asked_for: object = None
        super().on_mount()

    @property
    def host(self) -> str | None:
        table = self.query_one("#failures-table", Table)
        return table.cursor_key() if table.has_focus else None

    def activated(self) -> None:
        super().activated()
        self.query_one("#failures-table", Table).focus()

    def refresh_content(self) -> None:
        read_at = self.session.status.read_at
        if self.region.area and read_at is not None and self._asked_for != read_at:
            self._asked_for = read_at
            cast("ConsoleApp", self.app).background.run(self._work_out, "headroom")
        self._show()

    @on(DataTable.RowSelected, "#failures-table")
    def _open(self, event: DataTable.RowSelected) -> None:
        failures = () if self._found is None else self._found.failures
        one = next((failure for failure in failures if failure.host == event.row_key.value), None)
        if one is not None:
            self.app.push_screen(DetailScreen(f"If {one.name} fails", _entries(one)))

    def _work_out(self) -> None:
        try:
            self._found, self._error = self.session.headroom(), ""
        except EvenKeelError as error:
            self._error = str(error)
        self.app.call_later(self._show)

    def _show(self) -> None:
        if not self.is_mounted:
            return
        says = self.query_one("#headroom-says", Static)
        if self._error:
            says.update(paragraphs([f"The headroom is not available: {self._error}"]))
        elif self._found is None:
            says.update(paragraphs([self.not_read or "The headroom is being worked out …"]))
        else:
            largest = "; ".join(
                f"{one.memory / GIB:.0f} GiB with {_cores(one.cpu)}, on {one.name}"
                for one in self._found.largest
                if one.memory is not None
            )
            largest = f"largest guest that fits: {largest}" if largest else "no further guest fits"
            first, others = self._found.says[:1], self._found.says[1:]
            says.update(paragraphs([*first, largest, *others, *self._found.notes]))
            failures = {one.host: _failure(one) for one in self._found.failures}
            self.query_one("#failures-table", Table).fill(failures)
            sizes = {f"{one.cpu}:{one.memory}": _size(one) for one in self._found.sizes}
            self.query_one("#sizes-table", Table).fill(sizes)


def _failure(one: HostFailure) -> list[Text]:
    names = listed((guest.name for guest in (*one.lost, *one.tied)), _MOST_NAMED)
    return [
        plain(one.name, "bold"),
        number(one.guests, 0),
        plain(_VERDICTS[one.verdict], _COLOURS[one.verdict]),
        plain(names),
    ]


def _size(one: SizeClass) -> list[Text]:
    return [
        plain(f"{_cores(one.cpu)}, {one.memory / GIB:g} GiB"),
        number(one.guests, 0),
        number(one.fit, 0),
        number(one.fit_with_spare, 0),
        number(one.fit_as_used, 0),
    ]


def _cores(count: float) -> str:
    return f"{count:g} core{'' if count == 1 else 's'}"


def _entries(one: HostFailure) -> list[Entry]:
    return [
        ("guests", f"{one.guests} running guests would be restarted"),
        ("others", {"enough": "have room for them", "not_enough": "have no room for all of them"}.get(
            one.verdict, "may have room: not decided")),
        *((guest.name[:15], guest.why) for guest in one.lost),
        *((guest.name[:15], f"can be started on no other host: {guest.why}") for guest in one.tied),
        *(("look at", text) for text in one.look_at or (UNKNOWN,)),
    ]  # fmt: skip
