# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all screens of the console have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from ..session import Session

if TYPE_CHECKING:
    from ..app import ConsoleApp

MIN_WIDTH = 80
MIN_HEIGHT = 24


class SessionChanged(Message):
    """The status of a session has changed. Posted to the app, from any thread."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class ConsoleScreen(Screen[None]):
    """A screen with a title line, its content, and the keys. Subclasses yield their content in
    `compose_content`, and override `session_changed`.
    """

    AUTO_FOCUS = "*"

    @property
    def console(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="too-small", markup=False)
        yield from self.compose_content()
        yield Footer()

    def compose_content(self) -> ComposeResult:
        yield from ()

    def session_changed(self, session: Session) -> None:
        """The status of a session, not always the one that is shown, has changed."""

    def tick(self) -> None:
        """Called every second, for ages and times left."""

    @property
    def is_drawn(self) -> bool:
        """Whether its widgets are there: they come later than the screen, and go earlier."""
        return self.is_mounted and bool(self.query("#title"))

    def set_title(self, text: str) -> None:
        for title in self.query("#title").results(Static):
            title.update(text)

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width, event.size.height)

    def _fit(self, width: int, height: int) -> None:
        small = width < MIN_WIDTH or height < MIN_HEIGHT
        self.set_class(small, "too-small")
        if small:
            self.query_one("#too-small", Static).update(
                f"This terminal has {width} × {height} characters. "
                f"The console needs at least {MIN_WIDTH} × {MIN_HEIGHT}. Enlarge it, or press q to quit."
            )
