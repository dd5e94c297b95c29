# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that another run has overtaken."""

from __future__ import annotations

from collections.abc import Mapping

from ..._model.plan import Plan
from ..._model.snapshot import Snapshot
from ..._state.history import GuestMove


def stale_reason(plan: Plan, shifts: Mapping[str, GuestMove], snapshot: Snapshot) -> str | None:
    """Why a plan is out of date, or None: since its cluster was read, other runs have moved guests elsewhere
    than the plan itself would. What an earlier part of the same plan did, and a run of the same plan, is as
    planned; and a plan without migrations harms nobody.
    """
    ends: dict[str, set[str]] = {}
    for migration in plan.migrations:
        ends.setdefault(migration.guest.id, set()).add(migration.target)
    others = [guest for guest, shift in shifts.items() if shift.end not in ends.get(guest, ())]
    if not others or not plan.migrations:
        return None
    guests = {guest.id: guest.name for guest in snapshot.guests}
    hosts = {host.id: host.name for host in snapshot.hosts}
    first = shifts[others[0]]
    more = f", and {len(others) - 1} more" if len(others) > 1 else ""
    return (
        f"the plan is stale: after the cluster was read for it, another run moved"
        f" {guests.get(others[0], others[0])} from {hosts.get(first.origin, first.origin)}"
        f" to {hosts.get(first.end, first.end)}{more}. Read the cluster and plan again"
    )
