# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a finished plan for datastores against its snapshot, knowing nothing of how it was made.

The reading of order is the most hostile one, as in interleavings.py: a copy takes its room on the target as
soon as the steps it comes after have ended, and the source is free of it only when its own step has ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..._model.plan import DiskMove, StoragePlan, StorageState
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot, StorageRule
from .disk_replay import DiskReplay
from .disk_rules import breaches, rule_defects
from .disk_steps import DiskSteps
from .storage_exclusions import StorageExclusions, complies, refused_moves
from .worst_sum import worst_sum

TOLERANCE = 1e-6
POINTS = 1e-3


def verify_storage_plan(
    snapshot: Snapshot,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    plan: StoragePlan,
    barred: StorageExclusions,
) -> tuple[str, ...]:
    """Everything that is wrong with the plan, in sentences; empty for a legal one."""
    defects = list(_order_defects(plan.moves))
    copied = sum(move.bytes for move in plan.moves)
    if storage.max_moves is not None and len(plan.moves) > storage.max_moves:
        defects.append(f"{len(plan.moves)} moves are more than max_moves, {storage.max_moves}")
    if storage.max_bytes is not None and copied > storage.max_bytes:
        defects.append(f"{copied} bytes are more than max_bytes, {storage.max_bytes}")
    if plan.proof.bytes != copied:
        defects.append(f"the proof counts {plan.proof.bytes} bytes, and the moves copy {copied}")
    proven = plan.proof.bytes_lower_bound == copied and not plan.unresolved
    if plan.proof.bytes_lower_bound > copied or (plan.proof.optimal and not proven):
        defects.append(
            f"the proof of {plan.proof.bytes_lower_bound} bytes at least does not go with {copied} bytes"
        )
    if defects:
        return tuple(defects)
    replay = DiskReplay(snapshot, storage, plan.moves)
    defects += DiskSteps(replay, storage, rules, barred, refused_moves(snapshot, barred)).defects()
    if not defects:
        defects += _space_defects(replay)
        for rule in rules:
            defects += rule_defects(replay, rule)
        defects += _state_defects(replay, storage, rules, plan, barred)
    return tuple(defects)


def _order_defects(moves: Sequence[DiskMove]) -> Iterator[str]:
    waves: dict[int, int] = {}
    for move in moves:
        if move.step in waves:
            yield f"step {move.step} is there twice"
        for step in move.after:
            if step not in waves:
                yield f"step {move.step} comes after step {step}, which does not stand before it"
            elif waves[step] >= move.wave:
                yield f"step {move.step} is in no later wave than step {step}, which it comes after"
        waves[move.step] = move.wave


def _space_defects(replay: DiskReplay) -> Iterator[str]:
    """No datastore to which anything comes is above its limit from then on."""
    arrivals: dict[str, dict[int, float]] = {}
    departures: dict[str, dict[int, float]] = {}
    for index, move in enumerate(replay.moves):
        arrivals.setdefault(move.target, {})[index] = replay.size(index)
        departures.setdefault(move.source, {})[index] = replay.relief(index)
    for identity, gains in arrivals.items():
        place, now = replay.places[identity], replay.loads[identity] or 0
        limit = replay.amounts.limit(place)
        if now + sum(gains.values()) <= limit:
            continue
        scale = float(max(place.capacity or 0, 1))
        shares = {index: size / scale for index, size in gains.items() if size}
        reliefs = {index: size / scale for index, size in departures.get(identity, {}).items()}
        most = now / scale + _most(replay, shares, reliefs)
        if most > limit / scale + TOLERANCE:
            yield f"{place.name} can come to {100 * most:g} %, and {100 * limit / scale:g} % is its limit"


def _most(replay: DiskReplay, gains: Mapping[int, float], reliefs: Mapping[int, float]) -> float:
    """The largest change of a load while something comes or after it came, whichever comes last."""
    most = -math.inf
    for arrival, size in gains.items():
        before = replay.ancestors[arrival]
        gone = sum(relief for index, relief in reliefs.items() if before >> index & 1)
        others = {index: gain for index, gain in gains.items() if index != arrival}
        left = {index: relief for index, relief in reliefs.items() if not before >> index & 1}
        change = size - gone + worst_sum(replay.ancestors, others, left)
        most = max(most, change)
    return most


def _state_defects(
    replay: DiskReplay,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    plan: StoragePlan,
    barred: StorageExclusions,
) -> Iterator[str]:
    """Where the plan says of the datastores what is not so."""
    yield from _figures("before", replay, replay.loads, plan.before)
    yield from _figures("after", replay, replay.last_loads, plan.after)
    if plan.status == "balanced":
        left = _left_undone(replay, storage, rules, plan, barred)
        yield from (f"it is balanced, and {text}" for text in left)


def _left_undone(
    replay: DiskReplay,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    plan: StoragePlan,
    barred: StorageExclusions,
) -> Iterator[str]:
    if plan.unresolved:
        yield "it leaves something unresolved"
    for store in replay.places.values():
        load, emptied = replay.last_loads[store.id], store.id in barred.emptied
        if store.id in barred.alone and not emptied:
            continue
        if load is not None and load > replay.amounts.limit(store) and store.id not in barred.alone:
            yield f"{store.name} is above its limit"
        if (store.maintenance or emptied) and store.id in replay.ends.values():
            yield f"{store.name} is not empty"
    for (name, number), place in replay.ends.items():
        disk = replay.guests[name].disks[number]
        if place is not None and "cdrom" not in disk.blockers and not complies(storage, disk, place):
            yield f"{place} does not comply with the storage policy of {disk.id} of {name}"
    for rule in rules:
        if rule.strict and breaches(replay, rule, replay.ends):
            yield f"rule {rule.name} is broken"


def _figures(
    when: str, replay: DiskReplay, loads: Mapping[str, int | None], state: StorageState
) -> Iterator[str]:
    if set(state.datastores) != set(replay.places):
        yield f"{when}: it does not have just the datastores of the snapshot"
        return
    for identity, told in state.datastores.items():
        load, capacity = loads[identity], replay.places[identity].capacity
        if load is None or not capacity:
            if told.used is not None:
                yield f"{when}: the use of {told.name} is not known"
            continue
        load = max(0, load)
        if told.used != load or told.percent is None or abs(told.percent - 100 * load / capacity) > POINTS:
            yield f"{when}: {told.name} has {load} bytes in use, not {told.used}"
