# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways from the screens to look at to those that decide and act. Not called in read-only mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from ..app import ConsoleApp


def open_plan(app: ConsoleApp, session: Session) -> None:
    """Plan migrations of a cluster."""
    app.notify(f"Planning {session.name} is not available yet.", markup=False)


def open_evacuate(app: ConsoleApp, session: Session, host: str) -> None:
    """Empty a host, by id, or bring it back."""
    app.notify(f"Evacuating {host} of {session.name} is not available yet.", markup=False)


def open_migrate(app: ConsoleApp, session: Session, guest: str) -> None:
    """Migrate one guest, by id, by hand."""
    app.notify(f"Migrating {guest} of {session.name} is not available yet.", markup=False)


def may_close(app: ConsoleApp) -> bool:
    """Whether the console may be closed now. If a run is under way, this asks the user and returns False."""
    return app.is_running
