# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests that may stay on a host which is to be emptied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..._model.policy.policy import Policy
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Snapshot
from .selectors import select_guests


@dataclass(frozen=True, slots=True)
class Stayers:
    """Guests, by id, that need not leave a host which is to be emptied: those that may stay, and those that
    are shut down before its maintenance.
    """

    may_stay: frozenset[str]
    shut_down: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return self.may_stay | self.shut_down


def stayers(guests: Iterable[Guest], may_stay: Selector, shut_down: Selector, path: str = "") -> Stayers:
    """`path` starts those of the selectors, such as `policy.`."""
    guests = tuple(guests)
    return Stayers(
        select_guests(guests, may_stay, f"{path}may_stay"),
        select_guests(guests, shut_down, f"{path}shut_down"),
    )


def stayers_of(snapshot: Snapshot, policy: Policy) -> Stayers:
    return stayers(snapshot.guests, policy.may_stay, policy.shut_down, "policy.")


def has_to_leave(guest: Guest, stay: Stayers) -> bool:
    """Whether a host is not empty as long as this guest is there: the one answer for plans, reports and
    maintenance mode.
    """
    return guest.is_on_host and not guest.platform_managed and guest.id not in stay.all
