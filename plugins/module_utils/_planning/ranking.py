# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a cluster for one guest, the best first, and why the others are not possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .._model.lookup import find_one
from .._model.plan import ClusterState, GuestRef
from .._model.policy.choices import Choices
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .._model.text.wording import listed
from .model.builder import build_problem
from .model.capacity import NoHosts
from .model.eligibility import HostRequirements
from .model.problem import Problem
from .model.rule_counters import RuleCounter
from .model.rules import PINS
from .model.selectors import with_expressions_answered
from .report.cluster_state import cluster_state
from .report.obstacles import amount_of
from .snapshots.estimated_load import with_estimated_load
from .snapshots.policy_overlay import with_policy_applied


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedHost:
    """A host, and what the cluster would be like with the guest there. `why_not`: why that is not possible,
    empty where it is; then nothing else is known. `used`: percent of the host in use then, by metric.
    `rules_broken`: strict rules that do not hold then. `outside`: points outside the band, summed over
    hosts and metrics. `along`: names of the guests that move along.
    """

    id: str
    name: str
    why_not: str = ""
    spread: Mapping[str, float | None]
    used: Mapping[str, float | None]
    rules_broken: tuple[str, ...] = ()
    outside: float = 0.0
    along: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """All hosts but the present one for a guest: those that are possible, the best first, then the others by
    name. `spread` and `rules_broken` are of the cluster as it is.
    """

    guest: GuestRef
    host: str
    spread: Mapping[str, float | None]
    rules_broken: tuple[str, ...]
    hosts: tuple[RankedHost, ...]


def rank_hosts(snapshot: Snapshot, guest: str, policy: Policy) -> Ranking:
    """The best host leaves the fewest strict rules broken, then the fewest points outside the band of the
    policy, then the smallest spreads.

    That the guest was moved, or failed to, a short while ago is no obstacle: a person asks. Raises
    UnknownName and AmbiguousName, and PlanningError.
    """
    wanted = find_one(snapshot.guests, "guest", guest, "guest")
    plain = replace(
        policy,
        goal="evacuate",
        evacuate=NoHosts(),
        relieve=None,
        consolidate=None,
        cool_down=0,
        retry_after=0,
        sustained=1,
        sustained_for=0,
        choices=Choices(),
    )
    answered = with_expressions_answered(plain, snapshot)
    known, applied = with_estimated_load(with_policy_applied(snapshot, answered), answered)
    # Nor is it that it was not measured yet.
    known = replace(
        known,
        guests=tuple(replace(one, sources={}) if one.id == wanted.id else one for one in known.guests),
    )
    ranked = _Ranked(build_problem(known, applied, makes_room=True), wanted.id)
    return ranked.ranking()


class _Ranked:
    def __init__(self, problem: Problem, guest: str) -> None:
        self.problem = problem
        self.guest = problem.index.guest_at[guest]
        self.unit = problem.unit_of.get(self.guest)
        self.members = self._members()
        self.requirements = HostRequirements(problem.index, problem.policy, problem.roles)
        self.counts = self._without_members()

    def _members(self) -> tuple[int, ...]:
        if self.unit is not None:
            return self.problem.members[self.unit]
        # One that no host is found for is no unit: it is that with the guests which a rule keeps beside it.
        home = self.problem.home
        beside = {self.guest}
        for rule in self.problem.rules:
            if rule.strict and rule.kind == "affinity":
                members = self.problem.index.members(rule)
                if self.guest in members:
                    beside |= {one for one in members if home[one] == home[self.guest]}
        return tuple(sorted(beside))

    def _without_members(self) -> list[RuleCounter]:
        """Where the other guests of each group are."""
        counts = []
        for group in self.problem.groups:
            at: dict[int, int] = {}
            for guest in group.guests:
                if guest not in self.members:
                    home = self.problem.home[guest]
                    at[home] = at.get(home, 0) + 1
            counts.append(RuleCounter(group, at))
        return counts

    def ranking(self) -> Ranking:
        problem = self.problem
        now = cluster_state(problem, problem.home)
        home = problem.home[self.guest]
        possible: list[tuple[tuple[object, ...], RankedHost]] = []
        others: list[RankedHost] = []
        for host in range(len(problem.hosts)):
            if host == home:
                continue
            why = next(self._obstacles(host), "")
            if why:
                others.append(self._ranked(host, why_not=why))
                continue
            found = self._after(host)
            spreads = sum(points or 0.0 for points in found.spread.values())
            key = (len(found.rules_broken), round(found.outside, 3), round(spreads, 3), found.name, found.id)
            possible.append((key, found))
        wanted = problem.guests[self.guest]
        return Ranking(
            guest=GuestRef(id=wanted.id, name=wanted.name),
            host=problem.hosts[home].id,
            spread=now.spread,
            rules_broken=self._broken(now),
            hosts=(
                *(found for _key, found in sorted(possible, key=lambda item: item[0])),
                *sorted(others, key=lambda one: (one.name, one.id)),
            ),
        )

    def _after(self, host: int) -> RankedHost:
        problem = self.problem
        places = list(problem.home)
        for member in self.members:
            places[member] = host
        after = cluster_state(problem, places)
        return self._ranked(
            host,
            spread=after.spread,
            used=after.hosts[problem.hosts[host].id].used,
            rules_broken=self._broken(after),
            outside=sum(
                max(0.0, (points or 0.0) - problem.policy.spread_limit(name))
                for name, points in after.spread.items()
            ),
            along=tuple(
                problem.guests[member].name
                for member in self.members
                if member != self.guest and problem.home[member] != host
            ),
        )

    def _ranked(self, host: int, **known: object) -> RankedHost:
        found = self.problem.hosts[host]
        return RankedHost(id=found.id, name=found.name, **{"spread": {}, "used": {}, **known})  # type: ignore[arg-type]

    def _broken(self, state: ClusterState) -> tuple[str, ...]:
        return tuple(violation.rule for violation in state.violations if violation.strict)

    def _obstacles(self, host: int) -> Iterator[str]:
        """Why the guest can't go there, what concerns every host last but for its size."""
        problem = self.problem
        closed = problem.roles.closed[host]
        if closed is not None:
            yield closed[1]
        yield from self._missing(host)
        yield from self._against_rules(host)
        for member in self.members:
            why = problem.stays[member]
            if why is not None and (member != self.guest or not self._only_for_want_of_hosts()):
                name = problem.guests[member].name
                yield why if member == self.guest else f"it moves only with {name}, which stays: {why}"
        yield from self._too_full(host)

    def _only_for_want_of_hosts(self) -> bool:
        """Whether it stays only because no host at all would do; then each host has a reason of its own."""
        receives = self.problem.roles.receives
        others = [host for host in range(len(receives)) if host != self.problem.home[self.guest]]
        return all(
            not receives[host] or any(self._missing(host)) or any(self._against_rules(host))
            for host in others
        )

    def _missing(self, host: int) -> Iterator[str]:
        for member in self.members:
            lacking = [what for what, hosts in self.requirements.of(member).items() if not hosts >> host & 1]
            if lacking:
                of = "" if member == self.guest else f" of {self.problem.guests[member].name}"
                yield f"does not meet a requirement{of}: {listed(lacking, 3)}"

    def _against_rules(self, host: int) -> Iterator[str]:
        problem = self.problem
        for rule in problem.rules:
            if rule.strict and rule.kind in PINS and not problem.index.allowed_hosts(rule) >> host & 1:
                for member in problem.index.members(rule):
                    held = problem.index.allowed_hosts(rule) >> problem.home[member] & 1
                    if member in self.members and (held or rule.enforced):
                        yield f"rule {rule.name} does not allow {problem.guests[member].name} there"
        for counts in self.counts:
            group = counts.group
            many = sum(member in group.guests for member in self.members)
            if many and not counts.allows(host, many, problem.home[self.guest]):
                there = [
                    problem.guests[one].name
                    for one in group.guests
                    if problem.home[one] == host and one not in self.members
                ]
                beside = f" beside {listed(there, 3)}" if there else ""
                yield f"rule {group.name} would not hold with it there{beside}"
        if self.unit is not None and not problem.unit_mask[self.unit] >> host & 1:
            yield "a rule does not allow it there"

    def _too_full(self, host: int) -> Iterator[str]:
        needs = self.problem.needs
        moved = [member for member in self.members if self.problem.home[member] != host]
        for column, resource in enumerate(needs.resources):
            more = sum(needs.guest[member][column] for member in moved)
            total, top = needs.used[host][column] + more, needs.ceiling_for_rules[host][column]
            if more and total > top:
                limit = amount_of(resource, max(0.0, top)).partition(" of ")[0]
                yield f"it would have {amount_of(resource, total)}, and its limit is {limit}"
