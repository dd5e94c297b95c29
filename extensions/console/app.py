# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application: reads the clusters in turn and tells the screens what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from .arguments import Start
from .background import Background
from .playbook import PlaybookRun
from .runs import Runs
from .screens import deciding
from .screens.clusters import ClustersScreen
from .screens.evacuate import Evacuation
from .screens.help import HelpScreen
from .session import Session
from .widgets.base import ConsoleScreen, SessionChanged


class ConsoleApp(App[None]):
    """The console. `start` is how it was started, for the playbooks that it runs."""

    TITLE = "Even Keel"
    CSS_PATH = ["console.tcss", "deciding.tcss"]
    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("r", "read_again", "Read again"),
    ]

    def __init__(
        self, sessions: Sequence[Session], start: Start | None = None, *, read_only: bool = False
    ) -> None:
        super().__init__()
        self.sessions = sessions
        self.start = start
        self.read_only = read_only
        self.background = Background()
        self.runs = Runs()
        # The newest run of a playbook that empties something, by cluster, and what it empties.
        self.playbooks: dict[str, PlaybookRun] = {}
        self.evacuations: dict[str, Evacuation] = {}
        self._told: set[str] = set()

    def on_mount(self) -> None:
        self.push_screen(ClustersScreen())
        self._read_what_is_due()
        self.set_interval(1.0, self._tick)

    def post_from_thread(self, message: Message) -> None:
        """Post a message from another thread; one that comes after the end is dropped."""
        with suppress(RuntimeError):
            self.post_message(message)

    def read_again(self, session: Session) -> None:
        """Read a cluster as soon as possible."""
        session.ask_again()
        self._read_what_is_due()

    def on_session_changed(self, message: SessionChanged) -> None:
        self._tell_of_interrupted(message.session)
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_drawn:
                screen.session_changed(message.session)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for session in self.sessions:
            yield SystemCommand(
                f"Open cluster {session.name}", "Show its hosts and guests", partial(self.open, session)
            )

    def open(self, session: Session) -> None:
        """Show a cluster, in the place of one that is shown."""
        from .screens.cluster import ClusterScreen

        while len(self.screen_stack) > 2:
            self.pop_screen()
        self.push_screen(ClusterScreen(session))

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_read_again(self) -> None:
        session = getattr(self.screen, "session", None)
        for one in self.sessions if session is None else (session,):
            self.read_again(one)

    async def action_quit(self) -> None:
        if deciding.may_close(self):
            self.exit()

    def _tell_of_interrupted(self, session: Session) -> None:
        if (
            not session.is_usable
            or session.interrupted is None
            or self.read_only
            or session.read_only
            or session.name in self._told
        ):
            return
        self._told.add(session.name)
        self.notify(
            f"The last run on {session.name} was interrupted. Open the cluster and press p to finish it.",
            severity="warning",
            timeout=20,
            markup=False,
        )

    def _tick(self) -> None:
        self._read_what_is_due()
        screen = self.screen
        if isinstance(screen, ConsoleScreen) and screen.is_drawn:
            screen.tick()

    def _read_what_is_due(self) -> None:
        for session in self.sessions:
            if session.is_due() and session.begin():
                if not self.background.try_reading(partial(self._read, session), session.name):
                    session.give_up()
                    return
                self.post_message(SessionChanged(session))

    def _read(self, session: Session) -> None:
        try:
            session.read()
        finally:
            self.post_from_thread(SessionChanged(session))
