# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for datastores leaves out of order, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ..._model.plan import (
    Unresolved,
)
from ..._model.text.wording import counted, listed
from .obstacles import disks_of, stays, who_stays, why_stays
from .problem import Problem
from .report import breaches
from .state import FINE, State

MAX_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOrder:
    """Units for whose moves no safe order was found; or that there are ends in order, and no safe order was
    found to any of them. `tried_all`: there is none, since all orders were tried.
    """

    dropped: Collection[int] = ()
    has_no_way: bool = False
    tried_all: bool = False


def unresolved(state: State, no_orders: Sequence[NoOrder]) -> list[Unresolved]:
    """What is out of order with the units where the state has them; of want of orders, the first that still
    matters.
    """
    problem = state.problem
    return [
        *problem.unresolved,
        *_broken_rules(state),
        *_misplaced(state),
        *_full(state),
        *_not_empty(state),
        *_slow(state),
        *uneven(state, "; no move that is allowed brings them nearer"),
        *_balanced_by_others(state),
        *islice(_without_order(state, no_orders), 1),
    ]


def _broken_rules(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, members in enumerate(problem.rules):
        if not state.broken[number] or not members.rule.strict:
            continue
        impossible = _impossible(problem, number)
        yield Unresolved(
            what=f"rule {members.rule.name}",
            why=impossible or "; ".join([*breaches(state, number), *_why_members_stay(state, number)]),
            code="rule_impossible" if impossible else "rule_broken",
            subject=members.rule.name,
        )


def _impossible(problem: Problem, number: int) -> str:
    """Why no placement can keep a rule, as far as that is plain; or an empty text."""
    members = problem.rules[number]
    rule = members.rule
    owners = {owner for names in members.units.values() for owner in names}
    if rule.kind == "anti_affinity":
        places = {problem.units[unit].home for unit in members.units}
        places |= {target for unit in members.units for target in problem.units[unit].targets}
        if len(owners) > len(places):
            return f"its {len(owners)} members can be on {counted(len(places), 'datastore')} only"
    for other in problem.rules:
        if other.rule.kind == rule.kind or not other.rule.strict:
            continue
        if rule.kind == "anti_affinity" and (len(rule.guests) == 1) != (len(other.rule.guests) == 1):
            continue
        shared = owners & {owner for names in other.units.values() for owner in names}
        if len(shared) > 1:
            return f"rule {other.rule.name} wants the opposite of {counted(len(shared), 'member')}"
    return ""


def _why_members_stay(state: State, number: int) -> Iterator[str]:
    problem = state.problem
    units = [unit for unit in problem.rules[number].units if stays(state, unit)]
    whys = {why_stays(state, unit) for unit in units}
    if whys:
        yield listed(sorted(whys), 3, "; ")


def _misplaced(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, unit in enumerate(problem.units):
        if unit.in_breach and state.where[number] == unit.home:
            name = problem.places[unit.home].datastore.name
            whys = ["storage.placement does not allow it there"] if unit.misplaced else []
            whys += [f"{name} does not comply with {unit.violated}"] if unit.violated else []
            yield Unresolved(
                what=f"{disks_of(problem, unit)} on {name}",
                why="; ".join([*whys, why_stays(state, number)]),
                code="rule_broken",
                subject=problem.guests[unit.parts[0].guest].id,
            )


def _full(state: State) -> Iterator[Unresolved]:
    for number, place in enumerate(state.problem.places):
        if place.judged and state.load[number] > place.limit:
            percent = 100 * state.load[number] / place.capacity
            most = 100 * place.limit / place.capacity
            yield Unresolved(
                what=f"space of datastore {place.datastore.name}",
                why=f"it is at {percent:.1f} % and its limit is {most:.1f} %{who_stays(state, number)}",
                code="datastore_full",
                subject=place.datastore.id,
            )


def _not_empty(state: State) -> Iterator[Unresolved]:
    problem = state.problem
    for number, place in enumerate(problem.places):
        left = state.at[number]
        if place.leaves and left:
            disks = sum(len(part.disks) for unit in left for part in problem.units[unit].parts)
            yield Unresolved(
                what=f"datastore {place.datastore.name} is not empty",
                why=f"{counted(disks, 'disk')} cannot leave it{who_stays(state, number)}",
                code="datastore_not_empty",
                subject=place.datastore.id,
            )


def _slow(state: State) -> Iterator[Unresolved]:
    most = state.problem.policy.latency
    for number, place in enumerate(state.problem.places):
        latency = place.datastore.latency
        if most is None or latency is None or latency <= most or not place.judged:
            continue
        if state.io[number] <= place.io_limit and place.datastore.disk_io:
            continue
        known = any(state.io_of[unit] for unit in state.at[number])
        why = (
            f"not enough I/O can leave it{who_stays(state, number)}"
            if known
            else "the I/O of its disks is not reported, so no disk was chosen"
        )
        yield Unresolved(
            what=f"latency of datastore {place.datastore.name}",
            why=f"it is {latency:g} ms and its limit is {most:g} ms; {why}",
            code="latency_exceeded",
            subject=place.datastore.id,
        )


def uneven(state: State, remark: str = "") -> Iterator[Unresolved]:
    """Groups of datastores that are further apart than `max_spread`; the remark follows each reason."""
    for group in state.groups.values():
        spread = state.spread(group)
        if state.max_spread is not None and spread > state.max_spread:
            names = listed((state.problem.places[place].datastore.name for place in group), MAX_NAMES)
            yield Unresolved(
                what=f"space of datastores {names}",
                why=f"their use is {100 * spread / FINE:.1f} points apart, and max_spread is "
                f"{100 * state.max_spread / FINE:g}{remark}",
                code="spread_exceeded",
                subject=state.problem.places[group[0]].datastore.id,
            )


def _balanced_by_others(state: State) -> Iterator[Unresolved]:
    """Datastores that something else balances, where they are out of order or there are no others."""
    policy, places = state.problem.policy, state.problem.places
    if policy.other_balancers != "respect":
        return
    found = [place for place in places if place.datastore.balanced_by is not None]
    wrong = [
        place
        for place in found
        if place.load > place.limit
        or (policy.latency is not None and (place.datastore.latency or 0) > policy.latency)
    ]
    chosen = found if len(found) == len(places) else wrong
    for name in dict.fromkeys(str(place.datastore.balanced_by) for place in chosen):
        names = [place.datastore.name for place in chosen if place.datastore.balanced_by == name]
        yield Unresolved(
            what=f"{'datastore' if len(names) == 1 else 'datastores'} {listed(names, MAX_NAMES)}",
            why=f"{name} already balances {'it' if len(names) == 1 else 'them'}. Disable it, or set "
            "storage.other_balancers: ignore",
            code="other_balancer",
            subject=name,
        )


def _without_order(state: State, no_orders: Sequence[NoOrder]) -> Iterator[Unresolved]:
    for one in no_orders:
        units = [unit for unit in sorted(one.dropped) if stays(state, unit)]
        names = listed((disks_of(state.problem, state.problem.units[unit]) for unit in units), MAX_NAMES)
        tried = "all orders were tried" if one.tried_all else "not all orders were tried"
        if units:
            found = "the chosen moves have no safe order"
            if not one.tried_all:
                found = "no safe order of the chosen moves was found"
            why = f"{found}, so these stay: {names} ({tried})"
        elif one.has_no_way and not state.is_in_order():
            found = "have a safe order" if one.tried_all else "with a safe order were found"
            why = f"disks could be where all is in order, but no moves that lead there {found} ({tried})"
        else:
            continue
        yield Unresolved(what="order of disk moves", why=why, code="no_safe_order")
