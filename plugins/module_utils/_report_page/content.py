# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster of a page, from its documents: hosts, guests and migrations, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from .._model.placement import Placed
from .._model.plan import ClusterState, HostState, Plan, Violation
from .._model.policy.policy import Policy
from .._model.snapshot import Host, Rule, Snapshot
from .._planning.model.builder import build_problem
from .._planning.model.capacity import with_hosts_closed
from .._planning.model.metrics import ANY_SPREAD
from .._planning.model.problem import Problem
from .._planning.model.selectors import with_expressions_answered
from .._planning.report.cluster_state import cluster_state
from .._planning.snapshots.estimated_load import with_estimated_load
from .._planning.snapshots.policy_overlay import with_policy_applied
from .given import Given
from .loads import Loads
from .metrics import metric_views
from .second_opinion import host_defects
from .steps import created_guests, way_of
from .view import NOWHERE, ClusterView, GuestView, HostView, RuleView

# Of a guest that the planner leaves alone, and that could be migrated.
NOT_ASKED: Final = "only other hosts are being emptied"
_RULE_WORDS: Final[Mapping[str, str]] = {
    "affinity": "together",
    "anti_affinity": "apart",
    "even_spread": "evenly spread",
    "host_affinity": "only on",
    "host_anti_affinity": "never on",
}


def view_of(given: Given) -> ClusterView | None:
    """None where no document has hosts."""
    return given.once("view", _view)


def _view(given: Given) -> ClusterView | None:
    if given.snapshot is not None:
        return _Reader(given, given.snapshot).view()
    if given.plan is not None:
        return _from_plan(given, given.plan)
    return None


def _from_plan(given: Given, plan: Plan) -> ClusterView:
    """Hosts alone: a plan has no figures of the guests that stay."""
    before, after = plan.before, plan.after
    hosts = tuple(
        HostView(
            id=id_,
            name=host.name,
            used=(host.used, after.hosts[id_].used if id_ in after.hosts else {}),
            guests=(host.guests, after.hosts[id_].guests if id_ in after.hosts else host.guests),
            note=_note_of_plan(plan, id_),
        )
        for id_, host in before.hosts.items()
    )
    asleep = frozenset(
        name
        for name in before.spread
        if max((host.used.get(name) or 0.0 for host in before.hosts.values()), default=0.0)
        < plan.policy.levelled_from(name)
    )
    return ClusterView(
        metrics=metric_views(given, plan.policy, before, after, asleep, {}),
        hosts=hosts,
        guests=(),
        rules=(),
        steps=(),
        before=before,
        after=after,
        changes="planned" if plan.migrations else "none",
    )


def _note_of_plan(plan: Plan, host: str) -> str:
    return "becomes empty" if host in plan.emptied else ""


class _Reader:
    """Reads a snapshot, and what a plan, a run or a placement changes in it."""

    def __init__(self, given: Given, snapshot: Snapshot) -> None:
        self.given, self.snapshot = given, snapshot
        self.plan = given.plan or (given.placement.plan if given.placement else None)
        policy = self.plan.policy if self.plan else Policy()
        answered = with_expressions_answered(policy, snapshot)
        known, wanted = with_estimated_load(with_policy_applied(snapshot, answered), answered)
        self.known, self.wanted = known, wanted
        self.problem = build_problem(with_hosts_closed(known, wanted), wanted)
        # Guests may wait on hosts that are to be empty in the end.
        self.shelters = frozenset(host.id for host in known.hosts if host.active)
        self.at_host = {host.id: number for number, host in enumerate(self.problem.hosts)}
        at_guest = {guest.id: number for number, guest in enumerate(self.problem.guests)}
        self.created = created_guests(given.placement, self.at_host)
        self.way = way_of(given, self.plan, self.at_host, at_guest, self.created)
        self.targets = {step.guest: step.target for step in self.way.steps}
        self.loads = Loads(self.problem, policy.metrics)
        self.before, self.after = self._states()

    def _states(self) -> tuple[ClusterState, ClusterState]:
        problem = self.problem
        places = [self.targets.get(guest, home) for guest, home in enumerate(problem.home)]
        before, after = cluster_state(problem, problem.home), cluster_state(problem, places)
        if self.given.plan is not None:
            # The planner's own figures, which leave out what it empties.
            before = self.given.plan.before
            after = self.given.plan.after if self.way.changes == "planned" else after
        return before, _with_created(after, self.created, self.loads, self.at_host)

    def view(self) -> ClusterView:
        metrics = self.problem.metrics
        asleep = frozenset(
            name for name, limit in zip(metrics.names, metrics.limits, strict=True) if limit >= ANY_SPREAD
        )
        counted = {
            name: frozenset(self.problem.hosts[host].id for host in which)
            for name, which in zip(metrics.names, metrics.counted, strict=True)
        }
        policy = self.plan.policy if self.plan else None
        return ClusterView(
            metrics=metric_views(self.given, policy, self.before, self.after, asleep, counted),
            hosts=tuple(self._host(number) for number in range(len(self.problem.hosts))),
            guests=self._guests(),
            rules=_rules(self.problem, self.before.violations, self.after.violations),
            steps=self.way.steps,
            before=self.before,
            after=self.after,
            changes=self.way.changes,
            defects=self._defects(),
        )

    def _defects(self) -> tuple[str, ...] | None:
        """What the verifier, which knows nothing of how a plan is made, objects to."""
        plan = self.given.plan
        if plan is None or not plan.migrations:
            return None
        return host_defects(self.problem, self.known, self.wanted, plan, self.shelters)

    def _host(self, number: int) -> HostView:
        host = self.problem.hosts[number]
        before, after = self.before.hosts[host.id], self.after.hosts[host.id]
        return HostView(
            id=host.id,
            name=host.name,
            used=(before.used, after.used),
            guests=(before.guests, after.guests),
            note=_note(self.snapshot.hosts[number], host, self.problem.roles.leaving[number], self.plan),
            own=self.loads.own(number),
            capacity=self.loads.relative_capacity(number),
        )

    def _guests(self) -> tuple[GuestView, ...]:
        problem, targets = self.problem, self.targets
        rules_of = _rules_of(problem)
        present = tuple(
            GuestView(
                id=guest.id,
                name=guest.name,
                host=problem.home[number],
                target=targets.get(number, problem.home[number]),
                state=guest.run_state or guest.power,
                cores=guest.assigned.get("cpu"),
                memory=guest.assigned.get("memory"),
                load=self.loads.of_guest(number),
                rules=rules_of.get(number, ()),
                stays=problem.stays[number] or "" if number not in targets else "",
                fixed=number not in targets and problem.stays[number] not in (None, NOT_ASKED),
                on_host=guest.is_on_host,
            )
            for number, guest in enumerate(problem.guests)
        )
        return (*present, *(_new_guest(placed, self.at_host, self.loads) for placed in self.created))


def _new_guest(placed: Placed, at_host: Mapping[str, int], loads: Loads) -> GuestView:
    return GuestView(
        id=placed.name,
        name=placed.name,
        host=NOWHERE,
        target=at_host[placed.host.id],
        state="reserved" if placed.state == "held" else "new",
        cores=placed.cpu,
        memory=placed.memory,
        load=loads.of_amounts(placed.cpu, placed.memory),
    )


def _with_created(
    state: ClusterState, created: Sequence[Placed], loads: Loads, at_host: Mapping[str, int]
) -> ClusterState:
    """The state with the new guests on their hosts, which take what they are assigned."""
    if not created:
        return state
    hosts = dict(state.hosts)
    for placed in created:
        host = hosts[placed.host.id]
        capacity = loads.relative_capacity(at_host[placed.host.id])
        more = loads.of_amounts(placed.cpu, placed.memory)
        used = {
            name: value if value is None or not capacity.get(name) else value + more[name] / capacity[name]
            for name, value in host.used.items()
        }
        hosts[placed.host.id] = HostState(name=host.name, used=used, guests=host.guests + 1)
    spread: dict[str, float | None] = {}
    for name in state.spread:
        values = [value for host in hosts.values() if (value := host.used.get(name)) is not None]
        spread[name] = max(values) - min(values) if values else None
    return replace(state, hosts=hosts, spread=spread)


def _note(original: Host, host: Host, leaving: bool, plan: Plan | None) -> str:
    because = f": {original.closed_because}" if original.closed_because else ""
    if original.status != "online":
        return original.status
    if original.maintenance:
        return f"in maintenance{because}"
    if leaving:
        return "to be emptied"
    if plan and host.id in plan.emptied:
        return "becomes empty"
    if not original.schedulable:
        return f"takes no guests{because}"
    return ""


def _rules_of(problem: Problem) -> Mapping[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for number, rule in enumerate(problem.rules):
        for guest in problem.index.members(rule):
            found.setdefault(guest, []).append(number)
    return {guest: tuple(rules) for guest, rules in found.items()}


def _rules(problem: Problem, before: Sequence[Violation], after: Sequence[Violation]) -> tuple[RuleView, ...]:
    first = {violation.rule: violation.detail for violation in before}
    last = {violation.rule: violation.detail for violation in after}
    return tuple(
        RuleView(
            name=rule.name,
            says=_in_words(problem, rule),
            strict=rule.strict,
            source=rule.source,
            broken=(first.get(rule.name, ""), last.get(rule.name, "")),
        )
        for rule in problem.rules
    )


def _in_words(problem: Problem, rule: Rule) -> str:
    words = _RULE_WORDS[rule.kind]
    if rule.kind in ("host_affinity", "host_anti_affinity"):
        return f"{words} {', '.join(map(problem.index.host_name, rule.hosts)) or 'no host of this cluster'}"
    return words
