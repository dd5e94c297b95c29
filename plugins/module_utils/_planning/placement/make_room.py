# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for new guests by migrating some that are there, as few as can be found.

The new guests are put on a host that does not exist, which is then emptied as any other would be: emptying
moves guests of other hosts only where a guest fits nowhere without that, and the way there is safe.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from ..._model.placement_request import PlacementRequest
from ..._model.plan import Migration, Plan, Proof
from ..._model.policy.policy import Policy
from ..._model.selector import Selector
from ..._model.snapshot import Guest, Host, Rule, Snapshot
from ..model.builder import build_problem
from ..planner import plan as make_plan
from ..planner import plan_defects
from ..report.cluster_state import cluster_state
from ..snapshots.after_migrations import snapshot_after
from .cluster_index import ClusterIndex, index_of
from .problem import PlacementProblem, build_placement_problem
from .requested_guests import NEW
from .solution import PlacementSolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The migrations, the same task in the cluster after them, and each unit with its host, in an order that
    suits.
    """

    plan: Plan
    task: PlacementProblem
    hosts: tuple[tuple[int, int], ...]


def make_room(what: PlacementProblem, request: PlacementRequest) -> Cleared | None:
    """None where no migrations were found that help."""
    cluster = what.cluster
    if not any(unit.open for unit in what.units):
        return None
    supposed, policy = _supposed(what)
    whole = make_plan(supposed, policy)
    coming = {item.guest.id: item.guest.name for item in what.new if item.known is None}
    places = {step.guest.id: step.target for step in whole.migrations if step.guest.id in coming}
    if len(places) < len(coming):
        return None
    steps = _without_new(whole.migrations, coming)
    most = request.policy.max_migrations
    if steps is None or not steps or (most is not None and len(steps) > most):
        return None
    plan = _plan(cluster, request, _renamed(cluster, steps, coming, places))
    if plan is None:
        return None
    after = index_of(snapshot_after(cluster.snapshot, plan), cluster.policy)
    later = build_placement_problem(after, request, what.new, what.rules)
    hosts = _seats(later, request, {guest: after.index.host_at[host] for guest, host in places.items()})
    return None if hosts is None else Cleared(plan=plan, task=later, hosts=tuple(hosts))


def _supposed(what: PlacementProblem) -> tuple[Snapshot, Policy]:
    """The cluster with the new guests on hosts of their own, and a policy that has these hosts emptied."""
    cluster = what.cluster
    snapshot = cluster.snapshot
    guests: list[Guest] = []
    pins: list[Rule] = []
    for number, unit in enumerate(what.units):
        allowed = tuple(snapshot.hosts[host].id for host, why in enumerate(unit.unfit) if why is None)
        ids = tuple(what.new[position].guest.id for position in unit.guests)
        pins.append(
            Rule(
                name=f"{NEW}{number}",
                kind="host_affinity",
                guests=ids,
                hosts=allowed,
                strict=True,
                source=NEW,
            )
        )
        for position in unit.guests:
            guests.append(
                replace(
                    what.new[position].guest,
                    host=_waiting(unit.dedicated),
                    migratable=True,
                    blockers=(),
                    networks=(),
                )
            )
    apart = [
        Rule(name=f"{NEW}{one}:{other}", kind="anti_affinity", guests=(one, other), strict=True, source=NEW)
        for one, others in sorted(what.rules.apart.items())
        for other in sorted(others)
    ]
    kept = snapshot.rules if cluster.policy.platform_rules else ()
    hosts = [_host(cluster, guests, dedicated=flag) for flag in (False, True)]
    names = tuple(host.id for host in hosts)
    limits = cluster.policy.limits
    policy = replace(
        cluster.policy,
        goal="evacuate",
        evacuate=Selector(names=names),
        # Disks stay where they are.
        storage=None,
        limits=replace(limits, cpu_for_rules=limits.cpu, memory_for_rules=limits.memory),
        platform_rules=True,
        # These are part of the snapshot already.
        reserves=(),
        assumed_capacity={},
        maintenance_windows=(),
        max_migrations=None,
    )
    return (
        replace(
            snapshot,
            hosts=(*snapshot.hosts, *hosts),
            guests=(*snapshot.guests, *guests),
            rules=(*kept, *what.rules.own, *pins, *apart),
        ),
        policy,
    )


def _waiting(dedicated: bool) -> str:
    return f"{NEW}{'dedicated' if dedicated else 'ordinary'}"


def _host(cluster: ClusterIndex, guests: Sequence[Guest], *, dedicated: bool) -> Host:
    name = _waiting(dedicated)
    here = [cluster.needs_of(guest) for guest in guests if guest.host == name]
    sums = {
        resource.name: sum(need[index] for need in here)
        for index, resource in enumerate(cluster.resources[:2])
    }
    return Host(
        id=name,
        name=name,
        status="online",
        maintenance=True,
        schedulable=False,
        capacity={resource: max(1.0, 2.0 * value) for resource, value in sums.items()},
        used=sums,
        dedicated=dedicated,
    )


def _without_new(migrations: Sequence[Migration], coming: Container[str]) -> list[Migration] | None:
    """The migrations of guests that exist; None where one has to wait for a guest that does not."""
    new = {step.step for step in migrations if step.guest.id in coming}
    kept = [step for step in migrations if step.step not in new]
    if any(new.intersection(step.after) for step in kept):
        return None
    number = {step.step: index for index, step in enumerate(kept, 1)}
    waves: dict[int, int] = {}
    result = []
    for step in kept:
        own = number[step.step]
        after = tuple(number[other] for other in step.after)
        waves[own] = 1 + max((waves[other] for other in after), default=0)
        result.append(replace(step, step=own, wave=waves[own], after=after))
    return result


def _renamed(
    cluster: ClusterIndex, steps: Sequence[Migration], coming: Mapping[str, str], places: Mapping[str, str]
) -> list[Migration]:
    """The steps with their true reason. coming: by id, the names of the new guests; places: their hosts."""
    name_of = cluster.index.host_name
    arrivals: dict[str, list[str]] = {}
    for guest, host in places.items():
        arrivals.setdefault(host, []).append(coming[guest])
    result = []
    for step in steps:
        here = arrivals.get(step.source)
        if step.kind == "parking":
            result.append(step)
            continue
        why = (
            f"makes room for {', '.join(sorted(here)[:5])} on {name_of(step.source)}"
            if here
            else f"frees capacity on {name_of(step.source)} for guests that make room"
        )
        result.append(replace(step, kind="balance", why=why))
    return result


def _plan(cluster: ClusterIndex, request: PlacementRequest, steps: Sequence[Migration]) -> Plan | None:
    """The plan that vm_migrate carries out, checked in the cluster without the new guests."""
    policy = replace(
        request.policy, goal="spread", evacuate=None, relieve=None, consolidate=None, storage=None
    )
    problem = build_problem(cluster.snapshot, cluster.policy, makes_room=True)
    index = problem.index
    places = list(problem.home)
    for step in steps:
        places[index.guest_at[step.guest.id]] = index.host_at[step.target]
    one = len(steps) == 1
    plan = Plan(
        cluster=cluster.snapshot.cluster,
        platform=cluster.snapshot.platform,
        snapshot_digest=cluster.snapshot.digest(),
        remembered_at=cluster.snapshot.remembered_at,
        policy=policy,
        status="improved",
        migrations=tuple(steps),
        before=cluster_state(problem, problem.home),
        after=cluster_state(problem, places),
        proof=Proof(
            migrations_lower_bound=1,
            optimal=one,
            spread_lower_bound=dict.fromkeys(policy.metrics),
            method="without a migration there is no room",
        ),
    )
    return None if plan_defects(problem, plan) else plan


def _seats(
    later: PlacementProblem, request: PlacementRequest, places: dict[str, int]
) -> list[tuple[int, int]] | None:
    """An order in which everybody fits where the plan has them; None where storage or devices lack there."""
    state = PlacementSolution(later, request.strategy, request.spare)
    waiting = list(range(len(later.units)))
    done: list[tuple[int, int]] = []
    while waiting:
        for number in waiting:
            host = places[later.new[later.units[number].guests[0]].guest.id]
            if state.because(number, host) is None:
                state.insert(number, host)
                done.append((number, host))
                waiting.remove(number)
                break
        else:
            return None
    return done
