# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that fits its width, and is filled again without losing the place of the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.coordinate import Coordinate
from textual.widgets import DataTable

_PADDING = 2
_SCROLLBAR = 2


@dataclass(frozen=True)
class Column:
    """A column: its key, its title, and its width in characters. `grows`: it takes the rest of the width.
    `leaves`: where the columns do not fit, that with the highest number is left out first; 0 never is.
    """

    key: str
    title: str
    width: int
    grows: bool = False
    leaves: int = 0


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that there is room for, as wide as that allows."""
    kept = list(columns)

    def taken() -> int:
        return sum(column.width + _PADDING for column in kept) + _SCROLLBAR

    while taken() > width:
        worst = max(kept, key=lambda column: column.leaves)
        if not worst.leaves:
            break
        kept.remove(worst)
    rest = max(0, width - taken())
    growing = sum(column.grows for column in kept)
    return [
        replace(column, width=column.width + rest // growing) if column.grows else column for column in kept
    ]


class Table(DataTable[Text]):
    """Rows have keys, and a cell for each column whether it is shown or not. The cursor stays on its row, or
    goes to the one that took its place.
    """

    def __init__(self, table_id: str, columns: Sequence[Column] = ()) -> None:
        super().__init__(
            id=table_id, cursor_type="row", zebra_stripes=True, cursor_foreground_priority="renderable"
        )
        self._all: Sequence[Column] = columns
        self._shown: list[Column] = []
        self._contents: Mapping[str, Sequence[Text]] = {}

    def keys(self) -> list[str]:
        """The keys of the rows, in their order."""
        return list(self._contents)

    def on_resize(self, _event: events.Resize) -> None:
        self._arrange()

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns; rows for them follow by `fill`."""
        if [one.key for one in columns] != [one.key for one in self._all]:
            self._contents = {}
        self._all = columns
        self._arrange()

    def fill(
        self,
        rows: Mapping[str, Sequence[Text]],
        columns: Sequence[Column] | None = None,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        """Show these rows, by key; with other columns where those are given, or with other `titles`."""
        before, self._contents = self._contents, rows
        if columns is not None:
            self._all = [replace(one, title=(titles or {}).get(one.key, one.title)) for one in columns]
        if not self.size.width:
            return
        if fitted(self._all, self.size.width) != self._shown:
            self._arrange()
        elif list(before) == list(rows) and self.row_count == len(rows):
            self._update(before, rows)
        else:
            self._refill()

    def cursor_key(self) -> str | None:
        """The key of the row that the cursor is on."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value

    def _arrange(self) -> None:
        if not self.size.width:
            return
        columns = fitted(self._all, self.size.width)
        if columns == self._shown:
            return
        at, row, top = self.cursor_key(), self.cursor_row, self.scroll_y
        self.clear(columns=True)
        for column in columns:
            self.add_column(column.title, key=column.key, width=column.width)
        self._shown = columns
        self._add()
        self._go_to(at, row, top)

    def _refill(self) -> None:
        at, row, top = self.cursor_key(), self.cursor_row, self.scroll_y
        self.clear()
        self._add()
        self._go_to(at, row, top)

    def _add(self) -> None:
        places = self._places()
        for key, cells in self._contents.items():
            self.add_row(*(cells[place] for place in places), key=key)

    def _update(self, before: Mapping[str, Sequence[Text]], rows: Mapping[str, Sequence[Text]]) -> None:
        places = self._places()
        for key, cells in rows.items():
            old = before[key]
            for place in places:
                if old[place] != cells[place] or old[place].style != cells[place].style:
                    self.update_cell(key, self._all[place].key, cells[place])

    def _places(self) -> list[int]:
        """Where the cells of the shown columns are in a row."""
        at = {column.key: place for place, column in enumerate(self._all)}
        return [at[column.key] for column in self._shown]

    def _go_to(self, key: str | None, otherwise: int, top: float) -> None:
        if not self.row_count:
            return
        row = self.get_row_index(key) if key is not None and key in self.rows else otherwise
        self.move_cursor(row=min(row, self.row_count - 1), animate=False)
        self.scroll_to(y=top, animate=False)


class OpenTable(Table):
    """A table whose rows can be opened."""

    BINDINGS = [Binding("enter", "select_cursor", "Open")]
