# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What still fits into a cluster, and which of its hosts may fail."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from .view import View


class HeadroomView(View):
    """The headroom of a cluster."""

    def compose(self) -> ComposeResult:
        yield Static("The headroom is not available yet.", id="headroom", markup=False)

    def refresh_content(self) -> None:
        """Nothing changes yet."""
