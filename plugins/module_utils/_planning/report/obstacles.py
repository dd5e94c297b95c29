# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The obstacles of a plan that leaves something undone: of a guest, of a host, of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ..._model.snapshot import Rule
from ..model.capacity import CPU, GUESTS, Resource
from ..model.problem import Problem, Vector
from ..tolerances import REPORTED_AMOUNT

GIB = 2**30
MAX_NAMED = 3


def out_of_moves(problem: Problem, places: Sequence[int]) -> str | None:
    """That the plan has as many migrations as it may; None when it may have more."""
    most = problem.policy.max_migrations
    moved = sum(home != place for home, place in zip(problem.home, places, strict=True))
    if most is None or moved < most:
        return None
    return f"the plan may have no more than {most} migration{'s' * (most != 1)}"


def kept_together(problem: Problem, rule: Rule, places: Sequence[int]) -> str | None:
    """A rule that wants two guests together that this one wants apart."""
    if rule.kind != "anti_affinity":
        return None
    wanted = [other for other in problem.rules if other.kind == "affinity" and other.strict]
    index = problem.index.guest_at
    for one, two in combinations(rule.guests, 2):
        if places[index[one]] != places[index[two]]:
            continue
        for other in wanted:
            if one in other.guests and two in other.guests:
                names = " and ".join(problem.guests[index[guest]].name for guest in (one, two))
                return f"rule {other.name} keeps {names} together"
    return None


def too_large(problem: Problem, guest: int, ceilings: Sequence[Vector]) -> str | None:
    """The need of a guest, or of those that move with it, that exceeds every other host's capacity even if
    all guests left there that may; None when a host could.
    """
    unit = problem.unit_of.get(guest)
    if unit is None:
        return None
    need, home = problem.unit_need[unit], problem.home[guest]
    capacities = {
        host: [top - fixed for top, fixed in zip(ceilings[host], problem.fixed_need[host], strict=True)]
        for host in range(len(problem.hosts))
        if host != home and problem.unit_mask[unit] >> host & 1
    }
    if not capacities or any(_fits(need, capacity) for capacity in capacities.values()):
        return None
    whose = "its" if len(problem.members[unit]) == 1 else "with those that move along its"
    for column in reversed(range(len(need))):
        best = max(capacities, key=lambda host: capacities[host][column])
        if need[column] > capacities[best][column]:
            resource = problem.needs.resources[column]
            most = amount_of(resource, max(0.0, capacities[best][column])).partition(" of ")[0]
            return (
                f"{whose} {amount_of(resource, need[column])} are more than any other host could hold,"
                f" {problem.hosts[best].name} at most {most}"
            )
    return "no other host could hold all of it at once"


def above_limits(problem: Problem, places: Sequence[int]) -> dict[int, list[str]]:
    """By host that is above one of its limits, each of these: what it has, and what it may have. No guest may
    come there; that those there stay is no fault of a plan, but not in order either.
    """
    needs = problem.needs
    used = [list(vector) for vector in needs.used]
    for guest, (home, place) in enumerate(zip(problem.home, places, strict=True)):
        if home != place:
            used[home] = [a - b for a, b in zip(used[home], needs.guest[guest], strict=True)]
            used[place] = [a + b for a, b in zip(used[place], needs.guest[guest], strict=True)]
    found: dict[int, list[str]] = {}
    for host, (have, tops) in enumerate(zip(used, needs.ceiling_for_rules, strict=True)):
        if not problem.roles.counts[host]:
            continue
        for resource, amount, top in zip(needs.resources, have, tops, strict=True):
            if amount > top * (1 + REPORTED_AMOUNT) and resource.kind != "datastore":
                limit = amount_of(resource, max(0.0, top)).partition(" of ")[0]
                text = f"it has {amount_of(resource, amount)}, and its limit is {limit}"
                found.setdefault(host, []).append(text)
    return found


def _fits(need: Vector, capacity: Sequence[float]) -> bool:
    return all(part <= free for part, free in zip(need, capacity, strict=True) if part)


def amount_of(resource: Resource, value: float) -> str:
    """The amount of a resource, for people."""
    if resource.name == "cpu" and resource.kind != "datastore":
        return f"{value:.1f} cores" + (" assigned" if resource != CPU else "")
    if resource == GUESTS:
        return f"{value:.0f} guests"
    return f"{value / GIB:.1f} GiB of {resource}"


def held_there(problem: Problem, places: Sequence[int], host: int) -> str:
    """The guests of a host that could be on no other, in brackets; nothing where there are none."""
    texts = []
    for guest, place in enumerate(places):
        if place == host == problem.home[guest] and problem.stays[guest] is None:
            why = too_large(problem, guest, problem.needs.ceiling)
            if why:
                texts.append(f"{problem.guests[guest].name}: {why}")
            if len(texts) == MAX_NAMED:
                break
    return f" ({'; '.join(texts)})" if texts else ""


def takes_no_more(problem: Problem, places: Sequence[int], host: int) -> str:
    """Why a host with so little of one metric gets nothing more; nothing where it could."""
    needs = problem.needs
    if not problem.roles.receives[host]:
        return ", which takes no guests"
    above = [
        str(resource)
        for resource, now, top in zip(needs.resources, needs.used[host], needs.ceiling[host], strict=True)
        if now > top
    ]
    if above:
        return f", which is above its limit of {' and '.join(above)} to begin with"
    used = list(needs.used[host])
    for guest, (home, place) in enumerate(zip(problem.home, places, strict=True)):
        if home != place and host in (home, place):
            sign = 1 if place == host else -1
            used = [a + sign * b for a, b in zip(used, needs.guest[guest], strict=True)]
    others = [
        problem.unit_need[unit]
        for unit, guests in enumerate(problem.members)
        if problem.unit_mask[unit] >> host & 1 and any(places[guest] != host for guest in guests)
    ]
    short = [
        str(resource)
        for column, resource in enumerate(needs.resources)
        if others and all(need[column] > needs.ceiling[host][column] - used[column] for need in others)
    ]
    limits = f"{' and '.join(short)} limit{'s' * (len(short) > 1)}"
    return f", which cannot take another guest without exceeding its {limits}" if short else ""
