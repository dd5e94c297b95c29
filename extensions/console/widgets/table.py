# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that is filled again without losing the place of the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable


@dataclass(frozen=True)
class Column:
    """A column: its key, its title, and its width in characters."""

    key: str
    title: str
    width: int


class Table(DataTable[Text]):
    """Rows have keys. The cursor stays on its row, or goes to the one that took its place."""

    def __init__(self, table_id: str) -> None:
        super().__init__(id=table_id, cursor_type="row", zebra_stripes=True)
        self._shown: Sequence[Column] = ()

    def set_columns(self, columns: Sequence[Column], titles: Mapping[str, str] | None = None) -> None:
        """Columns with fixed widths, so that no cell need be measured; `titles` replace those of columns."""
        named = [Column(one.key, (titles or {}).get(one.key, one.title), one.width) for one in columns]
        if named == self._shown:
            return
        kept = {key.value: [self.get_cell_at(Coordinate(row, at)) for at in range(len(self._shown))]
                for row, key in enumerate(self.rows)} if [one.key for one in named] == [
                    one.key for one in self._shown] else {}  # fmt: skip
        at = self.cursor_key()
        self.clear(columns=True)
        for column in named:
            self.add_column(column.title, key=column.key, width=column.width)
        self._shown = named
        for key, cells in kept.items():
            self.add_row(*cells, key=key)
        self._go_to(at, 0)

    def fill(self, rows: Mapping[str, Sequence[Text]]) -> None:
        """Show these rows, by key."""
        if [key.value for key in self.rows] == list(rows):
            self._update(rows)
            return
        at, before = self.cursor_key(), self.cursor_row
        top = self.scroll_y
        self.clear()
        for key, cells in rows.items():
            self.add_row(*cells, key=key)
        self._go_to(at, before)
        self.scroll_to(y=top, animate=False)

    def cursor_key(self) -> str | None:
        """The key of the row that the cursor is on."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value

    def _update(self, rows: Mapping[str, Sequence[Text]]) -> None:
        for key, cells in rows.items():
            for column, cell in zip(self._shown, cells):
                known = self.get_cell(key, column.key)
                if known != cell or known.style != cell.style:
                    self.update_cell(key, column.key, cell)

    def _go_to(self, key: str | None, otherwise: int) -> None:
        if not self.row_count:
            return
        row = otherwise
        if key is not None and key in self.rows:
            row = self.get_row_index(key)
        self.move_cursor(row=min(row, self.row_count - 1), animate=False)
