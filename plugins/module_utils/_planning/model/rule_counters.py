# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of one rule on each host, and the distance of the rule from holding."""

from __future__ import annotations

from collections.abc import Iterable

from .problem import Group


def pairs(counts: Iterable[int]) -> int:
    """The number of pairs on one host, from the counts of each host."""
    return sum(many * (many - 1) // 2 for many in counts)


class RuleCounter:
    """`amount` is 0 when the rule holds, else about how many of its guests would have to move."""

    def __init__(self, group: Group, at: dict[int, int]) -> None:
        self.group = group
        self.at = at
        # How many hosts of the domain have 0, 1, 2 … members: least and most are read off it without a pass
        # over hosts.
        self.levels = [0] * (len(group.guests) + 2)
        for host in group.domain if group.kind == "even" else ():
            self.levels[at.get(host, 0)] += 1
        self.amount = self._amount()

    @property
    def weighted(self) -> float:
        return self.group.weight * self.amount

    def add(self, host: int, many: int) -> None:
        before = self.at.get(host, 0)
        after = before + many
        if after:
            self.at[host] = after
        else:
            self.at.pop(host, None)
        kind = self.group.kind
        if kind == "apart":
            self.amount += max(0, after - 1) - max(0, before - 1)
        elif kind == "even":
            if host in self.group.domain:
                self.levels[before] -= 1
                self.levels[after] += 1
                self.amount = self._amount()
        else:
            self.amount = self._amount()

    def allows(self, host: int, many: int, home: int = -1) -> bool:
        """Whether `many` members that are nowhere now may go there without making the rule more broken than
        it was before they left where they were; `home` is the host of their unit at first.

        An even spread that does not hold with them there, their leaving may have broken: then they may go
        only where there are fewest, which is no worse than where they were.
        """
        group = self.group
        if not group.strict:
            return True
        if group.kind == "apart":
            return many == 1 and host not in self.at
        if group.torn:
            there = self.at.get(host, 0) + many
            if pairs({**self.at, host: there}.values()) > group.max_pairs:
                return False
            if group.enforced and host != home and many < there >= group.first.get(home, 0):
                return False
        if host not in group.domain:
            return True
        here, most = self.at.get(host, 0), self._floor(host, many) + group.skew
        if here + many > most:
            return False
        used = [level for level, hosts in enumerate(self.levels) if hosts]
        return here == used[0] or used[-1] <= most

    def _floor(self, host: int, many: int) -> int:
        """The least count of a host once `many` have come to this one."""
        here = self.at.get(host, 0)
        level = 0
        while not self.levels[level]:
            level += 1
        if level == here and self.levels[level] == 1:
            level += 1
            while level < here + many and not self.levels[level]:
                level += 1
        return level

    def _amount(self) -> int:
        group = self.group
        if group.kind == "even":
            return self._moves_to_even()
        if group.kind == "apart":
            return sum(max(0, many - 1) for many in self.at.values())
        if group.kind == "together":
            return len(group.guests) - max(self.at.values(), default=0)
        return sum(many for host, many in self.at.items() if host in group.domain)

    def _moves_to_even(self) -> int:
        levels, skew = self.levels, self.group.skew
        used = [level for level, hosts in enumerate(levels) if hosts]
        if not used or used[-1] - used[0] <= skew:
            return 0
        return min(
            max(
                sum((level - floor - skew) * levels[level] for level in used if level > floor + skew),
                sum((floor - level) * levels[level] for level in used if level < floor),
            )
            for floor in range(used[0], used[-1] + 1)
        )
