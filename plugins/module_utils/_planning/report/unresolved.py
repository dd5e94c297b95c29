# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unresolved items of a plan, and their reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..._model.plan import ClusterState, GuestRef, Immovable, Unresolved, Violation
from ..._model.snapshot import Rule
from ..._model.text.wording import listed
from ..model.minimal_conflicts import hall_violation
from ..model.move_units import partners_of
from ..model.problem import Problem
from ..model.rules import PINS
from ..model.snapshot_index import bits
from ..model.solution import Solution
from ..tolerances import REPORTED_POINTS
from .cluster_state import unmet_choices
from .obstacles import above_limits, held_there, kept_together, out_of_moves, takes_no_more, too_large
from .reasons import label
from .search_findings import SearchFindings, has_place

MAX_IMMOVABLE, MAX_FIXED = 200, 3


def is_complete(unresolved: Sequence[Unresolved]) -> bool:
    """Whether everything that can be asked for is done: a metric that no host reports can't, and no goal
    brings a host below a limit that counts for what comes to it.
    """
    return all(item.code in ("metric_unavailable", "host_above_limits") for item in unresolved)


def over_limits(problem: Problem, places: Sequence[int]) -> list[Unresolved]:
    """The hosts that are above a limit of the policy, and stay so."""
    return [
        Unresolved(
            what=f"limits of host {problem.hosts[host].name}",
            why="; ".join(texts),
            code="host_above_limits",
            subject=problem.hosts[host].id,
        )
        for host, texts in above_limits(problem, places).items()
    ]


def out_of_band(
    problem: Problem, places: Sequence[int], after: ClusterState, *, impossible: bool
) -> list[Unresolved]:
    """The metrics that stay further apart than they may, with the hosts at both ends."""
    found = []
    spent = out_of_moves(problem, places)
    limited = f"; {spent}" if spent else ""
    proof = "; it is proven that no placement brings every host into the band" if impossible else ""
    for name, limit, used in _outside(problem, after):
        high, low = max(used, key=lambda h: used[h]), min(used, key=lambda h: used[h])
        closed = takes_no_more(problem, places, low)
        held = "" if closed else held_there(problem, places, high)
        found.append(
            Unresolved(
                what=f"spread of {label(name)}",
                why=f"{after.spread[name]:.1f} points where {limit:g} are allowed: "
                f"{problem.hosts[high].name} is at {used[high]:.1f} %{held} and {problem.hosts[low].name} "
                f"at {used[low]:.1f} %{closed}{limited}{proof}",
                code="spread_exceeded",
                subject=name,
            )
        )
    return found


def _outside(problem: Problem, after: ClusterState) -> Iterator[tuple[str, float, Mapping[int, float]]]:
    """The metrics that stay further apart than they may: name, limit in points, percent in use by host."""
    metrics = problem.metrics
    for name, limit, counted in zip(metrics.names, metrics.limits, metrics.counted, strict=True):
        spread = after.spread[name]
        if spread is not None and spread > limit + REPORTED_POINTS:
            yield name, limit, {h: after.hosts[problem.hosts[h].id].used[name] or 0.0 for h in counted}


def broken_rules(
    state: Solution,
    places: Sequence[int],
    after: ClusterState,
    explained: set[str],
    findings: SearchFindings | None,
) -> list[Unresolved]:
    """The strict rules that stay broken, and the choices that are not met; explained: names of those that are
    reported already; findings: None where no plan was looked for.
    """
    broken = [*after.violations, *unmet_choices(state.problem, places)]
    return _broken(state, places, broken, explained, findings)


def broken_choices(
    state: Solution, places: Sequence[int], findings: SearchFindings | None
) -> list[Unresolved]:
    """The guests that are not where they are pinned by choice, unless that is impossible anyway."""
    explained = {item.subject for item in state.problem.unresolved if item.code == "rule_impossible"}
    return _broken(state, places, unmet_choices(state.problem, places), explained, findings)


def _broken(
    state: Solution,
    places: Sequence[int],
    violations: Sequence[Violation],
    explained: Collection[str],
    findings: SearchFindings | None,
) -> list[Unresolved]:
    problem = state.problem
    rules = {rule.name: rule for rule in problem.rules}
    found = []
    for violation in violations:
        rule = rules[violation.rule]
        if not rule.strict or rule.name in explained:
            continue
        guests = problem.index.members(rule)
        why = _crowds(problem, rule) or kept_together(problem, rule, places)
        wrong = _in_the_way(problem, rule, guests, places)
        whys = [why] if why else _what_keeps(state, places, wrong, findings)
        found.append(
            Unresolved(
                what=f"rule {rule.name}",
                why="; ".join((violation.detail, *whys)),
                code="rule_broken",
                subject=rule.name,
            )
        )
    return found


def _what_keeps(
    state: Solution, places: Sequence[int], guests: Sequence[int], findings: SearchFindings | None
) -> Iterator[str]:
    """Why guests stay where a rule does not want them: those that do not move, and those that may."""
    problem = state.problem
    fixed = _fixed(problem, guests)
    if fixed:
        yield fixed
    movable = [guest for guest in guests if problem.stays[guest] is None]
    why = (out_of_moves(problem, places) or _not_found(state, movable, findings)) if movable else None
    if why:
        yield why


def _not_found(state: Solution, guests: Sequence[int], findings: SearchFindings | None) -> str | None:
    """Why guests that may move do not; None where nobody looked for a plan."""
    if findings is None:
        return None
    no_order = findings.no_order(state.problem, guests)
    if no_order is not None:
        return no_order
    if has_place(state, guests):
        return "no placement was found in which it, the other rules and the limits hold"
    return "no host has room without breaking another rule or limit"


def _in_the_way(problem: Problem, rule: Rule, guests: Sequence[int], places: Sequence[int]) -> list[int]:
    """The guests of a broken rule that are where it does not want them; all where it is about all."""
    at = [places[guest] for guest in guests]
    if rule.kind == "anti_affinity":
        return [guest for guest, place in zip(guests, at, strict=True) if at.count(place) > 1]
    if rule.kind in PINS:
        wanted = rule.kind == "host_affinity"
        ids = [problem.hosts[place].id for place in at]
        return [guest for guest, id_ in zip(guests, ids, strict=True) if (id_ in rule.hosts) != wanted]
    return list(guests)


def _fixed(problem: Problem, guests: Sequence[int]) -> str:
    """The guests among these that do not move, each with the reason."""
    fixed = [
        f"{problem.guests[guest].name} stays on {problem.hosts[problem.home[guest]].name}"
        f" ({problem.stays[guest]})"
        for guest in guests
        if problem.stays[guest] is not None
    ]
    return listed(fixed, MAX_FIXED, "; ")


def contradicts(problem: Problem) -> bool:
    """Whether a strict rule can't hold, whatever moves: found while the problem was built, or because guests
    that are to be apart have too few hosts among them.
    """
    return any(item.code == "rule_impossible" for item in problem.unresolved) or any(
        group.torn
        or (group.strict and group.kind == "apart" and hall_violation(_places(problem, group.guests)))
        for group in problem.groups
    )


def _crowds(problem: Problem, rule: Rule) -> str | None:
    """Too few hosts for guests that are to be apart, by this rule or by another that concerns its guests."""
    if rule.kind == "anti_affinity":
        crowd = _crowd(problem, problem.index.members(rule))
        return crowd and f"{crowd} (even_spread can)"
    for other in problem.rules:
        if other.kind == "anti_affinity" and other.strict and set(other.guests) & set(rule.guests):
            crowd = _crowd(problem, problem.index.members(other))
            if crowd:
                return f"with rule {other.name}, {crowd}"
    return None


def _crowd(problem: Problem, guests: Sequence[int]) -> str | None:
    """The fewest of these guests that can't be apart because they have too few hosts among them; None also
    where only guests are in the way that do not move at all.
    """
    found = hall_violation(_places(problem, guests))
    if found is None:
        return None
    crowd, mask = found
    if all(problem.stays[guest] is not None for guest in crowd):
        return None
    hosts = [problem.hosts[host].name for host in bits(mask)]
    names = ", ".join(problem.guests[guest].name for guest in crowd[:10])
    where = f": {', '.join(hosts)}" if len(hosts) < sum(problem.roles.receives) else ""
    many = f"{len(crowd)} guests" + (f" ({names})" if len(crowd) < len(guests) else "")
    fixed = _fixed(problem, crowd)
    told = f"{many} can't be apart on {len(hosts)} host{'s' * (len(hosts) != 1)}{where}"
    return f"{told}; {fixed}" if fixed else told


def _places(problem: Problem, guests: Sequence[int]) -> dict[int, int]:
    """By guest, a bit mask of the hosts where it may end up."""
    unit_of = problem.unit_of
    # With goal rules nobody has to leave a host only because it is in maintenance.
    may_stay = {
        guest: problem.traits.allows_maintenance
        and problem.roles.leaving[problem.home[guest]]
        and unit not in problem.against_pins
        for guest, unit in unit_of.items()
    }
    return {
        guest: problem.unit_mask[unit_of[guest]] | may_stay[guest] << problem.home[guest]
        if guest in unit_of
        else 1 << problem.home[guest]
        for guest in guests
    }


def stranded(state: Solution, places: Sequence[int], findings: SearchFindings | None) -> list[Unresolved]:
    """Hosts in maintenance, or to be emptied, that still run guests; findings: as in broken_rules."""
    problem, found = state.problem, []
    word = "to be emptied" if problem.traits.names_hosts else "in maintenance"
    for host, leaving in enumerate(problem.roles.leaving):
        left = left_on(problem, places, host) if leaving else []
        if left:
            whys = [(problem.guests[g].name, _why_left(state, places, g, findings)) for g in left]
            texts = [f"{name} ({why})" if why else name for name, why in whys]
            found.append(
                Unresolved(
                    what=f"host {problem.hosts[host].name} {word}",
                    why=f"it still runs {listed(texts, 5)}",
                    code="host_not_empty",
                    subject=problem.hosts[host].id,
                )
            )
    return found


def left_on(problem: Problem, places: Sequence[int], host: int) -> list[int]:
    """The guests of a host that would have to leave for it to be empty."""
    return [guest for guest, place in enumerate(places) if place == host and problem.occupies[guest]]


def _why_left(
    state: Solution, places: Sequence[int], guest: int, findings: SearchFindings | None
) -> str | None:
    problem = state.problem
    known = (
        problem.stays[guest]
        or too_large(problem, guest, problem.needs.ceiling_for_rules)
        or out_of_moves(problem, places)
    )
    if known is not None or findings is None:
        return known
    no_order = findings.no_order(problem, [guest])
    if no_order is not None:
        return no_order
    if has_place(state, [guest]):
        return "no placement was found in which the rules and the limits hold for all of them"
    others = partners_of(problem.rules, problem.guests[guest].id)
    names = ", ".join(item.name for item in problem.guests if item.id in others)
    along = f" for it with {names}, which the platform moves along," if names else ""
    return f"no other host has room{along} or keeps its rules"


def immovable(
    state: Solution,
    places: Sequence[int],
    after: ClusterState,
    findings: SearchFindings,
    hot: Collection[int],
) -> tuple[Immovable, ...]:
    """Guests that can't be moved although their host stays too full, or is to be emptied, or their rule
    broken. hot: the hosts that stay too full.
    """
    problem = state.problem
    if problem.traits.names_hosts:
        return tuple(
            Immovable(
                guest=GuestRef(id=problem.guests[guest].id, name=problem.guests[guest].name),
                host=problem.hosts[host].id,
                why=_why_left(state, places, guest, findings) or "",
            )
            for host, leaving in enumerate(problem.roles.leaving)
            for guest in (left_on(problem, places, host) if leaving else ())
        )
    broken = {violation.rule for violation in after.violations}
    concerned = {
        guest for rule in problem.rules if rule.name in broken and rule.strict for guest in rule.guests
    }
    return tuple(
        Immovable(
            guest=GuestRef(id=guest.id, name=guest.name), host=problem.hosts[places[number]].id, why=why
        )
        for number, (guest, why) in enumerate(zip(problem.guests, problem.stays, strict=True))
        if why is not None and guest.is_on_host and (guest.id in concerned or places[number] in hot)
    )[:MAX_IMMOVABLE]


def above_band(problem: Problem, after: ClusterState) -> set[int]:
    """The hosts that stay further above the emptiest one than the limit of some metric."""
    hot: set[int] = set()
    for _name, limit, used in _outside(problem, after):
        least = min(used.values())
        hot |= {host for host, value in used.items() if value > least + limit}
    return hot
