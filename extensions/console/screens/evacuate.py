# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is emptied and taken out of service, or brought back, by the playbook evacuate; a datastore is
emptied by the playbook balance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import RichLog, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError

from ..playbook import PlaybookRun
from ..session import Session
from ..widgets.base import ConsoleScreen
from ..widgets.text import paragraphs, plain
from .dialogs import Answer, QuestionScreen

State = Literal["present", "absent"]


@dataclass(frozen=True)
class Evacuation:
    """What is emptied, or brought back: by which playbook with which variables, and in which words."""

    playbook: str
    variables: Mapping[str, Any]
    name: str
    verb: str
    question: str
    lines: Sequence[str]


def of_host(host: str, state: State) -> Evacuation:
    """Of a host, by id or name."""
    empties = state == "present"
    return Evacuation(
        playbook="evacuate",
        variables={"evacuate_hosts": [host], "evacuate_state": state},
        name=host,
        verb="evacuate" if empties else "bring back",
        question="Empty" if empties else "Bring back",
        lines=[
            "The check above shows the migrations, and how maintenance mode is switched."
            if empties
            else "The check above shows how maintenance mode is switched off, and the migrations after it.",
            "Guests that are moved stay where they are when the run is stopped.",
        ],
    )


def of_datastore(identity: str, name: str) -> Evacuation:
    """Of a datastore, by id. What the inventory says of datastores still holds, and no guest is migrated."""
    return Evacuation(
        playbook="balance",
        variables={"balance_goal": "storage", "balance_evacuate_datastores": [identity]},
        name=name,
        verb="evacuate",
        question="Empty datastore",
        lines=[
            "The check above shows the moves of disks, also those between other datastores that make room.",
            "Disks that are moved stay where they are when the run is stopped. The datastore is not put into"
            " maintenance mode: new disks may come to it.",
        ],
    )


class PlaybookChanged(Message):
    """The playbook has printed something, or has ended."""


class EvacuateScreen(ConsoleScreen):
    """What the playbook prints: first of a check, then, when that is confirmed, of the run."""

    HELP = """
    Emptying a host and switching its maintenance mode on, or bringing it back and balancing the cluster; or
    emptying a datastore. The playbook evenkeel.cluster.evacuate does it, and evenkeel.cluster.balance for a
    datastore, with the same inventory, so that nothing differs from a run by ansible-playbook.

    First it is checked: the lines show the plan, and what would keep the host or datastore from being
    emptied. Nothing has changed then. a starts the run.

    Space pauses the run: no migration and no move of a disk is started; pressed again it continues. s starts
    no more of them; pressed again it ends the playbook. What has been moved stays, and the same run later
    goes on from there.
    """
    BINDINGS = [
        Binding("escape", "back", "Back"),
        Binding("a", "apply", "Run it"),
        Binding("c", "check", "Check again"),
        Binding("space", "pause", "Pause/continue"),
        Binding("s", "stop", "Stop"),
    ]

    def __init__(self, session: Session, evacuation: Evacuation) -> None:
        super().__init__()
        self.session = session
        self._evacuation = evacuation
        self.playbook: PlaybookRun | None = None
        self._shown = 0
        self._keys: tuple[bool, int | None] | None = None

    def compose_content(self) -> ComposeResult:
        yield Static(id="evacuate-summary", classes="summary", markup=False)
        yield RichLog(id="evacuate-log", markup=False, highlight=False, wrap=True)

    def on_mount(self) -> None:
        running = self.console.playbooks.get(self.session.name)
        if running is not None and not running.ended:
            # Left and come back to.
            self.playbook = running
            self._evacuation = self.console.evacuations[self.session.name]
            running.changed = self.tell
            self.show()
        else:
            self._begin(check=True)

    def tell(self) -> None:
        """From the threads of the playbook."""
        with suppress(RuntimeError):
            self.post_message(PlaybookChanged())

    def on_playbook_changed(self) -> None:
        self.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        playbook = self.playbook
        running = playbook is not None and not playbook.ended
        if action in ("pause", "stop"):
            return running and playbook is not None and not playbook.check
        if action == "apply":
            if running or playbook is None or not playbook.check:
                return False
            return True if playbook.code == 0 else None
        if action == "check":
            return not running
        return True

    def action_back(self) -> None:
        playbook = self.playbook
        if playbook is not None and playbook.check and not playbook.ended:
            playbook.stop()
            playbook.stop()
        self.app.pop_screen()

    def action_check(self) -> None:
        self._begin(check=True)

    def action_apply(self) -> None:
        def answered(answer: str | None) -> None:
            if answer == "run":
                self._begin(check=False)

        self.app.push_screen(
            QuestionScreen(
                f"{self._evacuation.question} {self._evacuation.name} of {self.session.name}?",
                self._evacuation.lines,
                [Answer("run", "Run"), Answer("back", "Back", safe=True)],
            ),
            answered,
        )

    def action_pause(self) -> None:
        if self.playbook is not None:
            if self.playbook.paused:
                self.playbook.resume()
            else:
                self.playbook.pause()
            self.show()

    def action_stop(self) -> None:
        if self.playbook is not None:
            self.playbook.stop()
            self.show()

    def _begin(self, *, check: bool) -> None:
        start = self.console.start
        if start is None:
            self.app.notify("The console was started without an inventory.", severity="error", markup=False)
            return
        wanted = self._evacuation
        playbook = PlaybookRun(start, wanted.playbook, self.session.name, wanted.variables, check=check)
        playbook.changed = self.tell
        self.query_one(RichLog).clear()
        self._shown = 0
        try:
            playbook.begin()
        except EvenKeelError as error:
            self.app.notify(str(error), severity="error", markup=False)
            return
        self.playbook = playbook
        if not check:
            self.console.playbooks[self.session.name] = playbook
            self.console.evacuations[self.session.name] = wanted
            self.console.background.run(lambda: _wait(self.session, playbook), "evacuating")
        self.show()

    def show(self) -> None:
        """Add what was printed since."""
        if not self.is_mounted or not self.query("#evacuate-log"):
            return
        playbook = self.playbook
        title = f"{self._evacuation.verb} {self._evacuation.name}"
        self.set_title(f"{self.session.name}  {title}  {self._word()}")
        self.query_one("#evacuate-summary", Static).update(paragraphs([self._summary()]))
        if playbook is not None:
            log = self.query_one(RichLog)
            lines = list(playbook.lines)
            for line in lines[min(self._shown, len(lines)) :]:
                log.write(plain(line))
            self._shown = len(lines)
        keys = None if playbook is None else (playbook.check, playbook.code)
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()

    def _word(self) -> str:
        playbook = self.playbook
        if playbook is None:
            return ""
        what = "check" if playbook.check else "run"
        if playbook.ended:
            return f"{what} {'done' if playbook.code == 0 else 'failed'}"
        if playbook.stop_asked:
            return "stopping …"
        return "paused" if playbook.paused else f"{what} …"

    def _summary(self) -> str:
        playbook = self.playbook
        if playbook is None:
            return ""
        if not playbook.ended:
            return (
                "Checking: nothing is changed."
                if playbook.check
                else "The run is under way. Space pauses it, s stops it."
            )
        if playbook.check and playbook.code == 0:
            return "The check has found no obstacle. Press a to run it."
        if playbook.check:
            return "The check has failed; the lines below say why. Nothing was changed."
        return "Done." if playbook.code == 0 else "The run has failed; the lines below say why."


def _wait(session: Session, playbook: PlaybookRun) -> None:
    """The cluster is not read while it is changed, and is read afterwards."""
    with session.acting("evacuating"):
        playbook.wait()
