# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tab of a cluster shows."""

from __future__ import annotations

from textual.containers import Vertical

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

from ..session import Session


class View(Vertical):
    """Shows a part of a cluster. Subclasses draw in `refresh_content`, which is called again whenever the
    session has changed; what is not on the screen may wait for `activated`.
    """

    filters = False
    sorts = False

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    @property
    def snapshot(self) -> Snapshot | None:
        return self.session.status.snapshot

    @property
    def not_read(self) -> str:
        """Why there is nothing to show yet; empty when there is."""
        status = self.session.status
        if status.snapshot is not None:
            return ""
        return status.error or "The cluster is being read …"

    @property
    def host(self) -> str | None:
        """The id of the host that the cursor is on."""
        return None

    @property
    def datastore(self) -> str | None:
        """The id of the datastore that the cursor is on."""
        return None

    @property
    def guest(self) -> str | None:
        """The id of the guest that the cursor is on."""
        return None

    @property
    def past_run(self) -> str | None:
        """The id of the run of the past that the cursor is on."""
        return None

    def on_mount(self) -> None:
        self.refresh_content()

    def activated(self) -> None:
        """The tab has come to the front. What was not drawn before is, as soon as it has its size."""
        self.call_after_refresh(self.refresh_content)

    def refresh_content(self) -> None:
        raise NotImplementedError

    def focus_filter(self) -> None:
        """Go to the filter."""

    def sort_by_next(self) -> None:
        """Sort by the next column."""

    def reverse(self) -> None:
        """Sort the other way round."""

    def leave(self) -> bool:
        """Called before the screen is left: whether there was something else to leave, such as a filter."""
        return False
