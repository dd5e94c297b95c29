# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single migrations between hosts, how long they take, and how long all of them take at least.

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One guest from one host to another."""

    guest: int
    source: int
    target: int
    parking: bool = False


def seconds_of(problem: Problem, hop: Hop) -> float:
    """A second to begin with, then memory and what is written meanwhile, at the policy's bandwidth."""
    policy = problem.policy
    return 1.0 + problem.needs.guest[hop.guest][1] * (1.0 + policy.dirty_factor) / policy.migration_bandwidth


def free_at_first(problem: Problem, ceilings: Sequence[Sequence[float]]) -> list[list[float]]:
    """By host and need, what is left below its ceiling before anything moves; negative where it is above."""
    return [
        [top - have for top, have in zip(tops, now, strict=True)]
        for tops, now in zip(ceilings, problem.needs.used, strict=True)
    ]


def seconds_bound(problem: Problem, hops: Sequence[Hop], ceilings: Sequence[Sequence[float]]) -> float:
    """No order of these hops is faster, detours or not.

    A host works through what it gives and takes, max_per_host at a time; and a guest for which there is no
    room on its host has to wait for as many departures from there as make some, the quickest first.
    """
    slots = problem.policy.max_per_host
    free = free_at_first(problem, ceilings)
    leaving: dict[int, list[Hop]] = {}
    busy: dict[int, float] = {}
    for hop in hops:
        leaving.setdefault(hop.source, []).append(hop)
        for host in (hop.source, hop.target):
            busy[host] = busy.get(host, 0.0) + seconds_of(problem, hop) / slots
    longest = max(busy.values(), default=0.0)
    for hop in hops:
        wait = _wait(problem, hop, free[hop.target], leaving.get(hop.target, ()))
        longest = max(longest, wait + seconds_of(problem, hop))
    return longest


def _wait(problem: Problem, hop: Hop, free: Sequence[float], leaving: Iterable[Hop]) -> float:
    quickest = sorted(leaving, key=lambda other: seconds_of(problem, other))
    longest = 0.0
    for need, wanted in enumerate(problem.needs.guest[hop.guest]):
        room = free[need]
        for other in quickest:
            if wanted <= room:
                break
            room += problem.needs.guest[other.guest][need]
            longest = max(longest, seconds_of(problem, other))
    return longest
