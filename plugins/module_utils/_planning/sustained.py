# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acting only on what has been out of its band for a while, by the readings of earlier runs.

A metric, an overloaded host and a broken rule each have their own count, so that a spike of one reading moves
no guest even where something else has been wrong for long. What waits is taken out of the policy that is
planned with, and is reported as not resolved afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from .._model.plan import ClusterState, OutOfBand, Plan, Proof, Sustained, Unresolved, UnresolvedCode
from .._model.policy.policy import Policy
from .._model.selector import Selector
from .._model.snapshot import Reading, Snapshot
from .._model.text.moments import read_moment
from .._model.text.wording import listed
from .errors import PlanningError
from .external_balancer import defers
from .model.builder import build_problem
from .model.capacity import with_hosts_closed
from .model.problem import Problem
from .model.selectors import with_expressions_answered
from .model.thresholds import PartialRelief, overloaded, overloads, points_before, relief_of
from .report.cluster_state import cluster_state
from .report.notices import unread_notices
from .report.reasons import label
from .shortfall import shortfall
from .snapshots.after_migrations import snapshot_after
from .snapshots.estimated_load import with_estimated_load
from .snapshots.policy_overlay import with_policy_applied
from .tolerances import POINTS, REPORTED_POINTS

# Rounds of one run read a cluster again after seconds.
SAME_READING_SECONDS: Final = 60.0
# How far apart consecutive readings may be: where only their number counts, and as a multiple of the time.
LONGEST_GAP_SECONDS: Final = 2 * 86_400.0
GAP_FACTOR: Final = 1.5
MAX_HOSTS: Final = 5
_GOALS: Final = ("spread", "relieve", "rules")
_LIMITED: Final = ("cpu", "memory")

# None where a reading does not say.
WasOut = Callable[[Reading], "bool | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the cluster that is out of its band. `lost`: an earlier reading that is too far away from the
    next to count; `full`: hosts above a limit, for which it does not wait.
    """

    code: UnresolvedCode
    subject: str
    what: str
    readings: int
    since: str
    enough: bool
    lost: str | None = None
    full: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        return self.enough or bool(self.full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What waits and what does not, and the policy that is planned with; None to plan nothing."""

    parts: tuple[Part, ...]
    waiting: tuple[Part, ...]
    policy: Policy | None
    now: str


def hold_back(snapshot: Snapshot, policy: Policy) -> Held | None:
    """What has to wait by the policy's `sustained`; None where the policy does not wait.

    Raises PlanningError where the snapshot has no readings of earlier runs.
    """
    if not policy.waits or policy.goal not in _GOALS or defers(snapshot, policy):
        return None
    if snapshot.readings is None:
        option = "sustained" if policy.sustained > 1 else "sustained_for"
        raise PlanningError(
            "the readings of earlier runs are required, and the snapshot has none: they were not asked for,"
            " or there is no state database that lasts",
            where=f"policy.{option}",
            hint="Set sustained and sustained_for of cluster_facts to the same values, and state_url to a"
            " database that both modules can use",
        )
    answered = with_expressions_answered(policy, snapshot)
    known, wanted = with_estimated_load(with_policy_applied(snapshot, answered), answered)
    problem = build_problem(with_hosts_closed(known, wanted), wanted)
    state = cluster_state(problem, problem.home)
    parts = [*_metrics(problem, state, snapshot, policy), *_hosts(problem, state, snapshot, policy)]
    levels = any(part.acts for part in parts)
    waiting = [part for part in parts if not part.acts]
    if "rules" not in policy.sustained_except:
        rules = list(_rules(problem, state, snapshot, policy))
        parts += rules
        if not levels and not any(part.acts for part in rules):
            waiting += rules
    rules_wait = any(part.code == "rule_broken" for part in waiting)
    return Held(
        parts=tuple(parts),
        waiting=tuple(waiting),
        policy=_emptying(known, policy) if rules_wait else _without(policy, waiting, state),
        now=snapshot.taken_at,
    )


def plan_held(snapshot: Snapshot, policy: Policy, held: Held, make: Callable[[Policy], Plan]) -> Plan:
    """The plan for what does not wait, with what waits as not resolved. `make` plans with a policy."""
    found = _no_migrations(snapshot, policy) if held.policy is None else make(held.policy)
    told = {(item.code, item.subject) for item in found.unresolved}
    waiting = {(part.code, part.subject): part for part in held.waiting}
    entries = [
        Unresolved(
            what=item.what,
            why=f"{_waits(waiting[item.code, item.subject], policy, held.now)}; {item.why}",
            code="not_sustained",
            subject=item.subject,
        )
        for item in (shortfall(snapshot_after(snapshot, found), policy) if waiting else ())
        if (item.code, item.subject) in waiting and (item.code, item.subject) not in told
    ]
    found = replace(
        found,
        policy=policy,
        sustained=_sustained(policy, held),
        notices=(*found.notices, *(_notice(part, held, policy) for part in held.parts)),
    )
    if not entries:
        return found
    status = found.status if found.status == "infeasible" else "unchanged"
    return replace(
        found,
        status="improved" if found.migrations else status,
        unresolved=(*entries, *found.unresolved),
        # A plan that leaves something undone on purpose proves nothing.
        proof=replace(found.proof, migrations_lower_bound=0, optimal=False),
    )


def _without(policy: Policy, waiting: list[Part], state: ClusterState) -> Policy:
    """The policy that leaves alone what waits: a metric may stay as far apart as it is."""
    if not waiting:
        return policy
    if policy.goal == "relieve" and policy.relieve is not None:
        hosts = frozenset(part.subject for part in waiting)
        relief = PartialRelief(
            overload=policy.relieve.overload,
            target=policy.relieve.target,
            first=policy.relieve.first,
            density_weight=policy.relieve.density_weight,
            waiting=hosts,
        )
        return replace(policy, relieve=relief)
    limits: dict[str, float] = {metric: policy.spread_limit(metric) for metric in policy.metrics}
    for part in waiting:
        limits[part.subject] = (state.spread[part.subject] or 0.0) + REPORTED_POINTS
    return replace(policy, max_spread=limits)


def _emptying(known: Snapshot, policy: Policy) -> Policy | None:
    """The policy that only empties hosts in maintenance, and brings guests where they are pinned by choice,
    which leaves broken rules elsewhere as they are.
    """
    if policy.goal != "spread" and not policy.choices.pinned:
        return None
    occupied = {guest.host for guest in known.guests if guest.is_on_host}
    empties = policy.goal == "spread"
    names = tuple(host.id for host in known.hosts if empties and host.maintenance and host.id in occupied)
    if not names and not policy.choices.pinned:
        return None
    return replace(policy, goal="evacuate", evacuate=Selector(names=names))


def _metrics(problem: Problem, state: ClusterState, snapshot: Snapshot, policy: Policy) -> Iterator[Part]:
    if not problem.traits.levels_band:
        return
    for name, limit in zip(problem.metrics.names, problem.metrics.limits, strict=True):
        spread = state.spread[name]
        if spread is None or spread <= limit + REPORTED_POINTS:
            continue

        def was_out(reading: Reading, name: str = name) -> bool | None:
            points = reading.spread.get(name)
            if points is None:
                return None
            fullest = max((used.get(name) or 0.0 for used in reading.hosts.values()), default=0.0)
            enough = fullest + REPORTED_POINTS >= policy.levelled_from(name)
            return enough and points > policy.spread_limit(name) + REPORTED_POINTS

        yield replace(
            _part("spread_exceeded", name, f"spread of {label(name)}", snapshot, policy, was_out),
            full=_full(state, policy, name, state.hosts),
        )


def _hosts(problem: Problem, state: ClusterState, snapshot: Snapshot, policy: Policy) -> Iterator[Part]:
    if not problem.traits.relieves:
        return
    relief_of(problem)
    tops = dict(zip(problem.metrics.names, overloads(problem), strict=True))
    for number, over in overloaded(problem, points_before(problem)).items():
        host = problem.hosts[number]
        found = []
        for name in (problem.metrics.names[index] for index in over):

            def was_out(reading: Reading, name: str = name, host: str = host.id) -> bool | None:
                used = reading.hosts.get(host, {}).get(name)
                return None if used is None else used > tops[name] + POINTS

            what = f"host {host.name} overloaded"
            part = _part("host_overloaded", host.id, what, snapshot, policy, was_out)
            found.append(replace(part, full=_full(state, policy, name, (host.id,))))
        yield max(found, key=lambda part: (part.acts, part.readings))


def _rules(problem: Problem, state: ClusterState, snapshot: Snapshot, policy: Policy) -> Iterator[Part]:
    strict = {rule.name for rule in problem.rules if rule.strict}
    for name in dict.fromkeys(one.rule for one in state.violations if one.rule in strict):

        def was_broken(reading: Reading, name: str = name) -> bool:
            return name in reading.broken

        yield _part("rule_broken", name, f"rule {name}", snapshot, policy, was_broken)


def _full(state: ClusterState, policy: Policy, metric: str, hosts: Collection[str]) -> tuple[str, ...]:
    """The hosts above the limit of a metric, where the policy does not wait for these."""
    if "overload" not in policy.sustained_except or metric not in _LIMITED:
        return ()
    top: float = getattr(policy.limits, metric)
    return tuple(
        one.name
        for host, one in state.hosts.items()
        if host in hosts and (one.used.get(metric) or 0.0) > top + POINTS
    )


def _part(
    code: UnresolvedCode, subject: str, what: str, snapshot: Snapshot, policy: Policy, was_out: WasOut
) -> Part:
    """Counts the readings without a break before the present one, in which it was out of its band."""
    seen, since, lost = 1, snapshot.taken_at, None
    for reading in sorted(snapshot.readings or (), key=lambda one: one.at, reverse=True):
        comparable = reading.demand == policy.demand and reading.window_seconds == snapshot.window_seconds
        if not comparable or reading.at >= snapshot.taken_at:
            continue
        out = was_out(reading)
        if out is None:
            continue
        if not out:
            break
        age = _seconds(reading.at, since)
        if age > _longest_gap(policy):
            lost = reading.at
            break
        if age >= SAME_READING_SECONDS:
            seen, since = seen + 1, reading.at
    enough = seen >= policy.sustained and _seconds(since, snapshot.taken_at) >= policy.sustained_for
    return Part(
        code=code, subject=subject, what=what, readings=seen, since=since, enough=enough,
        lost=None if enough else lost,
    )  # fmt: skip


def _longest_gap(policy: Policy) -> float:
    return GAP_FACTOR * policy.sustained_for if policy.sustained_for else LONGEST_GAP_SECONDS


def _seconds(one: str, other: str) -> float:
    return (read_moment(other) - read_moment(one)).total_seconds()


def _sustained(policy: Policy, held: Held) -> Sustained:
    return Sustained(
        readings=policy.sustained,
        seconds=policy.sustained_for,
        seen=max((part.readings for part in held.parts), default=0),
        out_of_band=tuple(
            OutOfBand(
                what=part.what, subject=part.subject, readings=part.readings, since=part.since,
                waits=part in held.waiting,
            )
            for part in held.parts
        ),
    )  # fmt: skip


def _notice(part: Part, held: Held, policy: Policy) -> str:
    if part in held.waiting:
        return f"{part.what}: {_waits(part, policy, held.now)}"
    counted = f"{part.what}: {_counted(part, policy, held.now)}"
    if part.enough or not part.full:
        return counted
    return f"{counted}; it does not wait, because {listed(part.full, MAX_HOSTS)} exceeds its limit"


def _waits(part: Part, policy: Policy, now: str) -> str:
    text = f"{_counted(part, policy, now)}: no guest is migrated for it yet"
    if part.lost is None:
        return text
    gap = _duration(_longest_gap(policy))
    return (
        f"{text} (the reading of {part.lost} does not count, because it is more than {gap} before the next)"
    )


def _counted(part: Part, policy: Policy, now: str) -> str:
    """How long it has been out of its band."""
    wanted = f" of {policy.sustained}" if policy.sustained > 1 else ""
    plural = "" if max(part.readings, policy.sustained) == 1 else "s"
    text = f"out of band in {part.readings}{wanted} consecutive reading{plural}"
    if policy.sustained_for:
        past = _duration(_seconds(part.since, now))
        text += f", for {past} of {_duration(policy.sustained_for)}"
    return f"{text}, since {part.since}" if part.readings > 1 else text


def _duration(seconds: float) -> str:
    """Seconds as people say them."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and not seconds % (unit / 10 if unit > 60 else unit):
            return f"{seconds / unit:g} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _no_migrations(snapshot: Snapshot, policy: Policy) -> Plan:
    answered = with_expressions_answered(policy, snapshot)
    known, wanted = with_estimated_load(with_policy_applied(snapshot, answered), answered)
    problem = build_problem(with_hosts_closed(known, wanted), wanted)
    state = cluster_state(problem, problem.home)
    spread: Mapping[str, float | None] = dict.fromkeys(policy.metrics)
    return Plan(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        snapshot_digest=snapshot.digest(),
        remembered_at=snapshot.remembered_at,
        policy=policy,
        notices=tuple(unread_notices(snapshot)),
        status="unchanged",
        migrations=(),
        before=state,
        after=state,
        proof=Proof(
            migrations_lower_bound=0, optimal=False, spread_lower_bound=spread, method="nothing was planned"
        ),
        # What does not wait, but only waits for what does.
        unresolved=tuple(item for item in shortfall(snapshot, policy) if item.code == "host_above_limits"),
    )
