# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity that is kept for the guests of hosts that fail."""

from __future__ import annotations

from ..tolerances import AMOUNT
from .cluster_index import ClusterIndex
from .problem import Unit


class FailoverReserve:
    """Reckoned in sums, for dedicated hosts and others apart: whichever hosts fail, what the others have free
    is as much as the guests of those take. How guests are cut is not looked at.
    """

    def __init__(self, cluster: ClusterIndex, hosts: int) -> None:
        # free - what the largest hosts could come to carry of guests; it is the same wherever guests are.
        self._left: dict[bool, list[float]] = {}
        for dedicated in (False, True):
            members = [
                index
                for index, host in enumerate(cluster.hosts)
                if cluster.roles.receives[index] and host.dedicated == dedicated
            ]
            self._left[dedicated] = [
                self._slack(cluster, members, hosts, need) for need in range(len(cluster.resources))
            ]

    @staticmethod
    def _slack(cluster: ClusterIndex, members: list[int], hosts: int, need: int) -> float:
        free = sum(max(0.0, cluster.ceiling[host][need] - cluster.need[host][need]) for host in members)
        reach = sorted(
            max(0.0, cluster.ceiling[host][need] - cluster.need[host][need]) + cluster.carried[host][need]
            for host in members
        )
        lost = sum(reach[-hosts:])
        return free - lost if len(members) > hosts else -1.0

    def allows(self, unit: Unit) -> bool:
        left = self._left[unit.dedicated]
        return all(
            part <= slack + AMOUNT * max(1.0, abs(slack)) for part, slack in zip(unit.need, left, strict=True)
        )

    def take(self, unit: Unit, sign: int) -> None:
        left = self._left[unit.dedicated]
        for index, part in enumerate(unit.need):
            left[index] -= sign * part

    def most(self, unit: Unit) -> int:
        """How many units like this one could be taken, one after the other."""
        number = 0
        while self.allows(unit) and any(unit.need):
            self.take(unit, 1)
            number += 1
        for _taken in range(number):
            self.take(unit, -1)
        return number
