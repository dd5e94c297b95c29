# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a finished plan against the choices of its policy, knowing nothing of its making."""

from __future__ import annotations

from collections.abc import Iterable

from ..._model.plan import Plan
from ..._model.policy.choices import Choices
from ..._model.snapshot import Snapshot


def choice_defects(snapshot: Snapshot, choices: Choices, plan: Plan) -> Iterable[str]:
    """Everything in the plan that goes against a choice, in sentences. The choices name guests and hosts by
    id.

    A plan that leaves a pinned guest elsewhere says so: it is not called balanced.
    """
    stay = {one.guest for one in choices.left_out if one.host is None}
    shut = {(one.guest, one.host) for one in choices.left_out}
    pinned = {one.guest: one.host for one in choices.pinned}
    last: dict[str, str] = {}
    for move in plan.migrations:
        label, guest = f"step {move.step}, {move.guest.id}", move.guest.id
        if guest in stay:
            yield f"{label}: its migration is left out"
        elif (guest, move.target) in shut:
            yield f"{label}: its migration to {move.target} is left out"
        elif guest in pinned and move.source == pinned[guest] and guest not in last:
            yield f"{label}: it leaves {move.source}, where it is pinned"
        last[guest] = move.target
    home = {
        guest.id: guest.host if guest.migrating_to is None else guest.migrating_to
        for guest in snapshot.guests
    }
    hosts = {host.id for host in snapshot.hosts}
    for guest, host in pinned.items():
        place = last.get(guest, home.get(guest))
        if place != host and place is not None and host in hosts and plan.status == "balanced":
            yield f"{guest} is pinned to {host}, and ends on {place} in a plan called balanced"
