# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode of a node: the API shows it, and has no call to switch it. Private to the collection."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Refused
from .ha import NodeStates
from .session import Session

# The HA manager takes commands up in rounds of about ten seconds.
INTERVAL = 2.0
MAINTENANCE = "maintenance"


def in_maintenance(session: Session, node: str) -> bool:
    """As the HA manager has it; a request that it has not taken up does not count."""
    return NodeStates.read(session).states.get(node) == MAINTENANCE


def await_maintenance(
    session: Session,
    node: str,
    *,
    on: bool,
    timeout: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> None:
    """Wait until the HA manager shows what was asked for on a node."""
    deadline = monotonic() + timeout
    while in_maintenance(session, node) != on:
        if monotonic() >= deadline:
            verb = "enable" if on else "disable"
            raise Refused(
                f"the HA manager does not show it {'in' if on else 'out of'} maintenance after {timeout:g} s",
                where=f"node {node}",
                hint="The API has no call for it: on a node, with the HA manager in use, run"
                f" `ha-manager crm-command node-maintenance {verb} {node}`",
            )
        sleep(min(INTERVAL, max(0.0, deadline - monotonic())))
