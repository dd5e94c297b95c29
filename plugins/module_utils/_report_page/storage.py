# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The datastores of a page, from its documents: before and after, and what is special about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from .._model.datastores import datastore_ids, datastores_of
from .._model.disk_moves import MovedDisks, snapshot_after_disk_moves
from .._model.moves import snapshot_after_moves
from .._model.outcome import DiskMoveOutcome, Outcome
from .._model.plan import DiskMove, Migration, Plan, StoragePlan, StorageState
from .._model.policy.storage import StoragePolicy
from .._model.snapshot import Datastore, Snapshot
from .._planning.snapshots.after_migrations import snapshot_after
from .._planning.storage.builder import build_problem
from .._planning.storage.problem import NO_LIMIT, Place, Problem
from .._planning.storage.report import storage_state
from .._planning.storage.state import State
from .given import Given
from .second_opinion import disk_defects, relocations
from .steps import ARRIVED
from .texts import count, listed
from .view import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """One datastore: bytes and percent in use and disks, before and after (None: not known). limit: percent
    that may be in use; grown: percent if all thin disks had grown to their full size, before and after.
    leaves: why all disks have to leave it; remarks: what is special about it, in words.
    """

    id: str
    name: str
    says: str
    capacity: int | None
    used: tuple[int | None, int | None]
    percent: tuple[float | None, float | None]
    disks: tuple[int, int | None]
    latency: float | None
    limit: float | None
    grown: tuple[float | None, float | None]
    leaves: str
    remarks: tuple[str, ...]
    judged: bool

    @property
    def too_full(self) -> tuple[bool, bool]:
        """Before and after."""
        before, after = (self.judged and _above(value, self.limit) for value in self.percent)
        return before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageView:
    """All datastores. problem: what the planner made of the snapshot, None without one; ends: by guest and
    disk, where those are in the end that are moved; defects: what a second check of the plan objects to, None
    where it could not be made.
    """

    places: tuple[PlaceView, ...]
    before: StorageState
    after: StorageState
    changes: Changes
    policy: StoragePolicy | None
    spread: tuple[tuple[float, float | None], ...]
    problem: Problem | None
    snapshot: Snapshot | None
    ends: Mapping[tuple[str, str], str]
    defects: tuple[str, ...] | None

    def name(self, identity: str) -> str:
        """The name of a datastore; its id where another one has the same name."""
        place = self.before.datastores.get(identity)
        if place is None:
            return identity
        return identity if self._names_twice(place.name) else place.name

    def _names_twice(self, name: str) -> bool:
        return sum(one.name == name for one in self.before.datastores.values()) > 1


def storage_of(given: Given) -> StorageView | None:
    """None where no document is about datastores, or the plan leaves them alone."""
    return given.once("storage", _storage)


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit + 1e-6


def _storage(given: Given) -> StorageView | None:
    plan = given.plan
    if plan is None and given.placement is None and given.snapshot is not None and given.snapshot.datastores:
        return _as_it_is(given.snapshot)
    if plan is None or plan.storage is None:
        return None
    policy = plan.policy.storage or StoragePolicy()
    ran = given.outcome if given.outcome is not None and given.outcome.status != "planned" else None
    along = relocations(plan)
    moves = bool(plan.storage.moves or along)
    problem = snapshot = None
    defects = None
    if given.snapshot is not None:
        snapshot = snapshot_after(given.snapshot, plan)
        problem = build_problem(
            snapshot, policy, plan.policy.seed, retry_refused_after=plan.policy.retry_refused_after
        )
        if moves:
            defects = disk_defects(given.snapshot, snapshot, problem, policy, plan)
        if along:
            # What is shown as before is before these migrations.
            snapshot = given.snapshot
            problem = build_problem(snapshot, policy, plan.policy.seed)
    after = plan.storage.after
    changes: Changes = "planned" if moves else "none"
    if ran is not None:
        found = _after_the_run(given, plan, policy, ran)
        after = _unknown(plan.storage) if found is None else found
        changes = "run" if moves else "none"
    ends = _planned_ends(plan.storage) if ran is None else _real_ends(ran)
    if along and snapshot is not None:
        arrived = _arrived(ran) if ran is not None else set(along)
        ends = {**_relocated_ends(snapshot, along, arrived), **ends}
    left = {} if ran is None else _left_on(ran)
    return _view(plan.storage.before, after, changes, policy, problem, snapshot, ends, defects, left)


def _arrived(outcome: Outcome) -> set[str]:
    return {step.guest.id for step in outcome.migrations if step.result in ARRIVED}


def _relocated_ends(
    snapshot: Snapshot, along: Mapping[str, Migration], arrived: Collection[str]
) -> dict[tuple[str, str], str]:
    ids = datastore_ids(snapshot)
    return {
        (guest.id, disk.id or ""): end
        for guest in snapshot.guests
        if guest.id in along and guest.id in arrived
        for disk in guest.disks
        if (name := along[guest.id].storage.get(disk.datastore)) is not None
        and (end := ids.get((along[guest.id].target, name))) is not None
    }


def _as_it_is(snapshot: Snapshot) -> StorageView:
    problem = build_problem(snapshot, StoragePolicy(other_balancers="ignore"))
    now = storage_state(State(problem))
    return _view(now, now, "none", None, problem, snapshot, {})


def _planned_ends(plan: StoragePlan) -> dict[tuple[str, str], str]:
    return {(move.guest.id, disk): move.target for move in plan.moves for disk in move.disks}


def _real_ends(outcome: Outcome) -> dict[tuple[str, str], str]:
    return {(move.guest.id, disk): move.target for move in as_it_went(outcome) for disk in move.moved}


def as_it_went(outcome: Outcome) -> list[DiskMoveOutcome]:
    """The disk moves in the order in which they ended: a disk may have been moved twice."""
    return sorted(outcome.disk_moves, key=lambda move: (move.ended_at or "", move.step))


def _after_the_run(given: Given, plan: Plan, policy: StoragePolicy, outcome: Outcome) -> StorageState | None:
    """The datastores with the disks where the run has left them; None where that can't be told."""
    if given.snapshot is None:
        whole = plan.storage is not None and all(move.result in ARRIVED for move in outcome.disk_moves)
        return plan.storage.after if plan.storage is not None and whole else None
    state = snapshot_after_run(given.snapshot, plan, outcome)
    return storage_state(State(build_problem(state, policy, plan.policy.seed)))


def snapshot_after_plan(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """With guests and disks where the plan wants them."""
    moves = plan.storage.moves if plan.storage else ()
    return snapshot_after_disk_moves(
        snapshot_after(snapshot, plan),
        [MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in moves],
    )


def snapshot_after_run(snapshot: Snapshot, plan: Plan | None, outcome: Outcome) -> Snapshot:
    """With guests and disks where a run has left them, and the old copies that could not be deleted."""
    arrived = [migration for migration in outcome.migrations if migration.result in ARRIVED]
    known = {guest.id for guest in snapshot.guests}
    along = {migration.guest.id: migration.storage for migration in plan.migrations} if plan else {}
    after = snapshot_after_moves(
        snapshot,
        {migration.guest.id: migration.target for migration in arrived if migration.guest.id in known},
        {migration.guest.id: along.get(migration.guest.id, {}) for migration in arrived},
    )
    places = {place.id for place in datastores_of(after)}
    moved = [
        MovedDisks(guest=move.guest.id, disks=move.moved, target=move.target)
        for move in as_it_went(outcome)
        if move.moved and move.guest.id in known and move.target in places
    ]
    return _with_left_behind(snapshot_after_disk_moves(after, moved), plan, outcome)


def _with_left_behind(snapshot: Snapshot, plan: Plan | None, outcome: Outcome) -> Snapshot:
    """The old copies that could not be deleted still take their space."""
    sizes = {move.step: move.bytes for move in plan.storage.moves} if plan and plan.storage else {}
    kept: Counter[str] = Counter()
    for move in outcome.disk_moves:
        if move.left_behind and move.result == "migrated":
            kept[move.source] += sizes.get(move.step, 0)
    return replace(
        snapshot,
        datastores=tuple(
            place
            if place.free is None or not kept[place.id]
            else replace(place, free=max(0, place.free - kept[place.id]))
            for place in snapshot.datastores
        ),
    )


def _left_on(outcome: Outcome) -> Mapping[str, list[str]]:
    """By id of a datastore, what a reader must know of the copies that were left there."""
    found: dict[str, list[str]] = {}
    for move in outcome.disk_moves:
        whole = move.result in ("migrated", "already_there")
        for name in move.left_behind:
            tail = "" if whole else ", whose size is not known here and not counted"
            found.setdefault(move.source if whole else move.target, []).append(
                f"a copy that {move.guest.name} does not use was left behind: {name}{tail}"
            )
    return found


def _unknown(plan: StoragePlan) -> StorageState:
    return StorageState(
        datastores={
            identity: replace(place, used=None, percent=None, latency=None)
            for identity, place in plan.after.datastores.items()
        },
        violations=plan.before.violations,
    )


def _view(
    before: StorageState,
    after: StorageState,
    changes: Changes,
    policy: StoragePolicy | None,
    problem: Problem | None,
    snapshot: Snapshot | None,
    ends: Mapping[tuple[str, str], str],
    defects: tuple[str, ...] | None = None,
    left: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> StorageView:
    known = {} if problem is None else {place.datastore.id: place for place in problem.places}
    names = [place.name for place in before.datastores.values()]
    hosts = {} if snapshot is None else {host.id: host.name for host in snapshot.hosts}
    grown = {} if snapshot is None else _grown(snapshot, ends)
    places = []
    for identity, place in before.datastores.items():
        then, one = after.datastores.get(identity), known.get(identity)
        places.append(
            PlaceView(
                id=identity,
                name=place.name if names.count(place.name) == 1 else identity,
                says="" if one is None else _says(one.datastore, hosts),
                capacity=place.capacity,
                used=(place.used, then.used if then else None),
                percent=(place.percent, then.percent if then else None),
                disks=(place.disks, then.disks if then else None),
                latency=place.latency,
                limit=_limit(place.capacity, policy),
                grown=(grown.get((identity, 0)), grown.get((identity, 1))),
                leaves="" if one is None else one.leaves,
                remarks=(
                    *(() if one is None else _remarks(one, policy)),
                    *left.get(identity, ()),
                ),
                judged=place.percent is not None and (one is None or not one.alone),
            )
        )
    return StorageView(
        places=tuple(places),
        before=before,
        after=after,
        changes=changes,
        policy=policy,
        spread=tuple(_spreads(problem, before, after)),
        problem=problem,
        snapshot=snapshot,
        ends=ends,
        defects=defects,
    )


def _limit(capacity: int | None, policy: StoragePolicy | None) -> float | None:
    """Percent that may be in use, with the reserve."""
    if policy is None or not capacity:
        return None
    return max(0.0, min(policy.utilisation, 100.0 * (capacity - policy.reserve) / capacity))


def _grown(snapshot: Snapshot, ends: Mapping[tuple[str, str], str]) -> Mapping[tuple[str, int], float]:
    """By datastore and end, percent in use if all thin disks had grown: more than 100 where more is promised
    than there is.
    """
    places = {place.id: place for place in datastores_of(snapshot)}
    ids = datastore_ids(snapshot)
    rest: Counter[str] = Counter()
    more: Counter[str] = Counter()
    for guest in snapshot.guests:
        for disk in guest.disks:
            home = ids.get((guest.host, disk.datastore))
            if home is None:
                continue
            whole = max(disk.size or 0, disk.used or 0)
            if disk.thin is not False:
                rest[home] += whole - (disk.used if disk.used is not None else whole)
            end = ends.get((guest.id, disk.id or ""), home)
            if end != home:
                more[home] -= whole
                more[end] += whole
    found = {}
    for identity, place in places.items():
        if not place.capacity or place.free is None:
            continue
        promised = place.provisioned
        if promised is None:
            promised = place.capacity - place.free + rest[identity]
        found[identity, 0] = 100.0 * promised / place.capacity
        found[identity, 1] = 100.0 * max(0, promised + more[identity]) / place.capacity
    return found


def _says(store: Datastore, hosts: dict[str, str]) -> str:
    parts = [text for text in (store.type, store.kind and f"class {store.kind}") if text]
    if store.cluster:
        parts.append(f"in {store.cluster}")
    if store.shared:
        parts.append(f"on {count(len(store.hosts), 'host')}")
    elif store.hosts:
        parts.append(f"only on {listed([hosts.get(host, host) for host in store.hosts])}")
    return ", ".join(parts)


def _remarks(place: Place, policy: StoragePolicy | None) -> Iterator[str]:
    store = place.datastore
    if place.leaves and policy is not None:
        yield f"to be emptied: {place.leaves}"
    elif store.maintenance:
        yield "in maintenance mode"
    if place.alone:
        yield f"left alone: {place.alone}"
    elif not place.capacity:
        yield "its capacity or its free space is not reported"
    if store.closed_because is not None:
        yield f"takes no disks: {store.closed_because}"
    elif policy is not None and not (place.takes or place.leaves or place.alone):
        yield "takes no disks: storage.exclude.targets selects it"
    if policy is not None and not (place.gives or place.alone):
        yield "no disk leaves it: storage.exclude.sources selects it"
    if place.estimated is not None:
        yield "what some of its disks take is not reported, and estimated"
    if policy is not None and policy.latency is not None and store.latency is None:
        yield "its latency is not reported"
    elif policy is not None and policy.latency is not None and place.io_limit == NO_LIMIT:
        yield "its I/O is not reported, so no disk leaves it for its latency"


def _spreads(
    problem: Problem | None, before: StorageState, after: StorageState
) -> Iterator[tuple[float, float | None]]:
    """Of each group of datastores that is levelled, the points between the fullest and the emptiest."""
    if problem is None or problem.policy.max_spread is None:
        return
    for group in State(problem).groups.values():
        if len(group) > 1:
            places = [problem.places[number] for number in group]
            yield _spread(places, before) or 0.0, _spread(places, after)


def _spread(places: Sequence[Place], state: StorageState) -> float | None:
    """Between the fullest that disks may leave and the emptiest that may take some."""
    full, empty = [], []
    for place in places:
        now = state.datastores.get(place.datastore.id)
        if now is None or now.percent is None:
            return None
        full += [now.percent] if place.gives else []
        empty += [now.percent] if place.takes else []
    return max(0.0, max(full) - min(empty)) if full and empty else 0.0


def disk_steps(given: Given) -> tuple[dict[int, DiskMove], dict[int, DiskMoveOutcome]]:
    """The disk moves as planned and as they ended, by step."""
    planned = given.plan.storage.moves if given.plan and given.plan.storage else ()
    ended = given.outcome.disk_moves if given.outcome else ()
    return {move.step: move for move in planned}, {move.step: move for move in ended}
