# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster of a page: hosts, guests and migrations, before and after, as plain figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from .._model.outcome import MigrationOutcome, Outcome
from .._model.placement import Placed, Placement
from .._model.plan import ClusterState, HostState, Migration, Plan, Violation
from .._model.policy.policy import Policy
from .._model.snapshot import Host, Rule, Snapshot
from .._planning.model.builder import build_problem
from .._planning.model.capacity import with_hosts_closed
from .._planning.model.metrics import ANY_SPREAD
from .._planning.model.problem import Problem
from .._planning.model.selectors import with_expressions_answered
from .._planning.planner import plan_defects
from .._planning.report.cluster_state import cluster_state
from .._planning.report.reasons import label
from .._planning.snapshots.estimated_load import with_estimated_load
from .._planning.snapshots.policy_overlay import with_policy_applied
from .._planning.tolerances import REPORTED_POINTS
from .given import Given

ARRIVED: Final = ("migrated", "already_there")
NOWHERE: Final = -1
# Of a guest that the planner leaves alone, and that could be migrated.
NOT_ASKED: Final = "only other hosts are being emptied"
_RULE_WORDS: Final[Mapping[str, str]] = {
    "affinity": "together",
    "anti_affinity": "apart",
    "even_spread": "evenly spread",
    "host_affinity": "only on",
    "host_anti_affinity": "never on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The window that all hosts are to be in, in percent: as high as the policy's max_spread."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricView:
    """One metric. axis: the percentage at the top of its pictures. allowed: points of spread, None where the
    policy does not level it. limit, overload, relieved: percent, None where the policy has none.
    """

    name: str
    label: str
    axis: float
    spread: tuple[float | None, float | None]
    allowed: float | None = None
    band: Band | None = None
    limit: float | None = None
    overload: float | None = None
    relieved: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host: percent in use by metric before and after, its running guests before and after, and what is
    special about it. own: percent that no guest explains; capacity: by metric, relative to the largest host.
    """

    id: str
    name: str
    used: tuple[Mapping[str, float | None], Mapping[str, float | None]]
    guests: tuple[int, int]
    note: str = ""
    own: Mapping[str, float] | None = None
    capacity: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestView:
    """One guest. host and target: positions among the hosts, NOWHERE for one that is not created yet.
    load: percent of the largest host by metric; stays: why it is not migrated, empty where it may be; fixed:
    whether it can't be.
    """

    id: str
    name: str
    host: int
    target: int
    state: str
    cores: float | None
    memory: float | None
    load: Mapping[str, float]
    rules: tuple[int, ...] = ()
    stays: str = ""
    fixed: bool = False
    on_host: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule over guests, in words."""

    name: str
    says: str
    strict: bool
    source: str
    broken: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One change of the pictures: a guest, by position, from a host to a host."""

    step: int
    guest: int
    source: int
    target: int
    wave: int
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """Everything that the pictures show. changes: whether `after` is what a plan, a run or a placement leads
    to. defects: what a second check of the plan objects to, None where it could not be made.
    """

    metrics: tuple[MetricView, ...]
    hosts: tuple[HostView, ...]
    guests: tuple[GuestView, ...]
    rules: tuple[RuleView, ...]
    steps: tuple[StepView, ...]
    before: ClusterState
    after: ClusterState
    changes: Literal["none", "planned", "run", "placed"]
    defects: tuple[str, ...] | None = None

    def host_name(self, host_id: str) -> str:
        host = self.before.hosts.get(host_id)
        return host.name if host else host_id


def view_of(given: Given) -> ClusterView | None:
    """None where no document has hosts."""
    return given.once("view", _view)


def _view(given: Given) -> ClusterView | None:
    if given.snapshot is not None:
        return _with_guests(given, given.snapshot)
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
        metrics=_metrics(given, plan.policy, before, after, asleep, {}),
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


@dataclass(frozen=True, slots=True)
class _Way:
    """How a snapshot changes: who goes where in which order, and why the pictures show it."""

    steps: tuple[StepView, ...]
    changes: Literal["none", "planned", "run", "placed"]


def _with_guests(given: Given, snapshot: Snapshot) -> ClusterView:
    plan = given.plan or (given.placement.plan if given.placement else None)
    policy = plan.policy if plan else Policy()
    answered = with_expressions_answered(policy, snapshot)
    known, wanted = with_estimated_load(with_policy_applied(snapshot, answered), answered)
    problem = build_problem(with_hosts_closed(known, wanted), wanted)
    # Guests may wait on hosts that are to be empty in the end.
    shelters = frozenset(host.id for host in known.hosts if host.active)
    at_host = {host.id: number for number, host in enumerate(problem.hosts)}
    at_guest = {guest.id: number for number, guest in enumerate(problem.guests)}
    created = _created(given.placement, at_host)
    way = _way(given, plan, at_host, at_guest, len(problem.guests), created)
    places = list(problem.home)
    for step in way.steps:
        if step.guest < len(places):
            places[step.guest] = step.target
    before = cluster_state(problem, problem.home)
    after = cluster_state(problem, places)
    if given.plan is not None:
        # The planner's own figures, which leave out what it empties.
        before = given.plan.before
        after = given.plan.after if way.changes == "planned" else after
    loads = _Loads(problem, policy, tuple(before.spread))
    targets = {step.guest: step.target for step in way.steps}
    rules = _rules(problem, before.violations, after.violations)
    rules_of = _rules_of(problem)
    guests = [
        GuestView(
            id=guest.id,
            name=guest.name,
            host=problem.home[number],
            target=targets.get(number, problem.home[number]),
            state=guest.run_state or guest.power,
            cores=guest.assigned.get("cpu"),
            memory=guest.assigned.get("memory"),
            load=loads.of_guest(number),
            rules=rules_of.get(number, ()),
            stays=problem.stays[number] or "" if number not in targets else "",
            fixed=number not in targets and problem.stays[number] not in (None, NOT_ASKED),
            on_host=guest.is_on_host,
        )
        for number, guest in enumerate(problem.guests)
    ]
    guests += [_new_guest(placed, at_host, loads) for placed in created]
    after = _with_created(after, created, loads, at_host)
    leaving = {problem.hosts[number].id for number, leaves in enumerate(problem.roles.leaving) if leaves}
    originals = {host.id: host for host in snapshot.hosts}
    hosts = tuple(
        HostView(
            id=host.id,
            name=host.name,
            used=(before.hosts[host.id].used, after.hosts[host.id].used),
            guests=(before.hosts[host.id].guests, after.hosts[host.id].guests),
            note=_note(originals[host.id], host, host.id in leaving, plan),
            own=loads.own(number),
            capacity=loads.relative_capacity(number),
        )
        for number, host in enumerate(problem.hosts)
    )
    asleep = frozenset(
        name
        for name, limit in zip(problem.metrics.names, problem.metrics.limits, strict=True)
        if limit >= ANY_SPREAD
    )
    counted = {
        name: frozenset(problem.hosts[host].id for host in which)
        for name, which in zip(problem.metrics.names, problem.metrics.counted, strict=True)
    }
    return ClusterView(
        metrics=_metrics(given, plan.policy if plan else None, before, after, asleep, counted),
        hosts=hosts,
        guests=tuple(guests),
        rules=rules,
        steps=way.steps,
        before=before,
        after=after,
        changes=way.changes,
        defects=_defects(problem, given.plan, shelters),
    )


def _defects(problem: Problem, plan: Plan | None, shelters: frozenset[str]) -> tuple[str, ...] | None:
    """What the verifier, which knows nothing of how a plan is made, objects to."""
    if plan is None or not plan.migrations:
        return None
    closed = {host.id for host in problem.snapshot.hosts if not host.active}
    return plan_defects(problem, plan, shelters & closed)


def _way(
    given: Given,
    plan: Plan | None,
    at_host: Mapping[str, int],
    at_guest: Mapping[str, int],
    first_new: int,
    created: Sequence[Placed],
) -> _Way:
    migrations: Sequence[Migration | MigrationOutcome] = plan.migrations if plan else ()
    changes: Literal["none", "planned", "run", "placed"] = "planned" if migrations else "none"
    if given.outcome is not None and given.outcome.status != "planned":
        migrations, changes = _done(given.outcome), "run"
    waves = {migration.step: migration for migration in plan.migrations} if plan else {}
    steps = []
    for migration in migrations:
        source, target = at_host.get(migration.source), at_host.get(migration.target)
        guest = at_guest.get(migration.guest.id)
        if source is None or target is None or guest is None:
            continue
        planned = waves.get(migration.step)
        step = StepView(
            step=migration.step,
            guest=guest,
            source=source,
            target=target,
            wave=planned.wave if planned else 1,
            kind=planned.kind if planned else "manual",
            why=planned.why if planned else "undoes an earlier step" if waves else "",
        )
        steps.append(step)
        for moved in migration.along if isinstance(migration, MigrationOutcome) else ():
            if moved.guest.id in at_guest and moved.source in at_host:
                why = f"the platform moved it along with {migration.guest.name}"
                place = {"guest": at_guest[moved.guest.id], "source": at_host[moved.source]}
                steps.append(replace(step, **place, kind="along", why=why))
    if created:
        wave = max((step.wave for step in steps), default=0) + 1
        number = max((step.step for step in steps), default=0)
        changes = "placed"
        steps += [
            StepView(
                step=number + offset + 1,
                guest=first_new + offset,
                source=NOWHERE,
                target=at_host[placed.host.id],
                wave=wave,
                kind="new",
                why="is created here",
            )
            for offset, placed in enumerate(created)
        ]
    return _Way(tuple(steps), changes)


def _done(outcome: Outcome) -> list[MigrationOutcome]:
    """What has really moved, in the order in which it arrived; those of nobody's run first."""
    moved = [migration for migration in outcome.migrations if migration.result in ARRIVED]
    return sorted(moved, key=lambda migration: (migration.ended_at or "", migration.step))


def _created(placement: Placement | None, at_host: Mapping[str, int]) -> list[Placed]:
    return [
        placed
        for placed in (placement.placements if placement else ())
        if placed.state != "present" and placed.host.id in at_host
    ]


class _Loads:
    """Loads in percent, by metric, so that guests and hosts of different size can be put side by side."""

    def __init__(self, problem: Problem, policy: Policy, metrics: Sequence[str]) -> None:
        self._problem, self._policy = problem, policy
        self._columns = {
            name: problem.metrics.names.index(name) for name in metrics if name in problem.metrics.names
        }
        self._capacity = {
            name: [problem.capacity(host, column) for host in range(len(problem.hosts))]
            for name, column in self._columns.items()
        }
        on: list[list[int]] = [[] for _host in problem.hosts]
        for guest, home in enumerate(problem.home):
            if problem.guests[guest].is_on_host:
                on[home].append(guest)
        self._guests_on = on
        self._largest = {
            name: max((value for value in capacities if value), default=1.0)
            for name, capacities in self._capacity.items()
        }

    def of_guest(self, guest: int) -> dict[str, float]:
        if not self._problem.guests[guest].is_on_host:
            return dict.fromkeys(self._columns, 0.0)
        return {
            name: round(100.0 * self._problem.metrics.guest[guest][column] / self._largest[name], 3)
            for name, column in self._columns.items()
        }

    def of_amounts(self, cpu: float, memory: float) -> dict[str, float]:
        """Of a guest that is not created yet, which is taken to use what it is assigned."""
        amounts = {"cpu": cpu, "vcpu": cpu, "memory": memory}
        return {
            name: round(100.0 * amounts.get(name, 0.0) / self._largest[name], 3) for name in self._columns
        }

    def relative_capacity(self, host: int) -> dict[str, float]:
        """0 where it is not known."""
        return {
            name: round((self._capacity[name][host] or 0.0) / self._largest[name], 5)
            for name in self._columns
        }

    def own(self, host: int) -> dict[str, float]:
        """Percent that none of its guests explains."""
        problem, found = self._problem, {}
        for name, column in self._columns.items():
            capacity = self._capacity[name][host]
            if capacity:
                theirs = sum(problem.metrics.guest[guest][column] for guest in self._guests_on[host])
                rest = problem.metrics.host[host][column] - theirs
                found[name] = round(max(0.0, 100.0 * rest / capacity), 3)
        return found


def _new_guest(placed: Placed, at_host: Mapping[str, int], loads: _Loads) -> GuestView:
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
    state: ClusterState, created: Sequence[Placed], loads: _Loads, at_host: Mapping[str, int]
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


def _metrics(
    given: Given,
    policy: Policy | None,
    before: ClusterState,
    after: ClusterState,
    asleep: frozenset[str],
    counted: Mapping[str, frozenset[str]],
) -> tuple[MetricView, ...]:
    """In the order of the policy, the one that is to be shown first at the start."""
    names = [
        name
        for name in before.spread
        if any(host.used.get(name) is not None for host in before.hosts.values())
    ]
    if given.metric in names:
        names.sort(key=lambda name: name != given.metric)
    found = []
    relief = policy.relieve if policy is not None and policy.goal == "relieve" else None
    overload, relieved = (relief.overload.percents(), relief.ceilings()) if relief else ({}, {})
    limits = {"cpu": policy.limits.cpu, "memory": policy.limits.memory} if policy else {}
    if policy is not None and policy.demand != "used":
        limits = {}
    for name in names:
        levelled = policy is not None and policy.goal == "spread" and name not in asleep
        allowed = policy.spread_limit(name) if policy and levelled else None
        values = [
            value
            for id_, host in after.hosts.items()
            if (value := host.used.get(name)) is not None and (name not in counted or id_ in counted[name])
        ]
        every = [
            value
            for state in (before, after)
            for host in state.hosts.values()
            if (value := host.used.get(name)) is not None
        ]
        top = max([100.0, *every])
        found.append(
            MetricView(
                name=name,
                label=metric_label(name),
                axis=100.0 if top <= 100.0 else -(-top // 50) * 50.0,
                spread=(before.spread.get(name), after.spread.get(name)),
                allowed=allowed,
                band=_band(values, allowed),
                limit=limits.get(name),
                overload=overload.get(name),
                relieved=relieved.get(name),
            )
        )
    return tuple(found)


def _band(values: Sequence[float], allowed: float | None) -> Band | None:
    """The window around where the hosts end; around most of them, where it can't hold all."""
    if allowed is None or not values:
        return None
    low = (max(values) + min(values) - allowed) / 2
    if max(values) - min(values) > allowed + REPORTED_POINTS:
        middle = low

        def holds(start: float) -> tuple[int, float]:
            inside = sum(start <= value <= start + allowed for value in values)
            return inside, -abs(start - middle)

        low = max(values, key=holds)
    low = max(0.0, low)
    return Band(low=round(low, 3), high=round(low + allowed, 3))


def metric_label(name: str) -> str:
    """Such as CPU, memory, disk I/O."""
    return label(name).replace("vcpu", "vCPU").replace("cpu", "CPU").replace("pressure io", "pressure I/O")


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
