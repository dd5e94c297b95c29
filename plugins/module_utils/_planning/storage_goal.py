# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans with a part for datastores: after the migrations of guests, or alone with goal storage.

Where the policy allows it, guests whose disks can't stay and can't go to a datastore of their host are first
relocated: to another host together with these disks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from .._model.datastores import datastores_of
from .._model.errors import InputError
from .._model.plan import Migration, Plan, Proof, StoragePlan
from .._model.policy.policy import Policy
from .._model.policy.storage import StoragePolicy
from .._model.snapshot import Rule, Snapshot
from .._model.text.wording import listed
from .model.rules import resolve_rules
from .report.cluster_state import present_state
from .report.notices import unread_notices
from .snapshots.after_migrations import snapshot_after
from .snapshots.policy_overlay import in_maintenance
from .storage.builder import build_problem
from .storage.exclusions import exclusions_of
from .storage.planner import plan_storage
from .storage.relocations.choice import (
    choose_relocations,
    could_go,
    has_others,
    undone,
    without_disks,
)
from .storage.relocations.cluster import Relocation
from .storage.selectors import select_datastores
from .verify.relocations import relocation_defects

Status = Literal["balanced", "improved", "unchanged", "infeasible"]
# Platforms that move no disks between datastores, with their names for people.
NO_DISK_MOVES: Final = {"vmmanager": "VMmanager"}
# What a guest may be migrated for.
MUST = frozenset({"datastore_full", "datastore_not_empty", "rule_broken"})
MAX_NAMES = 5
NO_MIGRATION = "goal storage migrates no guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlanner:
    """The planner for hosts: `plan` makes a plan, `defects` are what is wrong with one, in sentences."""

    plan: Callable[[Snapshot, Policy], Plan]
    defects: Callable[[Snapshot, Policy, Plan], Sequence[str]]


def with_storage(snapshot: Snapshot, policy: Policy, hosts: HostPlanner) -> Plan:
    """The plan with disk moves after all its migrations, where the policy says anything about datastores.

    Raises InputError for goal storage, or datastores to be emptied, on a platform that moves no disks.
    """
    if policy.storage is not None and snapshot.platform in NO_DISK_MOVES:
        return _without_disk_moves(snapshot, policy, hosts)
    if policy.storage is not None and policy.storage.relocate and has_others(snapshot):
        relocated = _relocated(snapshot, policy, policy.storage, hosts)
        if relocated is not None:
            return relocated
    found = _without_storage(snapshot, policy, hosts)
    if policy.storage is None:
        return found
    return _with_disk_moves(snapshot, policy, found)


def _without_disk_moves(snapshot: Snapshot, policy: Policy, hosts: HostPlanner) -> Plan:
    platform = NO_DISK_MOVES[snapshot.platform]
    if policy.goal == "storage":
        raise InputError(
            "policy.goal",
            policy.goal,
            "a goal for hosts",
            statement=f" is storage, but moves of disks between datastores are not supported by {platform}",
            hint="Use another goal",
        )
    if policy.storage is not None and policy.storage.evacuate is not None:
        raise InputError(
            "policy.storage.evacuate",
            None,
            "no datastores to empty",
            statement=f" is set, but moves of disks between datastores are not supported by {platform}",
            hint="Leave it out",
        )
    found = hosts.plan(snapshot, replace(policy, storage=None))
    notice = (
        f"moves of disks between datastores are not supported by {platform}, so storage of the policy has no"
        " effect"
    )
    return replace(found, notices=(*found.notices, notice))


def _without_storage(snapshot: Snapshot, policy: Policy, hosts: HostPlanner) -> Plan:
    if policy.goal == "storage":
        return _no_migrations(snapshot, policy)
    known = snapshot if policy.storage is None else _with_emptied_closed(snapshot, policy.storage)
    found = hosts.plan(known, policy)
    return found if known is snapshot else replace(found, snapshot_digest=snapshot.digest())


def _with_emptied_closed(snapshot: Snapshot, storage: StoragePolicy) -> Snapshot:
    """The snapshot in which no migration takes disks to a datastore of one host that is to be emptied."""
    places = [place for place in datastores_of(snapshot) if not place.shared]
    emptied = {place.id for place in places if place.maintenance}
    if storage.evacuate is not None:
        every = datastores_of(snapshot)
        emptied |= select_datastores(every, storage.evacuate, "policy.storage.evacuate")
    shut = {(host, place.name) for place in places if place.id in emptied for host in place.hosts}
    if not shut:
        return snapshot
    hosts = []
    for host in snapshot.hosts:
        seen = {
            name: replace(entry, closed_because=entry.closed_because or "it is to be emptied")
            if (host.id, name) in shut
            else entry
            for name, entry in host.datastores.items()
        }
        hosts.append(replace(host, datastores=seen))
    return replace(snapshot, hosts=tuple(hosts))


def _with_disk_moves(snapshot: Snapshot, policy: Policy, found: Plan) -> Plan:
    first = 1 + max((migration.step for migration in found.migrations), default=0)
    after = _with_windows(snapshot_after(snapshot, found), policy)
    storage = plan_storage(after, policy, first)
    wanted = policy.storage
    if wanted is not None and not wanted.relocate and MUST & {item.code for item in storage.unresolved}:
        storage = replace(storage, notices=(*storage.notices, *_who_could_go(after, policy, storage)))
    return replace(found, storage=storage, status=_status(found, storage))


def _with_windows(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """Disks of guests on a host in a maintenance window of the policy stay: the host may be switched off."""
    if not policy.maintenance_windows:
        return snapshot
    away = in_maintenance(replace(snapshot, taken_at=policy.now or snapshot.taken_at), policy)
    guests = tuple(
        replace(
            guest,
            disks=tuple(
                replace(disk, blockers=(*disk.blockers, "maintenance_window")) for disk in guest.disks
            ),
        )
        if guest.host in away
        else guest
        for guest in snapshot.guests
    )
    return replace(snapshot, guests=guests)


def _who_could_go(snapshot: Snapshot, policy: Policy, planned: StoragePlan) -> Iterator[str]:
    names = could_go(snapshot, policy, planned) if has_others(snapshot) else ()
    if names:
        verb = "is" if len(names) == 1 else "are"
        yield (
            f"{listed(names, MAX_NAMES)} could go to another host with all disks, and {verb} not migrated, "
            "because storage.relocate is false"
        )


def _status(found: Plan, storage: StoragePlan) -> Status:
    both = {found.status, storage.status}
    if both == {"balanced"}:
        return "balanced"
    if found.migrations or storage.moves:
        return "improved"
    return "infeasible" if "infeasible" in both else "unchanged"


def _no_migrations(snapshot: Snapshot, policy: Policy) -> Plan:
    """The part of goal storage for hosts."""
    state = present_state(snapshot, policy)
    return Plan(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        snapshot_digest=snapshot.digest(),
        remembered_at=snapshot.remembered_at,
        policy=policy,
        notices=tuple(unread_notices(snapshot)),
        status="balanced",
        migrations=(),
        before=state,
        after=state,
        proof=Proof(
            migrations_lower_bound=0,
            optimal=True,
            spread_lower_bound=dict.fromkeys(policy.metrics),
            method=NO_MIGRATION,
        ),
    )


def _relocated(snapshot: Snapshot, policy: Policy, storage: StoragePolicy, hosts: HostPlanner) -> Plan | None:
    """The plan that relocates guests first; None where none has to be, or none can be."""
    planned = plan_storage(snapshot, policy)
    before = undone(snapshot, policy, planned)
    if not any(before):
        return None
    found = choose_relocations(snapshot, policy, planned, hosts.plan)
    if found is None:
        return None
    first, chosen = found
    first = replace(first, migrations=_as_relocations(first.migrations, chosen, storage))
    between = snapshot_after(snapshot, first)
    second = _without_storage(between, _with_the_rest(policy, first, ()), hosts)
    rules, _unknown = resolve_rules(snapshot, policy)
    for steps in (_after_what_they_touch(first, second, rules), _after_all(first, second)):
        joint = replace(
            second,
            migrations=(*first.migrations, *steps),
            snapshot_digest=snapshot.digest(),
            policy=policy,
            before=first.before,
            proof=_unproven(second.proof),
        )
        if not _defects(snapshot, policy, storage, chosen, joint, hosts):
            break
    else:
        return None
    if policy.goal == "storage" or any(not one.guest.is_on_host for one in chosen):
        joint = replace(joint, before=present_state(snapshot, policy))
    end = _with_disk_moves(snapshot, _with_the_rest(policy, first, chosen), joint)
    if end.storage is None or undone(snapshot_after(snapshot, joint), policy, end.storage) >= before:
        return None
    moves = replace(
        end.storage,
        before=planned.before,
        proof=replace(
            end.storage.proof,
            bytes_lower_bound=0,
            optimal=False,
            method="nothing is proven, because guests are migrated together with their disks",
        ),
    )
    return replace(end, policy=policy, storage=moves)


def _with_the_rest(policy: Policy, first: Plan, chosen: Sequence[Relocation]) -> Policy:
    """The policy with what its limits leave after the relocations."""
    most, storage = policy.max_migrations, policy.storage
    if most is not None:
        policy = replace(policy, max_migrations=max(0, most - len(first.migrations)))
    if storage is None:
        return policy
    if storage.max_moves is not None:
        storage = replace(storage, max_moves=max(0, storage.max_moves - len(chosen)))
    if storage.max_bytes is not None:
        copied = sum(one.bytes for one in chosen)
        storage = replace(storage, max_bytes=max(0, storage.max_bytes - copied))
    return replace(policy, storage=storage)


def _as_relocations(
    migrations: Sequence[Migration], chosen: Sequence[Relocation], storage: StoragePolicy
) -> tuple[Migration, ...]:
    """The migrations with the disks that go along, and why."""
    by_guest = {one.guest.id: one for one in chosen}
    found = []
    for step in migrations:
        one = by_guest.get(step.guest.id)
        if one is not None:
            seconds = round(step.cost.seconds + one.bytes / storage.bandwidth, 1)
            step = replace(
                step,
                kind="storage",
                why=one.why,
                storage={**step.storage, **one.storage},
                cost=replace(step.cost, disks=one.bytes, seconds=seconds),
            )
        found.append(step)
    return tuple(found)


def _unproven(proof: Proof) -> Proof:
    return replace(
        proof,
        migrations_lower_bound=0,
        optimal=False,
        seconds=0.0,
        seconds_lower_bound=0.0,
        method="nothing is proven, because guests are migrated for their disks first",
    )


def _after_what_they_touch(first: Plan, second: Plan, rules: Sequence[Rule]) -> tuple[Migration, ...]:
    """The later migrations, each after those of the relocations that have to do with its hosts, its guest or
    a rule over it.
    """
    together: dict[str, set[str]] = {}
    for rule in rules:
        for guest in rule.guests if rule.strict else ():
            together.setdefault(guest, {guest}).update(rule.guests)
    touched = {
        later.step: [
            step.step
            for step in first.migrations
            if {step.source, step.target} & {later.source, later.target}
            or step.guest.id in together.get(later.guest.id, {later.guest.id})
        ]
        for later in second.migrations
    }
    return _shifted(first, second, touched)


def _after_all(first: Plan, second: Plan) -> tuple[Migration, ...]:
    return _shifted(
        first,
        second,
        {later.step: [step.step for step in first.migrations] for later in second.migrations},
    )


def _shifted(first: Plan, second: Plan, touched: Mapping[int, Sequence[int]]) -> tuple[Migration, ...]:
    """The later migrations with steps and waves that go on from those of the relocations."""
    shift = max((step.step for step in first.migrations), default=0)
    waves = {step.step: step.wave for step in first.migrations}
    found = []
    for later in second.migrations:
        after = (*touched[later.step], *(step + shift for step in later.after))
        step = later.step + shift
        waves[step] = 1 + max((waves[one] for one in after), default=0)
        found.append(replace(later, step=step, wave=waves[step], after=tuple(sorted(after))))
    return tuple(found)


def _defects(
    snapshot: Snapshot,
    policy: Policy,
    storage: StoragePolicy,
    chosen: Sequence[Relocation],
    joint: Plan,
    hosts: HostPlanner,
) -> tuple[str, ...]:
    """Everything that is wrong with the migrations, for hosts and for datastores."""
    if policy.max_migrations is not None and len(joint.migrations) > policy.max_migrations:
        return (f"{len(joint.migrations)} migrations are more than max_migrations, {policy.max_migrations}",)
    judged = policy
    if policy.goal == "storage":
        judged = replace(policy, goal="rules")
    problem = build_problem(snapshot, storage, retry_refused_after=policy.retry_refused_after)
    rules = [members.rule for members in problem.rules]
    return (
        *hosts.defects(without_disks(snapshot, chosen), judged, joint),
        *relocation_defects(snapshot, storage, rules, joint.migrations, exclusions_of(problem)),
    )
