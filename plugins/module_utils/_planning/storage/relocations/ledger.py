# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of datastores and of the memory of hosts while guests are chosen one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...._model.snapshot import Guest, Host
from .cluster import Relocation, RelocationCluster, memory_of


class Ledger:
    """Space as if nothing ever left a datastore, so that relocations may run in any order."""

    def __init__(self, cluster: RelocationCluster, hosts: Sequence[Host]) -> None:
        """hosts: those that may receive guests."""
        self._of = cluster
        # By place; what moves of disks alone would bring there counts as well.
        self.free = [
            place.limit - max(place.load, later.load)
            for place, later in zip(cluster.places, cluster.end.places, strict=True)
        ]
        self.memory = {host.id: (host.used.get("memory") or 0.0, self._usable(host)) for host in hosts}
        self.came: dict[int, set[int]] = {}
        """By place, the guests that were chosen to come there."""

    def _usable(self, host: Host) -> float:
        limits = self._of.policy.limits
        whole = (host.capacity.get("memory") or 0.0) - (host.reserved.get("memory") or 0.0)
        return whole * limits.memory_for_rules / 100 - limits.memory_reserve

    def has_memory(self, guest: Guest, host: Host) -> bool:
        """A first look only: the planner for hosts decides."""
        used, usable = self.memory[host.id]
        return used + memory_of(guest) <= usable

    def meets(self, guest: int, place: int) -> bool:
        """Whether another guest is there, or may come to be there, that a strict rule keeps it apart from."""
        for rule in self._of.apart.get(guest, ()):
            who, at = self._of.now.rules[rule].rule.guests, self._of.members[rule]
            others = at.get(place, frozenset()) | {
                one for one in self.came.get(place, ()) if self._of.guests[one].id in who
            }
            if others - {guest}:
                return True
        return False

    def fullness(self, one: Relocation) -> float:
        used, usable = self.memory[one.host]
        return (used + memory_of(one.guest)) / usable if usable > 0 else math.inf

    def add(self, guest: int, one: Relocation) -> None:
        used, usable = self.memory[one.host]
        self.memory[one.host] = used + memory_of(one.guest), usable
        for number, place in enumerate(self._of.places):
            if place.datastore.id in one.arrivals:
                self.free[number] -= one.arrivals[place.datastore.id]
                self.came.setdefault(number, set()).add(guest)
