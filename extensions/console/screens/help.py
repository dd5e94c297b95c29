# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a screen shows, and its keys."""

from __future__ import annotations

import inspect

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static


class HelpScreen(ModalScreen[None]):
    """The help of another screen: its attribute HELP and its keys."""

    BINDINGS = [("escape,q,question_mark", "dismiss", "Close")]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(self._text(), markup=False)

    def _text(self) -> str:
        written = inspect.cleandoc(getattr(self._about, "HELP", ""))
        said = "\n\n".join(" ".join(part.split()) for part in written.split("\n\n"))
        keys = []
        for active in self._about.active_bindings.values():
            binding = active.binding
            if binding.description and active.enabled and binding.show:
                keys.append(f"  {self.app.get_key_display(binding):<10} {binding.description}")
        general = "  ^p         commands: open a cluster, change the colours, save a screenshot"
        return "\n".join([said, "", "Keys", *dict.fromkeys(keys), general, "", "Escape closes this."])
