# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a guest has no host to go to, in the smallest terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..._model.policy.policy import Policy
from ..._model.snapshot import Snapshot
from .capacity import HostRoles, closed_hosts
from .eligibility import refused_targets, requirements_of, restrictions
from .minimal_conflicts import Mask, excludes_every_host, minimal_conflict


class NoFeasibleHost:
    """Everything is by index; home: where each guest is."""

    def __init__(self, snapshot: Snapshot, policy: Policy, roles: HostRoles, home: Sequence[int]) -> None:
        self.hosts, self.guests, self.home = snapshot.hosts, snapshot.guests, home
        self.roles = roles
        self.not_older = policy.target_version == "not_older"
        self.barred = refused_targets(snapshot, policy)
        self.receiving = sum(1 << host for host, receives in enumerate(roles.receives) if receives)
        self.masks: dict[tuple[object, ...], Mapping[str, Mask]] = {}

    def such_host(self, guest: int, wanted: Mask) -> str:
        """Why none of the hosts that a rule leaves could run this guest of it."""
        name = self.guests[guest].name
        places = wanted & self.receiving
        if not places:
            return "no such host takes guests"
        return _conflict(places, self._restrictions(guest), name, "such") or f"there is none for {name}"

    def other_host(
        self,
        guests: Sequence[int],
        stays: Sequence[str | None],
        pins: Mapping[str, tuple[frozenset[int], Mask]],
    ) -> str:
        """Why these guests, which are on one host and stay together, have no other.

        stays: why one does not move; pins: by the name of a rule its guests, and the hosts that it leaves.
        """
        places = self.receiving & ~(1 << self.home[guests[0]])
        if not places:
            why = closed_hosts(self.hosts, self.roles, without=self.home[guests[0]])
            return f"no other host takes guests{f' ({why})' if why else ''}"
        wanted: dict[str, Mask] = {}
        for guest in guests:
            of = f" of {self.guests[guest].name}" if len(guests) > 1 else ""
            if stays[guest] is not None:
                wanted[f"{self.guests[guest].name}, which stays and is kept beside it,"] = (
                    1 << self.home[guest]
                )
            wanted.update({f"{what}{of}": mask for what, mask in self._restrictions(guest).items()})
            wanted.update({f"rule {name}": mask for name, (whom, mask) in pins.items() if guest in whom})
        return _conflict(places, wanted, "it", "other") or "its rules leave it no other host"

    def _restrictions(self, guest: int) -> Mapping[str, Mask]:
        home = self.hosts[self.home[guest]]
        least = home.version if self.not_older else None
        key = requirements_of(self.guests[guest], home, least, self.barred)
        if key not in self.masks:
            self.masks[key] = {
                name: sum(1 << index for index, host in enumerate(self.hosts) if fits(host))
                for name, fits in restrictions(self.guests[guest], home, self.hosts, least, self.barred)
            }
        return self.masks[key]


def _conflict(places: Mask, wanted: Mapping[str, Mask], whom: str, what: str) -> str | None:
    """Which of these restrictions leave `whom` no host of these places; None when they leave one."""
    common = places
    for mask in wanted.values():
        common &= mask
    if common:
        return None
    return excludes_every_host(minimal_conflict(places, wanted), whom, what)
