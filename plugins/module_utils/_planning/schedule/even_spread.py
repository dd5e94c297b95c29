# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An even spread while its guests are on their way: whether they have to go one after another, and who may
be next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nlargest, nsmallest

from ..model.problem import Group
from .moves import Move


class EvenSpreadTracker:
    """One even spread, from the first migration to the last.

    At no moment may two hosts be further apart than the skew, or than they were at first. An empty host to
    which nothing goes says nothing of how far they were: only hosts that had a guest, or that one comes to
    or leaves, are looked at.
    """

    def __init__(self, group: Group, first: Mapping[int, int], moves: Sequence[Move]) -> None:
        """first: how many guests of the group each host has; moves: of these guests, all there will be."""
        self._members = frozenset(group.guests)
        self._group = group
        self._first = dict(first)
        touched = {host for move in moves for host in (move.source, move.target)}
        self._hosts = {host for host in group.domain if first.get(host, 0) or host in touched}
        self._allowed = self._allowed_over(self._hosts)
        self._peak = max((first.get(host, 0) for host in self._hosts), default=0)
        # Whether they have to go one after another: not if all arrivals and departures, in whatever order
        # they take effect, leave the counts near enough to each other. Whether the platform takes the one
        # depends on where the others are.
        self.needed = (group.torn and group.enforced) or self._widest(
            self._hosts, first, moves
        ) > self._allowed

    def allows(self, counts: Mapping[int, int], job: Iterable[Move]) -> bool:
        """Whether the counts stay near enough to each other while these guests go, and all others wait."""
        moves = [move for move in job if move.guest in self._members]
        if not all(self._is_taken(counts, move) for move in moves):
            return False
        hosts = self._with_targets(moves)
        if hosts == self._hosts:
            return self._widest(hosts, counts, moves) <= self._allowed
        # A host that nobody looked at until now was empty while others were as full as they ever were.
        allowed = self._allowed_over(hosts)
        return self._peak <= allowed and self._widest(hosts, counts, moves) <= allowed

    def _is_taken(self, counts: Mapping[int, int], move: Move) -> bool:
        """Whether the platform, that wants these guests apart, takes one there."""
        if not (self._group.torn and self._group.enforced):
            return True
        there = counts.get(move.target, 0)
        return there == 0 or there < counts.get(move.source, 0) - 1

    def record(self, counts: Mapping[int, int], job: Iterable[Move]) -> None:
        """Take note that these guests start."""
        moves = [move for move in job if move.guest in self._members]
        hosts = self._with_targets(moves)
        if hosts != self._hosts:
            self._hosts, self._allowed = hosts, self._allowed_over(hosts)
        for host, many in Counter(move.target for move in moves).items():
            if host in hosts:
                self._peak = max(self._peak, counts.get(host, 0) + many)

    def _with_targets(self, moves: Iterable[Move]) -> set[int]:
        more = {move.target for move in moves} & self._group.domain
        return self._hosts if more <= self._hosts else self._hosts | more

    def _allowed_over(self, hosts: Iterable[int]) -> int:
        counts = [self._first.get(host, 0) for host in hosts]
        return max(self._group.skew, max(counts, default=0) - min(counts, default=0))

    def _widest(self, hosts: Collection[int], counts: Mapping[int, int], moves: Sequence[Move]) -> int:
        """The largest difference that two hosts can reach: one with all that come, one without all that
        leave.
        """
        coming, leaving = Counter(move.target for move in moves), Counter(move.source for move in moves)
        most = nlargest(2, ((counts.get(host, 0) + coming[host], host) for host in hosts))
        least = nsmallest(2, ((counts.get(host, 0) - leaving[host], host) for host in hosts))
        return max((high - low for high, one in most for low, other in least if one != other), default=0)
