# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows over a screen that ask something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.presets import PRESETS

from ..desk import GOALS, Wish, read_options, read_overrides
from ..widgets.text import paragraphs, plain

INVENTORY = "as in the inventory"


@dataclass(frozen=True)
class Answer:
    """A button: its key, what it says, and whether it is the safe one."""

    key: str
    label: str
    safe: bool = False


class QuestionScreen(ModalScreen[str]):
    """A question in lines, and a button for each answer. Escape gives the safe answer."""

    BINDINGS = [
        Binding("escape", "escape", "Back", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, lines: Iterable[str], answers: Sequence[Answer]) -> None:
        super().__init__()
        self._heading = title
        self._lines = list(lines)
        self._answers = answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(plain(self._heading, "bold"), classes="dialog-title")
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield Static(paragraphs(self._lines))
            with Horizontal(classes="dialog-buttons"):
                for answer in self._answers:
                    yield Button(
                        answer.label,
                        id=f"answer-{answer.key}",
                        variant="default" if answer.safe else "primary",
                        compact=True,
                    )

    def on_mount(self) -> None:
        # Enter pressed once too often starts nothing.
        safe = next((one for one in self._answers if one.safe), self._answers[-1])
        self.query_one(f"#answer-{safe.key}").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def action_escape(self) -> None:
        safe = next((one for one in self._answers if one.safe), self._answers[-1])
        self.dismiss(safe.key)


class _Form(ModalScreen[Wish | None]):
    """Fields, of which a wish is made. What is wrong with them is said below, and the form stays."""

    BINDINGS = [
        Binding("escape", "dismiss(None)", "Back", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self, wish: Wish, accept: Callable[[Wish], None]) -> None:
        super().__init__()
        self.wish = wish
        self._accept = accept

    def wished(self) -> Wish:
        raise NotImplementedError

    def buttons(self) -> ComposeResult:
        yield Static(id="form-complaint", classes="complaint", markup=False)
        with Horizontal(classes="dialog-buttons"):
            yield Button("Plan", id="form-ok", variant="primary", compact=True)
            yield Button("Back", id="form-back", compact=True)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._finish()

    @on(Button.Pressed, "#form-ok")
    def _pressed(self) -> None:
        self._finish()

    @on(Button.Pressed, "#form-back")
    def _left(self) -> None:
        self.dismiss(None)

    def _finish(self) -> None:
        try:
            wish = self.wished()
            self._accept(wish)
        except EvenKeelError as error:
            self.query_one("#form-complaint", Static).update(plain(str(error)))
            return
        self.dismiss(wish)


class GoalForm(_Form):
    """Goal, preset and options of the plan."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Plan for", classes="dialog-title")
            yield Label("Goal")
            goals = [(INVENTORY, ""), *((goal, goal) for goal in GOALS)]
            yield Select(goals, value=self.wish.goal or "", allow_blank=False, id="form-goal", compact=True)
            yield Label("Preset")
            presets = [(INVENTORY, ""), *((preset, preset) for preset in PRESETS)]
            yield Select(
                presets, value=self.wish.preset or "", allow_blank=False, id="form-preset", compact=True
            )
            yield Label("Options of balance_plan, such as max_spread: 10, max_migrations: 20")
            shown = ", ".join(f"{name}: {_flow(value)}" for name, value in self.wish.options.items())
            yield Input(shown, id="form-options", compact=True)
            yield from self.buttons()

    def wished(self) -> Wish:
        return replace(
            self.wish,
            goal=str(self.query_one("#form-goal", Select).value or "") or None,
            preset=str(self.query_one("#form-preset", Select).value or "") or None,
            options=read_options(self.query_one("#form-options", Input).value),
        )


class WhatIfForm(_Form):
    """Changes of the cluster that there are not."""

    FIELDS = (
        ("away", "Hosts away, such as pve3, pve4"),
        ("back", "Hosts in maintenance that return"),
        ("added", "Hosts added, such as pve9 like pve1"),
        ("grown", "Guests grown, such as db1 x 2, web3 x 1.5"),
        ("stores-away", "Datastores away, such as nfs3"),
        ("stores-back", "Datastores in maintenance that return"),
        ("stores-added", "Datastores added, such as nfs9 like nfs1"),
        ("stores-fuller", "Datastores fuller, such as nfs1 + 500G, nfs2 + 10 %"),
    )

    def compose(self) -> ComposeResult:
        shown = _shown(self.wish.overrides)
        with Vertical(classes="dialog"):
            yield Static("What if. The plan is hypothetical, and can't be applied.", classes="dialog-title")
            with VerticalScroll(classes="dialog-fields", can_focus=False):
                for name, label in self.FIELDS:
                    yield Label(label)
                    yield Input(shown.get(name, ""), id=f"form-{name}", compact=True)
            yield Static("All empty: the cluster as it is.", classes="dialog-note")
            yield from self.buttons()

    def wished(self) -> Wish:
        texts = [self.query_one(f"#form-{name}", Input).value for name, _label in self.FIELDS]
        return replace(self.wish, overrides=read_overrides(*texts))


def _shown(overrides: Overrides | None) -> dict[str, str]:
    if overrides is None:
        return {}
    return {
        "away": ", ".join(overrides.hosts_removed),
        "back": ", ".join(overrides.hosts_returned),
        "added": ", ".join(f"{host.name} like {host.like}" for host in overrides.hosts_added),
        "grown": ", ".join(f"{guest.guest} x {guest.factor:g}" for guest in overrides.guests_grown),
        "stores-away": ", ".join(overrides.datastores_removed),
        "stores-back": ", ".join(overrides.datastores_returned),
        "stores-added": ", ".join(f"{place.name} like {place.like}" for place in overrides.datastores_added),
        "stores-fuller": ", ".join(
            f"{place.datastore} + {place.filled_by}"
            if place.filled_by is not None
            else f"{place.datastore} + {place.filled_by_percent:g} %"
            for place in overrides.datastores_changed
        ),
    }


def _flow(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
