# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads of guests and hosts in percent."""

from __future__ import annotations

from collections.abc import Sequence

from .._planning.model.problem import Problem


class Loads:
    """Loads in percent, by metric, so that guests and hosts of different size can be put side by side."""

    def __init__(self, problem: Problem, metrics: Sequence[str]) -> None:
        self._problem = problem
        self._columns = {
            name: problem.metrics.names.index(name) for name in metrics if name in problem.metrics.names
        }
        self._capacity = {
            name: [problem.capacity(host, column) for host in range(len(problem.hosts))]
            for name, column in self._columns.items()
        }
        on: list[list[int]] = [[] for _host in problem.hosts]
        for guest, home in enumerate(problem.home):
            if problem.guests[guest].is_on_host:
                on[home].append(guest)
        self._guests_on = on
        self._largest = {
            name: max((value for value in capacities if value), default=1.0)
            for name, capacities in self._capacity.items()
        }

    def of_guest(self, guest: int) -> dict[str, float]:
        if not self._problem.guests[guest].is_on_host:
            return dict.fromkeys(self._columns, 0.0)
        return {
            name: round(100.0 * self._problem.metrics.guest[guest][column] / self._largest[name], 3)
            for name, column in self._columns.items()
        }

    def of_amounts(self, cpu: float, memory: float) -> dict[str, float]:
        """Of a guest that is not created yet, which is taken to use what it is assigned."""
        amounts = {"cpu": cpu, "vcpu": cpu, "memory": memory}
        return {
            name: round(100.0 * amounts.get(name, 0.0) / self._largest[name], 3) for name in self._columns
        }

    def relative_capacity(self, host: int) -> dict[str, float]:
        """0 where it is not known."""
        return {
            name: round((self._capacity[name][host] or 0.0) / self._largest[name], 5)
            for name in self._columns
        }

    def own(self, host: int) -> dict[str, float]:
        """Percent that none of its guests explains."""
        problem, found = self._problem, {}
        for name, column in self._columns.items():
            capacity = self._capacity[name][host]
            if capacity:
                theirs = sum(problem.metrics.guest[guest][column] for guest in self._guests_on[host])
                rest = problem.metrics.host[host][column] - theirs
                found[name] = round(max(0.0, 100.0 * rest / capacity), 3)
        return found
