# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single migrations between hosts, how long they take, and how long all of them take at least."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..._model.policy.policy import Policy
from ..model.problem import Problem, Vector
from ..tolerances import AMOUNT

# Longer chains of waiting are rings.
MAX_ROUNDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One guest from one host to another."""

    guest: int
    source: int
    target: int
    parking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSlots:
    """Migrations at the same time on one host: in both directions together, into it, and out of it."""

    both: int
    into: int
    out: int

    @classmethod
    def of(cls, policy: Policy) -> HostSlots:
        both = policy.max_per_host
        return cls(both=both, into=policy.max_in_per_host or both, out=policy.max_out_per_host or both)


def seconds_of(problem: Problem, move: Move) -> float:
    """A second to begin with, then memory and what is written meanwhile, at the policy's bandwidth."""
    policy = problem.policy
    return 1.0 + problem.needs.guest[move.guest][1] * (1.0 + policy.dirty_factor) / policy.migration_bandwidth


def free_at_first(problem: Problem, ceilings: Sequence[Sequence[float]]) -> list[list[float]]:
    """By host and need, what is left below its ceiling before anything moves; negative where it is above."""
    return [
        [top - have for top, have in zip(tops, now, strict=True)]
        for tops, now in zip(ceilings, problem.needs.used, strict=True)
    ]


def makespan_lower_bound(
    problem: Problem, moves: Sequence[Move], ceilings: Sequence[Sequence[float]], *, detours: bool
) -> float:
    """No order of these moves is faster; with `detours`, not even one that parks guests elsewhere meanwhile.

    A host works through its departures and arrivals, a limited number at a time; a guest that does not fit on
    its host has to wait for the departures that make it fit, the earliest first, and where not all arrivals
    fit at first, one of them has to; and one that a rule keeps apart from a guest there has to wait for that
    one. Without detours these may have to wait as well; where they wait for each other in a ring there is no
    such order, and only the first wait counts.
    """
    slots = HostSlots.of(problem.policy)
    seconds = [seconds_of(problem, move) for move in moves]
    leaving: dict[int, list[int]] = {}
    coming: dict[int, list[int]] = {}
    for number, move in enumerate(moves):
        leaving.setdefault(move.source, []).append(number)
        coming.setdefault(move.target, []).append(number)
    busy = 0.0
    for host in {*leaving, *coming}:
        out, into = leaving.get(host, []), coming.get(host, [])
        for numbers, at_once in (([*out, *into], slots.both), (out, slots.out), (into, slots.into)):
            busy = max(busy, _least_on(at_once, [seconds[number] for number in numbers]))
    free = free_at_first(problem, ceilings)
    siblings = _siblings_there(problem, moves, leaving)
    gone = seconds
    first = starts = _starts(problem, moves, seconds, free, leaving, siblings)
    for _round in range(0 if detours else MAX_ROUNDS):
        ends = [start + takes for start, takes in zip(starts, seconds, strict=True)]
        later = _starts(problem, moves, ends, free, leaving, siblings)
        if later == starts:
            gone = ends
            break
        starts = later
    else:
        starts = first
    ends = [start + takes for start, takes in zip(starts, seconds, strict=True)]
    needs = [problem.needs.guest[move.guest] for move in moves]
    last = []
    for host, into in coming.items():
        out = sorted(leaving.get(host, ()), key=gone.__getitem__)
        last.append(
            _last_ends(free[host], [(needs[n], gone[n]) for n in out], [(needs[n], seconds[n]) for n in into])
        )
    return max([busy, *ends, *last], default=0.0)


def _least_on(at_once: int, seconds: Sequence[float]) -> float:
    """P || Cmax: all work shared evenly; and of the `at_once` * m + 1 longest, m + 1 go one after another."""
    ranked = sorted(seconds, reverse=True)
    behind = (
        sum(ranked[m * at_once - m : m * at_once + 1]) for m in range(1, (len(ranked) - 1) // at_once + 1)
    )
    return max([sum(ranked) / at_once, *behind])


def _siblings_there(
    problem: Problem, moves: Sequence[Move], leaving: Mapping[int, Sequence[int]]
) -> list[list[int]]:
    """By move, the moves of guests that stand on its target and must be apart from its guest."""
    groups: dict[int, set[int]] = {}
    for number, group in enumerate(problem.groups):
        if group.strict and group.kind == "apart":
            for guest in group.guests:
                groups.setdefault(guest, set()).add(number)
    return [
        [
            other
            for other in leaving.get(move.target, ())
            if groups.get(move.guest, set()) & groups.get(moves[other].guest, set())
        ]
        for move in moves
    ]


def _starts(
    problem: Problem,
    moves: Sequence[Move],
    ends: Sequence[float],
    free: Sequence[Sequence[float]],
    leaving: Mapping[int, Sequence[int]],
    siblings: Sequence[Sequence[int]],
) -> list[float]:
    """By move, the earliest second at which it fits, if each move ends when `ends` says."""
    needed = problem.needs.guest
    earliest = {host: sorted(numbers, key=lambda n: (ends[n], n)) for host, numbers in leaving.items()}
    starts = []
    for move, apart in zip(moves, siblings, strict=True):
        start = max((ends[other] for other in apart), default=0.0)
        for need, wanted in enumerate(needed[move.guest]):
            gone = ((needed[moves[n].guest][need], ends[n]) for n in earliest.get(move.target, ()))
            start = max(start, _fits_at(wanted, free[move.target][need], gone))
        starts.append(start)
    return starts


def _fits_at(wanted: float, free: float, gone: Iterable[tuple[float, float]]) -> float:
    """When so much has become free at the earliest, where so much is free at first, and what departures leave
    behind follows, each with its moment; the last of them where even all are not enough.
    """
    moment = 0.0
    for left, end in gone:
        if not wanted or wanted <= free:
            break
        free += left
        moment = end
    return moment


def _last_ends(
    free: Sequence[float],
    leaving: Sequence[tuple[Vector, float]],
    coming: Sequence[tuple[Vector, float]],
) -> float:
    """When the last of those that come to one host ends at the earliest: one of them has to wait for the
    departure that makes all fit.

    leaving: what each departure frees by need, and when, the earliest first; coming: what each arrival needs,
    and how many seconds it takes.
    """
    latest = 0.0
    for need, amount in enumerate(free):
        wanted = sum(needs[need] for needs, _takes in coming) * (1.0 - AMOUNT)
        start = _fits_at(wanted, amount, ((needs[need], end) for needs, end in leaving))
        if start:
            latest = max(latest, start + min(takes for needs, takes in coming if needs[need] > 0.0))
    return latest
