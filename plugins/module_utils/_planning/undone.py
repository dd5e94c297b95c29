# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan leaves undone, and why. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .._model.plan import ClusterState, GuestRef, Immovable, Unresolved
from .._model.snapshot import Rule
from .along import others_of
from .conflicts import too_many_for_their_hosts
from .explain import label
from .obstacles import above_limits, held_there, kept_together, out_of_moves, takes_no_more, too_large
from .problem import Problem
from .relief_told import hot_after
from .rules import UNKNOWN

MOST_IMMOVABLE = 200


def is_complete(unresolved: Sequence[Unresolved]) -> bool:
    """Whether everything that can be asked for is done: a metric that no host reports can't, and no goal
    brings a host below a limit that counts for what comes to it.
    """
    return all(item.what.startswith(("metric ", "limits of ")) for item in unresolved)


def over_limits(problem: Problem, places: Sequence[int]) -> list[Unresolved]:
    """The hosts that are above a limit of the policy, and stay so."""
    return [
        Unresolved(what=f"limits of host {problem.hosts[host].name}", why="; ".join(texts))
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
            )
        )
    return found


def _outside(problem: Problem, after: ClusterState) -> Iterator[tuple[str, float, Mapping[int, float]]]:
    """The metrics that stay further apart than they may: name, limit in points, percent in use by host."""
    metrics = problem.metrics
    for name, limit, counted in zip(metrics.names, metrics.limits, metrics.counted, strict=True):
        spread = after.spread[name]
        if spread is not None and spread > limit + 1e-3:
            yield name, limit, {h: after.hosts[problem.hosts[h].id].used[name] or 0.0 for h in counted}


def broken_rules(
    problem: Problem, places: Sequence[int], after: ClusterState, told: set[str]
) -> list[Unresolved]:
    """The strict rules that stay broken and are not yet explained."""
    rules = {rule.name: rule for rule in problem.rules}
    index = {guest.id: number for number, guest in enumerate(problem.guests)}
    found = []
    for violation in after.violations:
        rule = rules[violation.rule]
        if not rule.strict or f"rule {rule.name}" in told:
            continue
        fixed = [
            f"{problem.guests[g].name} stays on {problem.hosts[places[g]].name} ({problem.stays[g]})"
            for g in (index[guest] for guest in rule.guests)
            if problem.stays[g] is not None
        ]
        why = (
            _crowds(problem, rule, index)
            or kept_together(problem, rule, places, index)
            or "; ".join(fixed[:3])
            or out_of_moves(problem, places)
            or "no host has room without breaking another rule or limit"
        )
        found.append(Unresolved(what=f"rule {rule.name}", why=f"{violation.detail}; {why}"))
    return found


def contradicts(problem: Problem) -> bool:
    """Whether a strict rule can't hold, whatever moves: found while the problem was built, or because guests
    that are to be apart have too few hosts among them.
    """
    return any(
        item.what.startswith("rule ") and UNKNOWN not in item.why for item in problem.unresolved
    ) or any(
        group.torn
        or (
            group.strict
            and group.kind == "apart"
            and too_many_for_their_hosts(_places(problem, group.guests))
        )
        for group in problem.groups
    )


def _crowds(problem: Problem, rule: Rule, index: Mapping[str, int]) -> str | None:
    """Too few hosts for guests that are to be apart, by this rule or by another that concerns its guests."""
    if rule.kind == "anti_affinity":
        crowd = _crowd(problem, [index[guest] for guest in rule.guests])
        return crowd and f"{crowd} (even_spread can)"
    for other in problem.rules:
        if other.kind == "anti_affinity" and other.strict and set(other.guests) & set(rule.guests):
            crowd = _crowd(problem, [index[guest] for guest in other.guests])
            if crowd:
                return f"with rule {other.name}, {crowd}"
    return None


def _crowd(problem: Problem, guests: Sequence[int]) -> str | None:
    """The fewest of these guests that can't be apart because they have too few hosts among them."""
    found = too_many_for_their_hosts(_places(problem, guests))
    if found is None:
        return None
    crowd, mask = found
    hosts = [host.name for index, host in enumerate(problem.hosts) if mask >> index & 1]
    names = ", ".join(problem.guests[guest].name for guest in crowd[:10])
    where = f": {', '.join(hosts)}" if len(hosts) < sum(problem.roles.receives) else ""
    many = f"{len(crowd)} guests" + (f" ({names})" if len(crowd) < len(guests) else "")
    return f"{many} can't be apart on {len(hosts)} host{'s' * (len(hosts) != 1)}{where}"


def _places(problem: Problem, guests: Sequence[int]) -> dict[int, int]:
    """By guest, a bit mask of the hosts where it may end up."""
    unit_of = problem.unit_of
    # With goal rules nobody has to leave a host only because it is in maintenance.
    may_stay = {
        guest: problem.policy.goal == "rules"
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


def stranded(problem: Problem, places: Sequence[int]) -> list[Unresolved]:
    """Hosts in maintenance, or to be emptied, that still run guests."""
    found = []
    state = "to be emptied" if problem.policy.goal == "evacuate" else "in maintenance"
    for host, leaving in enumerate(problem.roles.leaving):
        left = left_on(problem, places, host) if leaving else []
        if left:
            texts = [f"{problem.guests[g].name} ({_why_left(problem, places, g)})" for g in left]
            more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
            found.append(
                Unresolved(
                    what=f"host {problem.hosts[host].name} {state}",
                    why=f"it still runs {', '.join(texts[:5])}{more}",
                )
            )
    return found


def left_on(problem: Problem, places: Sequence[int], host: int) -> list[int]:
    """The guests of a host that would have to leave for it to be empty."""
    return [guest for guest, place in enumerate(places) if place == host and problem.occupies[guest]]


def _why_left(problem: Problem, places: Sequence[int], guest: int) -> str:
    known = (
        problem.stays[guest]
        or too_large(problem, guest, problem.needs.ceiling_for_rules)
        or out_of_moves(problem, places)
    )
    if known is not None:
        return known
    others = others_of(problem.rules, problem.guests[guest].id)
    names = ", ".join(item.name for item in problem.guests if item.id in others)
    along = f" for it with {names}, which the platform moves along," if names else ""
    return f"no other host has room{along} or keeps its rules"


def immovable(problem: Problem, places: Sequence[int], after: ClusterState) -> tuple[Immovable, ...]:
    """Guests that can't be moved although their host stays too full, or is to be emptied, or their rule
    broken.
    """
    emptied = problem.policy.goal == "evacuate"
    if emptied:
        return tuple(
            Immovable(
                guest=GuestRef(id=problem.guests[guest].id, name=problem.guests[guest].name),
                host=problem.hosts[host].id,
                why=_why_left(problem, places, guest),
            )
            for host, leaving in enumerate(problem.roles.leaving)
            for guest in (left_on(problem, places, host) if leaving else ())
        )
    broken = {violation.rule for violation in after.violations}
    concerned = {
        guest for rule in problem.rules if rule.name in broken and rule.strict for guest in rule.guests
    }
    hot = _hot_hosts(problem, after)
    return tuple(
        Immovable(
            guest=GuestRef(id=guest.id, name=guest.name), host=problem.hosts[places[number]].id, why=why
        )
        for number, (guest, why) in enumerate(zip(problem.guests, problem.stays, strict=True))
        if why is not None and guest.is_on_host and (guest.id in concerned or places[number] in hot)
    )[:MOST_IMMOVABLE]


def _hot_hosts(problem: Problem, after: ClusterState) -> set[int]:
    hot: set[int] = set()
    if problem.policy.goal == "consolidate":
        return hot
    if problem.policy.goal == "relieve":
        return hot_after(problem, after)
    for _name, limit, used in _outside(problem, after):
        least = min(used.values())
        hot |= {host for host, value in used.items() if value > least + limit}
    return hot
