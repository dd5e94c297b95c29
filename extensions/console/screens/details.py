# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A window over a screen with all that is known of one thing."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from ..widgets.text import plain

Entry = tuple[str, str]
_WIDTH = 18


class DetailScreen(ModalScreen[None]):
    """Names and values, in the order in which they are given."""

    BINDINGS = [("escape,q", "dismiss", "Close")]

    def __init__(self, title: str, entries: Iterable[Entry]) -> None:
        super().__init__()
        self._heading = title
        self._entries = list(entries)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="details"):
            yield Static(self._text(), id="details-text")
        yield Footer()

    def show(self, entries: Iterable[Entry]) -> None:
        """Replace the entries."""
        self._entries = list(entries)
        if self.is_mounted:
            self.query_one("#details-text", Static).update(self._text())

    def _text(self) -> Text:
        lines = [plain(self._heading, "bold"), Text("")]
        for name, value in self._entries:
            line = plain(f"{name:<{_WIDTH}}", "dim")
            line.append_text(plain(value))
            line.no_wrap = False
            lines.append(line)
        return Text("\n").join(lines)
